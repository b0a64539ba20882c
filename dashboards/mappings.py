"""Texts of numeric states, as in CODES of bat2influx.ini(5); a test compares both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.palette import BAD, CHARGE, DISCHARGE, GOOD, NEUTRAL, WARNING

Json = dict[str, Any]
Words = Mapping[int, tuple[str, str]]  # text and colour by the code

STATE: Words = {
    0: ("off", NEUTRAL),
    1: ("low power", NEUTRAL),
    2: ("fault", BAD),
    3: ("bulk", CHARGE),
    4: ("absorption", CHARGE),
    5: ("float", GOOD),
    6: ("storage", GOOD),
    7: ("equalize", CHARGE),
    8: ("passthru", NEUTRAL),
    9: ("inverting", DISCHARGE),
    10: ("power assist", DISCHARGE),
    11: ("power supply", NEUTRAL),
    244: ("sustain", WARNING),
    245: ("wake-up", NEUTRAL),
    250: ("blocked", WARNING),
    252: ("external control", CHARGE),
}
MODE: Words = {
    1: ("charger only", CHARGE),
    2: ("inverter only", DISCHARGE),
    3: ("on", GOOD),
    4: ("off", NEUTRAL),
    5: ("eco", GOOD),
    251: ("passthrough", NEUTRAL),
}
ERROR: Words = {0: ("none", GOOD)}
GENSET: Words = {
    0: ("standby", NEUTRAL),
    **dict.fromkeys(range(1, 8), ("starting", WARNING)),
    8: ("running", GOOD),
    9: ("stopping", WARNING),
    10: ("error", BAD),
}
EV_CHARGER: Words = {
    0: ("disconnected", NEUTRAL),
    1: ("connected", NEUTRAL),
    2: ("charging", CHARGE),
    3: ("charged", GOOD),
    4: ("waiting for sun", WARNING),
    5: ("waiting for RFID", WARNING),
    6: ("waiting for start", WARNING),
    7: ("low state of charge", WARNING),
    8: ("ground fault", BAD),
    9: ("welded contacts", BAD),
    10: ("CP input shorted", BAD),
    11: ("residual current", BAD),
    12: ("undervoltage", BAD),
    13: ("overvoltage", BAD),
    14: ("overheating", BAD),
}


def of(words: Words) -> tuple[Json, ...]:
    """Return the value mappings of codes."""
    options = {
        str(code): {"text": text, "color": color, "index": index}
        for index, (code, (text, color)) in enumerate(words.items())
    }
    return ({"type": "value", "options": options},)

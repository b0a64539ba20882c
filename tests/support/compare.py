"""What a device said against what is stored: every value, once, in order, with its right time.

Rules: the device is one with `counted=True`, so that a number tells which message it came in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.standins.venus.device import Device
from tests.support.daemon import Setting

NINE = {
    "Voltage": "vebus/275/Dc/0/Voltage",
    "Current": "vebus/275/Dc/0/Current",
    "Power": "vebus/275/Dc/0/Power",
    "Soc": "vebus/275/Soc",
    "I": "vebus/275/Ac/ActiveIn/L1/I",
    "V": "vebus/275/Ac/ActiveIn/L1/V",
    "P": "vebus/275/Ac/ActiveIn/L1/P",
    "S": "vebus/275/Ac/ActiveIn/L1/S",
    "F": "vebus/275/Ac/ActiveIn/L1/F",
}
FAST = {field: leaf for field, leaf in NINE.items() if field != "Soc"}
NUMBER = re.compile(rb'\{"value":(-?\d{1,12}(?:\.\d{1,20})?)\}')
LATEST = 10.0  # s from a device's sending to the stamp, on a loaded machine
UNDER_WAY = 5  # messages that may be sent when the daemon has just left the broker


def said(device: Device, leaf: str) -> list[tuple[float, float]]:
    """Return (Unix time, number) of what the device published for a leaf, rounded as stored.

    That is what it published of itself, and not what a test had it say in place of a number.
    """
    topic = f"N/{device.portal_id}/{leaf}"
    return [
        (message.time, round(float(number[1]), 4))
        for message in device.log.sent
        if message.topic == topic and (number := NUMBER.fullmatch(message.payload))
    ]


def kept(setting: Setting, field: str, **place: str) -> list[tuple[int, float]]:
    """Return (time in ns, number) of what is stored for a field, oldest first."""
    return [(when, value) for when, name, value in setting.stored(**place) if name == field]


def assert_complete(setting: Setting, device: Device, field: str, leaf: str) -> None:
    """Assert that from the first stored value on all that the device said is there, once."""
    assert_all(device, leaf, kept(setting, field), field)


def assert_all(device: Device, leaf: str, stored: Sequence[tuple[int, float]], field: str) -> None:
    """Assert that from the first of `stored` on all that the device said for a leaf is there."""
    spoken = said(device, leaf)
    assert stored, f"nothing is stored of {field}"
    values = [value for _, value in spoken]
    first = values.index(stored[0][1])
    last = first + len(stored)
    assert [value for _, value in stored] == values[first:last], field
    assert len(values) - last <= UNDER_WAY, field
    asked = next((r.time for r in device.log.requests if not r.topic.endswith("/keepalive")), 0.0)
    assert sum(when > asked for when, _ in spoken[:first]) == 0, f"the first of {field} are missing"
    for (stamp, _), (when, _) in zip(stored, spoken[first:last], strict=True):
        assert -0.1 < stamp / 1e9 - when < LATEST, f"{field} is stamped wrongly"

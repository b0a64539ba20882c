"""The releases of Venus OS that the stand-in can be, and the differences of older ones.

Before 3.20 dbus-mqtt published the values (github.com/victronenergy/dbus-mqtt; the facts here are
those of its dbus_mqtt.py, 1.20 and 1.30, and of its README). It has no full_publish_completed, no
heartbeat and no way to suppress a republish: it publishes everything, retained, when it wakes up,
and republishes nothing while it is awake. When it falls asleep it removes the retained messages. It
answers a sub-tree in one message on the sub-tree's topic, with an object of all values below.

Rules: pure. Left out of dbus-mqtt: that it sends changes every 1.5 s or so, and its lists of
topics of interest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Firmware(Enum):
    """The releases that differ."""

    CURRENT = "current"  # 3.50 and later
    NO_ECHO = "no-echo"  # 3.20 and later: dbus-flashmq, which ignores the request for an echo
    # 2.80 and later: options on /keepalive are interpreted as topics of interest, and none of these
    # exist. So an empty payload keeps it awake, one with options has no effect.
    SELECTIVE = "selective"
    # Before: any request keeps it awake, a wrong one too; /keepalive is an unknown path.
    FIRST = "first"
    # The worst possible old firmware; no release does this: the Serial alone keeps it awake,
    # and /keepalive is an unknown path.
    SERIAL_ALONE = "serial-alone"

    @property
    def is_dbus_mqtt(self) -> bool:
        """Whether it is dbus-mqtt, in Python, and not dbus-flashmq."""
        return self not in {Firmware.CURRENT, Firmware.NO_ECHO}


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a request for a device; with `error` the device logs an unknown request."""

    keepalive: bool
    read: bool
    error: bool = False


def meaning(firmware: Firmware, path: str, payload: bytes) -> Meaning:
    """Return the meaning of a request to R/<portal id>/`path`."""
    keepalive, serial = path == "keepalive", path == "system/0/Serial"
    match firmware:
        case Firmware.SELECTIVE:
            return Meaning(serial or (keepalive and not payload), not (serial or keepalive))
        case Firmware.FIRST:
            return Meaning(True, not keepalive, keepalive)
        case Firmware.SERIAL_ALONE:
            return Meaning(serial, not (serial or keepalive), keepalive)
    return Meaning(serial or keepalive, not keepalive)


def echo_of(payload: bytes) -> str | None:
    """Return the echo that a keepalive requests in full_publish_completed."""
    try:
        options = json.loads(payload)["keepalive-options"]
    except (ValueError, TypeError, KeyError):
        return None
    echoes = [
        option.get("full-publish-completed-echo")
        for option in (options if isinstance(options, list) else [])
        if isinstance(option, dict)
    ]
    return next((echo for echo in reversed(echoes) if isinstance(echo, str)), None)


def in_old_form(payload: bytes, *, read: bool) -> bytes:
    """Return a payload as dbus-mqtt writes it: the value alone, blanks, [] for null in a read.

    A payload that is no JSON object with a value stays unchanged.
    """
    try:
        value = json.loads(payload)["value"]
    except (ValueError, TypeError, KeyError):
        return payload
    return json.dumps({"value": [] if read and value is None else value}).encode()


def tree_in_old_form(leaves: Mapping[str, bytes]) -> bytes:
    """Return the answer to the read of a sub-tree: the values of its leaves, by their path in it.

    They have to be JSON; a test that sets another payload for a path has to read the leaf.
    """
    written = {path: in_old_form(payload, read=True) for path, payload in leaves.items()}
    values = {path: json.loads(payload)["value"] for path, payload in written.items()}
    return json.dumps({"value": values}).encode()

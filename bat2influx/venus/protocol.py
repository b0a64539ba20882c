"""What a Venus OS device understands and publishes on MQTT: values in, values out.

No socket, no clock, no state that is not passed in. The facts are Victron's: read requests,
keepalive and payloads as in the README of dbus-flashmq, paths and units as in the register list of
dbus_modbustcp.

Topics: `R/<portal id>/<service>/<instance>/<D-Bus path>` is a request, the same with `N/` is the
answer. An answer's topic is looked up, never parsed: only subscribed topics can become values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from bat2influx.safe_json import parse, parse_object

_JSON = json.JSONDecoder()
_BLANKS = " \t\n\r"  # allowed around JSON
MAX_PAYLOAD = 65_536  # bytes; a value of a device takes under 300
# What a device writes for nearly every value; as JSON it has the same meaning. The first needs no
# rounding: a number with DECIMALS at most, and fewer digits than a float has.
_SHORT = re.compile(rb'\{"value":-?(?!0[0-9])[0-9]{1,9}(?:\.[0-9]{1,4})?\}').fullmatch
_PLAIN = re.compile(rb'\{"value":-?(?!0[0-9])[0-9]+(?:\.[0-9]+)?\}').fullmatch
_MAX_PLAIN = 32  # bytes; every number of so few digits is finite
DECIMALS = 4
_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")  # Victron's have 15 characters at most
_SEGMENT = re.compile(r"[A-Za-z0-9_.-]+\Z")
PORTAL_ID = "[A-Za-z0-9_-]{1,64}"  # as part of a topic; Victron's have 12 characters
_PORTAL_TOPIC = re.compile(rf"N/({PORTAL_ID})/system/0/Serial")
MAX_SERVICES = 1_000  # services of one device that are kept; a large device has a hundred
MAX_LEAVES = 10_000  # paths of one device that are kept; all presets have under 200 per service
MAX_LISTED_PORTALS = 1_000  # portal ids of one broker that are kept in the search for one device


class Field(NamedTuple):
    """A field of the measurement and where on the device's D-Bus its value is.

    `instance` is the device instance, None if it is to be discovered (`vebus/Soc`); `path` has no
    leading slash (`Dc/0/Voltage`). It is no fault if a device does not have an `optional` field.
    """

    name: str
    service: str
    instance: int | None
    path: str
    optional: bool = False

    @property
    def slow(self) -> bool:
        """State of charge changes slowly: it is read at `soc_interval`."""
        return self.path == "Soc" or self.path.endswith("/Soc")

    def __str__(self) -> str:
        middle = "" if self.instance is None else f"/{self.instance}"
        return f"{self.service}{middle}/{self.path}"


def parse_field(name: str, text: str) -> Field:
    """Read `service[/instance]/path`, as in `[Fields] Pv = solarcharger/288/Yield/Power`.

    Raises ValueError, with a text for users, for any other form.
    """
    parts = text.strip().split("/")
    if parts[0] in {"N", "R", "W"}:
        raise ValueError("write it without the topic's beginning: service[/instance]/path")
    if not _SERVICE.match(parts[0]):
        raise ValueError("must be service[/instance]/path, as in vebus/Dc/0/Voltage")
    instance = None
    rest = parts[1:]
    if rest and rest[0].isascii() and rest[0].isdigit() and len(rest[0]) <= 9:
        instance = int(rest.pop(0))
    if not rest:
        raise ValueError("has no path: it must be service[/instance]/path, as in vebus/Soc")
    for segment in rest:
        if not _SEGMENT.match(segment):
            what = "an empty part" if not segment else f"the part {segment!r}"
            raise ValueError(f"has {what} in its path; wildcards are not supported")
    return Field(name, parts[0], instance, "/".join(rest))


class NoValue(Enum):
    """Why a message is not a value. Counted by these names; none is an error of the daemon."""

    NULL = "null"
    EMPTY_LIST = "empty list"
    ZERO_BYTES = "zero bytes"
    TEXT = "text"
    BOOLEAN = "boolean"
    NOT_FINITE = "not a finite number"
    OTHER_TYPE = "list or object"
    NO_VALUE_KEY = "no value in it"
    NOT_AN_OBJECT = "not a JSON object"
    NOT_JSON = "not JSON"
    TOO_DEEP = "nested too deep"
    TOO_LONG = "too long"
    RETAINED = "retained"
    OTHER_TOPIC = "topic not asked for"
    NO_TICK = "not the first value of a tick"
    REPUBLISHED = "republished from the device's cache"
    REPEATED = "said again within a tick"


def decode(payload: bytes) -> float | NoValue:
    """Return the number in a payload like `{"value":53.2}`, rounded to four decimals.

    For any other payload, return the reason. Never raises, whatever the bytes. `[]` is the null of
    the older dbus-mqtt; a message of zero bytes means that the service has left the bus.
    """
    if _SHORT(payload):
        return float(payload[9:-1]) + 0.0  # no -0.0
    if len(payload) <= _MAX_PLAIN and _PLAIN(payload):
        return round(float(payload[9:-1]), DECIMALS) + 0.0
    return decode_json(payload)


def decode_json(payload: bytes) -> float | NoValue:
    """Do the same as `decode`, for a payload of any form."""
    if not payload:
        return NoValue.ZERO_BYTES
    if len(payload) > MAX_PAYLOAD:
        return NoValue.TOO_LONG
    try:
        text = payload.decode("utf-8").strip(_BLANKS)
        message, end = _JSON.raw_decode(text)  # the same as decode(), in half the time
    except RecursionError:
        return NoValue.TOO_DEEP
    except ValueError:  # not UTF-8, not JSON, or more digits than int() accepts
        return NoValue.NOT_JSON
    if end != len(text):
        return NoValue.NOT_JSON
    if type(message) is not dict:
        return NoValue.NOT_AN_OBJECT
    if "value" not in message:
        return NoValue.NO_VALUE_KEY
    return _number(message["value"])


def _number(value: object) -> float | NoValue:
    if type(value) is float or type(value) is int:
        try:
            number = round(float(value), DECIMALS)
        except OverflowError:  # an integer beyond the range of floats
            return NoValue.NOT_FINITE
        return number + 0.0 if math.isfinite(number) else NoValue.NOT_FINITE  # no -0.0
    if value is None:
        return NoValue.NULL
    if value == []:
        return NoValue.EMPTY_LIST
    if isinstance(value, bool):
        return NoValue.BOOLEAN
    return NoValue.TEXT if isinstance(value, str) else NoValue.OTHER_TYPE


PORTALS = "N/+/system/0/Serial"  # the only retained message of a device


def portal_of(topic: str) -> str | None:
    """Return the portal id of a retained `N/<portal id>/system/0/Serial`."""
    match = _PORTAL_TOPIC.fullmatch(topic)
    return match[1] if match else None


def is_portal_id(text: str) -> bool:
    """Return whether this may be a portal id: 1 to 64 letters, digits, `_` and `-` of ASCII."""
    return re.fullmatch(PORTAL_ID, text) is not None


def names_device(payload: bytes) -> bool:
    """Return whether a retained Serial shows that there is a device.

    The value must be a serial number: a text or a number. A message of zero bytes removes a device,
    and a null is left by something that had no serial number.
    """
    value = parse_object(payload).get("value") if len(payload) <= MAX_PAYLOAD else None
    return bool(value) and isinstance(value, str | int | float) and not isinstance(value, bool)


def keepalive(portal: str, *, echo: str | None = None) -> tuple[str, bytes]:
    """Return topic and payload of a keepalive: suppressed, or a full republish with an echo.

    Each requests 60 s of notifications. The suppressed one brings changes only; the other makes the
    device publish every value, then `full_publish_completed` with the echo (Venus OS 3.50 and
    later; without it before).
    """
    option: object = {"full-publish-completed-echo": echo} if echo else "suppress-republish"
    payload = json.dumps({"keepalive-options": [option]}, separators=(",", ":"))
    return f"R/{portal}/keepalive", payload.encode()


def full_keepalive(portal: str) -> tuple[str, bytes]:
    """Return topic and payload of a keepalive with a full republish, without an echo."""
    return f"R/{portal}/keepalive", b""


def old_keepalive(portal: str) -> tuple[str, bytes]:
    """Return topic and payload of the keepalive for firmware before Venus OS 3.20.

    Firmware that understands the other keepalive answers this one with a full republish.
    """
    return f"R/{portal}/system/0/Serial", b""


def completed(portal: str) -> str:
    """Return the topic on which a device reports the end of a full republish."""
    return f"N/{portal}/full_publish_completed"


class InstanceSearch:
    """Finds the instances of services, and which of some paths a device has.

    Subscribe to `subscriptions`, send the keepalive with `echo`, pass every message to `process`;
    the result is complete when `complete` becomes true.

    No part of a topic is kept that is longer than what is searched for: if vebus is searched for,
    every service name counts as an answer, and a name may have 64 KiB.
    """

    def __init__(
        self,
        portal: str,
        services: Iterable[str],
        echo: str = "",
        paths: Iterable[tuple[str, str]] = (),
    ) -> None:
        """`paths` are (service, path) to search for; their services are searched for, too."""
        self.portal = portal
        self.echo = echo
        wanted = dict.fromkeys(paths)
        self.found: dict[str, set[int]] = {service: set() for service in services}
        self.found |= {service: set() for service, _ in wanted}
        self.present: set[str] = set()  # service/instance/path, of `found` alone
        self.places: set[tuple[str, int]] = set()  # of all services, if vebus is searched for
        self.complete = not self.found
        self._prefix = f"N/{portal}/"
        self._paths = wanted
        self._completed = completed(portal)
        self._all = "vebus" in self.found  # without one, the other services are reported
        services = ("+",) if self._all else self.found
        self.subscriptions = (
            *(f"N/{portal}/{service}/+/ProductId" for service in services),
            *(f"N/{portal}/{service}/+/{path}" for service, path in wanted),
            self._completed,
        )

    def process(self, topic: str, payload: bytes) -> bool:
        """Process a message; return whether it is one of those subscribed to here."""
        if topic == self._completed:
            self.complete = self.complete or self._has_own_echo(payload)
            return True
        if not topic.startswith(self._prefix):
            return False
        leaf = topic[len(self._prefix) :]
        service, _, rest = leaf.partition("/")
        instance, _, path = rest.partition("/")
        named = path == "ProductId" and (self._all or service in self.found)
        if not (named or (service, path) in self._paths):
            return False
        if payload and is_instance(instance):
            if named and self._all:
                self._note(service, int(instance))
            room = len(self.found.get(service, ())) < MAX_SERVICES
            if service in self.found and room and (named or service == "system"):
                self.found[service].add(int(instance))
            if service in self.found and len(self.present) < MAX_LEAVES:
                self.present.add(leaf)
        return True

    def _note(self, service: str, instance: int) -> None:
        if _SERVICE.match(service) and len(self.places) < MAX_SERVICES:
            self.places.add((service, instance))

    def _has_own_echo(self, payload: bytes) -> bool:
        message = parse(payload) if len(payload) <= MAX_PAYLOAD else None
        echo = message.get("full-publish-completed-echo") if isinstance(message, dict) else ""
        return echo in (self.echo, None)  # None: firmware before 3.50


def is_instance(text: str) -> bool:
    """Return whether a part of a topic is a device instance: it may also be text (VENUS)."""
    return text.isascii() and text.isdigit() and len(text) <= 9


def services_to_find(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the services whose instance must be discovered. That of `system` is always 0."""
    return tuple(
        dict.fromkeys(f.service for f in fields if f.instance is None and f.service != "system")
    )

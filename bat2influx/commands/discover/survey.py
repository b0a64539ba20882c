"""Collects a device's full republish: its services, their numbers and names.

Rules: no socket and no clock. All input is untrusted: what is not a number, does not fit into a
line of the ini file or exceeds the bounds below is ignored. A null value or an empty payload
removes the value.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bat2influx.printable import plain
from bat2influx.safe_json import parse_object
from bat2influx.venus import protocol
from bat2influx.venus.examples import BACKGROUND_SERVICES
from bat2influx.venus.protocol import MAX_PAYLOAD
from bat2influx.venus.units import WANTED

MAX_NUMBERS = 5000  # of one device; a large system has some two thousand, settings included
MAX_TEXTS = 500
MAX_PATH = 160  # characters

_LEAF = re.compile(r"([a-z][a-z0-9_]{0,39})/(0|[1-9][0-9]{0,4})/([\w.-]+(?:/[\w.-]+)*)\Z", re.ASCII)
_NAMES = ("CustomName", "ProductName")
_SYSTEM_NAME = "settings/0/Settings/SystemSetup/SystemName"
_MODEL = "platform/0/Device/Model"

_ORDER = {service: number for number, service in enumerate(WANTED)}


class ServiceInstance(NamedTuple):
    """A service and its device instance."""

    service: str
    instance: int

    def __str__(self) -> str:
        return f"{self.service}/{self.instance}"


class Survey:
    """What the device `portal` has published so far.

    Hand every message to `process`; `complete` turns true at the end of the republish that was
    requested with `echo`. `numbers` are by place and path.
    """

    def __init__(self, portal: str, echo: str) -> None:
        self.portal = portal
        self.echo = echo
        self.numbers: dict[ServiceInstance, dict[str, float]] = {}
        self.known = 0  # rises with each path that is new
        self._held = 0
        self._texts: dict[str, str] = {}
        self._end = protocol.InstanceSearch(portal, ("vebus",), echo)

    @property
    def complete(self) -> bool:
        """Whether the republish has ended."""
        return self._end.complete

    def process(self, topic: str, payload: bytes) -> None:
        """Take a message into account, whatever its topic."""
        self._end.process(topic, payload)
        mine, _, leaf = topic.partition(f"N/{self.portal}/")
        match = _LEAF.match(leaf) if not mine else None
        if match is None or len(match[3]) > MAX_PATH or int(match[2]) > 65_535:
            return
        place, path = ServiceInstance(match[1], int(match[2])), match[3]
        value = protocol.decode(payload)
        if isinstance(value, float):
            self._keep(place, path, value)
        else:
            self._drop(place, path)
        if path in _NAMES or leaf in (_SYSTEM_NAME, _MODEL):
            self._read(leaf, payload)

    def _keep(self, place: ServiceInstance, path: str, value: float) -> None:
        paths = self.numbers.get(place, {})
        if path not in paths:
            if self._held >= MAX_NUMBERS:
                return
            self._held += 1
            self.known += 1
        self.numbers.setdefault(place, {})[path] = value

    def _drop(self, place: ServiceInstance, path: str) -> None:
        paths = self.numbers.get(place, {})
        if paths.pop(path, None) is not None:
            self._held -= 1
            if not paths:
                del self.numbers[place]

    def _read(self, leaf: str, payload: bytes) -> None:
        text = _text(payload)
        if not text:
            self._texts.pop(leaf, None)
            return
        if leaf not in self._texts:
            if len(self._texts) >= MAX_TEXTS:
                return
            self.known += 1
        self._texts[leaf] = text

    def places(self, *, everything: bool = False) -> tuple[ServiceInstance, ...]:
        """Return the services that have numbers, those a battery owner wants first.

        Configuration and housekeeping are included with `everything` only.
        """
        shown = (p for p in self.numbers if everything or p.service not in BACKGROUND_SERVICES)
        return tuple(sorted(shown, key=lambda place: (_ORDER.get(place.service, 99), place)))

    def names_of(self, place: ServiceInstance) -> tuple[str, ...]:
        """Return the known names of a service: its owner's name for it, and the product."""
        texts = (self._texts.get(f"{place}/{name}", "") for name in reversed(_NAMES))
        return tuple(dict.fromkeys(text for text in texts if text))

    @property
    def model(self) -> str:
        """The model of the GX device, as in Cerbo GX; '' if unknown."""
        return self._texts.get(_MODEL, "")

    @property
    def name(self) -> str:
        """The owner's name for the system; '' if it has none."""
        return self._texts.get(_SYSTEM_NAME, "")


def _text(payload: bytes) -> str:
    """Return the text in a payload like {"value":"Cerbo GX"}, printable; '' for anything else."""
    value = parse_object(payload).get("value") if len(payload) <= MAX_PAYLOAD else None
    return plain(value) if isinstance(value, str) else ""

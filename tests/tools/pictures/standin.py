"""The stand-in with the day of the pictures: that of tests/support/house.py.

Rules: this module reads no clock. The house advances by steps of a second up to the second of the
stand-in, and its values are read in each of them, because reading uses random numbers too. So the
same start and the same seed always give the same day, however often it is read.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.values import Snapshot, Source, system, vebus
from tests.support.house import AC, DC, House

PORTAL = "c0619ab1c2d3"
DAY = 86_400  # s
_FIELDS = (*DC, *AC, "Soc")
_PLACES = {
    **{name: f"/Dc/0/{name}" for name in DC},
    **{name: f"/Ac/ActiveIn/L1/{name}" for name in AC},
    "Soc": "/Soc",
}


class Lived:
    """A house from `first` on, in s since 1970; `settling` s before that settle the battery.

    Seconds have to be read in order.
    """

    def __init__(self, first: int, *, seed: int, settling: int = DAY) -> None:
        self._house = House(seed)
        self._now = first - settling
        self._values: dict[str, float] = {}
        self.value("Soc", first)

    def value(self, field: str, second: int) -> float:
        """Return the value of one of the nine fields in a second since 1970."""
        while self._now < second:
            self._now += 1
            self._house.advance(self._now, 1.0)
            values = (*self._house.dc(), *self._house.ac(), self._house.soc())
            self._values = dict(zip(_FIELDS, values, strict=True))
        return self._values[field]


class Prompt(VenusRunner):
    """Sends each message at once; otherwise one of many answers is delayed 40 ms by the ACK."""

    def _connect(self) -> None:
        super()._connect()
        if self._client is not None:
            self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def device(house: Lived, second: Callable[[int], int] = lambda now: now) -> Device:
    """Return a Venus device in that house; `second` returns the house's current second."""
    # Not the Multi's output, for which the house has no values.
    paths = {path: source for path, source in vebus().items() if not path.startswith("/Ac/Out/")}
    for field, path in _PLACES.items():
        paths[path] = _source(house, field, second)
    return Device(PORTAL, {"vebus": paths, "system": system(PORTAL)})


def _source(house: Lived, field: str, second: Callable[[int], int]) -> Source:
    def value(now: Snapshot) -> float:
        return house.value(field, second(now.time))

    return value

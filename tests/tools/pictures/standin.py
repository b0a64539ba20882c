"""The stand-in with a day that is worth a picture: that of tests/support/house.py.

Rules: no clock in here. The house goes on by steps of a second up to the second that the stand-in
shows, and is looked at in each of them: a look takes of its chance, too. So the same beginning and
the same seed give the same day for ever, however often it is asked.
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
    """A house since `first`, in s since 1970; `settling` s before that bring the battery along.

    The seconds that it is asked for are in order: there is no way back.
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
    """Sends each message at once; otherwise an answer of many waits 40 ms for the broker's ACK."""

    def _connect(self) -> None:
        super()._connect()
        if self._client is not None:
            self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def device(house: Lived, second: Callable[[int], int] = lambda now: now) -> Device:
    """Return a Venus device in that house, in the second of the house that `second` tells."""
    # Not the Multi's output, of which the house tells nothing.
    paths = {path: source for path, source in vebus().items() if not path.startswith("/Ac/Out/")}
    for field, path in _PLACES.items():
        paths[path] = _source(house, field, second)
    return Device(PORTAL, {"vebus": paths, "system": system(PORTAL)})


def _source(house: Lived, field: str, second: Callable[[int], int]) -> Source:
    def value(now: Snapshot) -> float:
        return house.value(field, second(now.time))

    return value

"""When the devices of a fleet are sent keepalives, and by which of several daemons.

Daemons do not speak to each other: each hears every keepalive that anybody sends to a device, its
own among them. A device is due when the latest is W/4 old (30 s; VENUS: one lasts 60 s), and a
random part of W/40 (3 s) later that each daemon draws for itself: whoever is first sends it, and
the others hear of it. Of a daemon that ends nobody has to know.

The first one brings all values, by a full republish: to a device that is new, to each on a new
connection, and to one that has said nothing for W/8. There is one in W/2 (a minute) for a device at
the most, whoever has asked for it, and EACH_SECOND in a second for all of them; a device whose turn
is later than W/4 from now tells of its changes until then. One that speaks already is kept alive by
somebody: where the work is shared, one listens for W/8 to be told by whom.

Pure: times are monotonic seconds, spans are fractions of the watchdog interval W.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator

from bat2influx.device.keepalive import KeepaliveKind

EACH_SECOND = 25  # full republishes; one may be thousands of messages
MOST_DEVICES = 100_000  # of one daemon: 3,300 keepalives a second
MOST_OLD = 1_000  # entries of the agenda that count no more, beside one for each device
SUPPRESSED = b"suppress-republish"  # in the payload of a keepalive that brings changes only


class Pulse:
    """What is known of one device's keepalives, and of its silence.

    `heard` is to be set with each message of the device; it is -inf before the first.
    """

    __slots__ = (
        "at",
        "full",
        "heard",
        "kept",
        "lost",
        "portal",
        "silent",
        "since",
        "turn",
        "wants",
    )

    def __init__(self, portal: str) -> None:
        self.portal = portal
        self.heard = -math.inf
        self.since = -math.inf  # since when it is waited for
        self.kept = -math.inf  # the latest keepalive, since then
        self.full = -math.inf  # the latest full republish that anybody has asked for, ever
        self.wants = True  # all values
        self.turn = math.inf  # to be asked for all values
        self.at = math.inf  # when to look at it again
        self.lost = False  # it has said nothing for W/8
        self.silent = False  # nothing for W


class Keepalives:
    """The keepalives of a fleet, as one daemon sees them."""

    def __init__(self, watchdog: float, chance: Callable[[], float], *, shared: bool) -> None:
        """`chance` returns a random number from 0 to 1.

        With `shared` a keepalive of somebody else is taken for that of a daemon in the same group,
        which has stored the values.
        """
        self.pulses: dict[str, Pulse] = {}  # by portal id
        self._every = watchdog / 4
        self._apart = watchdog / 40
        self._listen = watchdog / 8
        self._rest = watchdog / 2
        self._silent_after = watchdog
        self._chance = chance
        self._shared = shared
        self._agenda: list[tuple[float, str]] = []
        self._turn = -math.inf  # the latest that was given

    def begin(self, now: float) -> None:
        """The connection is new: what was sent, and said, before it may not have been heard."""
        self._agenda.clear()
        self._turn = -math.inf
        for pulse in self.pulses.values():
            self._await(pulse, now)

    def add(self, portal: str, now: float) -> Pulse:
        """There is such a device, maybe a new one."""
        pulse = self.pulses.get(portal)
        if pulse is None:
            pulse = self.pulses[portal] = Pulse(portal)
            self._await(pulse, now)
        return pulse

    def remove(self, portal: str) -> None:
        """There is no such device any more."""
        self.pulses.pop(portal, None)

    def kept(self, portal: str, payload: bytes, now: float) -> None:
        """A keepalive was sent to a device, by whomever."""
        pulse = self.pulses.get(portal)
        if pulse is None:
            return
        pulse.kept = now
        if SUPPRESSED not in payload:
            pulse.full, pulse.wants = now, False
        elif self._shared and pulse.turn == math.inf and not pulse.lost:
            pulse.wants = False

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long: what was said meanwhile is yet to come."""
        for pulse in self.pulses.values():
            pulse.heard += seconds
            pulse.since += seconds

    def look_after(self, now: float) -> list[str]:
        """Return the devices that have said nothing for W; to be called each few seconds."""
        silent = []
        for pulse in self.pulses.values():
            if pulse.heard > now - self._listen:
                if pulse.lost:
                    pulse.lost, pulse.silent, pulse.wants = False, False, True
                    self._look_at(pulse, now + self._chance() * self._apart)
                continue
            pulse.lost = pulse.lost or now - pulse.since >= self._listen
            if pulse.silent or now - max(pulse.heard, pulse.since) >= self._silent_after:
                pulse.silent = True
                silent.append(pulse.portal)
        return silent

    def due(self) -> float:
        """Return when the next one may be due."""
        return self._agenda[0][0] if self._agenda else math.inf

    def next(self, now: float) -> Iterator[tuple[str, KeepaliveKind]]:
        """Yield what is to be sent now, and to whom; to be sent at once.

        Whoever stops in between has the others the next time.
        """
        while self._agenda and self._agenda[0][0] <= now:
            at, portal = heapq.heappop(self._agenda)
            pulse = self.pulses.get(portal)
            if pulse is not None and at == pulse.at:  # it is there, and was not put elsewhere
                ask = self._ask(pulse, now)
                if ask is not None:
                    pulse.kept = now
                self._look_at(pulse, self._next(pulse, now))
                if ask is not None:
                    yield portal, ask

    def _await(self, pulse: Pulse, now: float) -> None:
        """Begin anew with a device."""
        pulse.since, pulse.kept = now, -math.inf
        pulse.wants, pulse.turn = True, math.inf
        self._look_at(pulse, now + self._apart * (1.0 + self._chance()))

    def _ask(self, pulse: Pulse, now: float) -> KeepaliveKind | None:
        """Return what is to be sent to a device now."""
        wanted = self._wanted(pulse)
        if wanted > now:  # maybe somebody else was first
            pulse.turn = math.inf
        elif pulse.turn == math.inf:
            pulse.turn = self._turn = max(now, self._turn + 1.0 / EACH_SECOND)
        if pulse.turn <= now:
            pulse.full, pulse.wants, pulse.turn = now, False, math.inf
            return KeepaliveKind.FULL
        soon = pulse.kept == -math.inf and pulse.turn <= now + self._every
        return KeepaliveKind.CHANGES if now >= self._regular(pulse) and not soon else None

    def _next(self, pulse: Pulse, now: float) -> float:
        """Return when to look at a device again."""
        wanted, regular = self._wanted(pulse), self._regular(pulse)
        late = self._chance() * self._apart
        times = [pulse.turn, wanted + late, regular + late]
        return min(each for each in times if each > now)

    def _regular(self, pulse: Pulse) -> float:
        """Return when the next one of any sort is due."""
        return pulse.kept + self._every if pulse.kept > -math.inf else self._first(pulse)

    def _first(self, pulse: Pulse) -> float:
        speaks = self._shared and pulse.heard >= pulse.since
        return pulse.since + (self._listen if speaks else self._apart)

    def _wanted(self, pulse: Pulse) -> float:
        """Return when a full republish is due."""
        if not pulse.wants and pulse.heard >= pulse.full:  # else it has not been answered
            return math.inf
        return max(self._first(pulse), pulse.full + self._rest)

    def _look_at(self, pulse: Pulse, at: float) -> None:
        pulse.at = at
        if len(self._agenda) >= 2 * len(self.pulses) + MOST_OLD:  # of devices that have gone
            self._agenda[:] = [(each.at, each.portal) for each in self.pulses.values()]
            heapq.heapify(self._agenda)
        else:
            heapq.heappush(self._agenda, (at, pulse.portal))

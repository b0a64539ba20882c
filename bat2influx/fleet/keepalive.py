"""When the devices of a fleet are sent keepalives, and by which of several daemons.

Daemons do not communicate with each other: each receives every keepalive that any client sends to a
device, including its own. A device is due when its latest keepalive is W/4 old (30 s; VENUS: one
lasts 60 s), plus a random part of W/40 (3 s) that each daemon draws for itself. The first daemon
sends it, and the others receive it. When a daemon stops, no other daemon has to be notified.

The first keepalive requests all values, by a full republish: for a device that is new, for each on
a new connection, and for one that has sent nothing for W/8. A device gets at most one full
republish every W/2 (a minute), whoever requests it, and all devices together EACH_SECOND per
second. A device whose turn is later than W/4 from now is asked for changes until then. A device
that already sends values is kept alive by some client: if the work is shared, the daemon listens
for W/8 to learn which.

Pure: times are monotonic seconds, spans are fractions of the watchdog interval W.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator

from bat2influx.device.keepalive import KeepaliveKind

EACH_SECOND = 25  # full republishes per second; one may be thousands of messages
MAX_DEVICES = 100_000  # of one daemon: 3,300 keepalives per second
MAX_OLD = 1_000  # obsolete entries of the agenda, in addition to one for each device
SUPPRESSED = b"suppress-republish"  # in the payload of a keepalive that brings changes only


class Pulse:
    """What is known of one device's keepalives, and of its silence.

    The caller sets `received_at` with each message of the device; it is -inf before the first.
    """

    __slots__ = (
        "check_at",
        "full_at",
        "full_turn",
        "keepalive_at",
        "lost",
        "needs_full",
        "not_responding",
        "portal",
        "received_at",
        "since",
    )

    def __init__(self, portal: str) -> None:
        self.portal = portal
        self.received_at = -math.inf
        self.since = -math.inf  # since when a message is expected
        self.keepalive_at = -math.inf  # the latest keepalive, since then
        self.full_at = -math.inf  # the latest full republish that any client has requested
        self.needs_full = True  # whether a full republish is needed
        self.full_turn = math.inf  # when to request a full republish
        self.check_at = math.inf  # when to check the device again
        self.lost = False  # whether it has sent nothing for W/8
        self.not_responding = False  # whether it has sent nothing for W


class Keepalives:
    """The keepalives of a fleet, as one daemon sees them."""

    def __init__(self, watchdog: float, chance: Callable[[], float], *, shared: bool) -> None:
        """`chance` returns a random number from 0 to 1.

        With `shared`, another client's keepalive is treated as that of a daemon in the same group,
        which has stored the values.
        """
        self.pulses: dict[str, Pulse] = {}  # by portal id
        self._every = watchdog / 4
        self._spread = watchdog / 40
        self._listen = watchdog / 8
        self._rest = watchdog / 2
        self._answer_timeout = watchdog
        self._chance = chance
        self._shared = shared
        self._agenda: list[tuple[float, str]] = []
        self._turn = -math.inf  # the latest turn of any device

    def begin(self, now: float) -> None:
        """The connection is new: messages and keepalives before it may be missing."""
        self._agenda.clear()
        self._turn = -math.inf
        for pulse in self.pulses.values():
            self._await(pulse, now)

    def add(self, portal: str, now: float) -> Pulse:
        """A device exists; it may be new."""
        pulse = self.pulses.get(portal)
        if pulse is None:
            pulse = self.pulses[portal] = Pulse(portal)
            self._await(pulse, now)
        return pulse

    def remove(self, portal: str) -> None:
        """A device no longer exists."""
        self.pulses.pop(portal, None)

    def keepalive_seen(self, portal: str, payload: bytes, now: float) -> None:
        """A client has sent a keepalive to a device."""
        pulse = self.pulses.get(portal)
        if pulse is None:
            return
        pulse.keepalive_at = now
        if SUPPRESSED not in payload:
            pulse.full_at, pulse.needs_full = now, False
        elif self._shared and pulse.full_turn == math.inf and not pulse.lost:
            pulse.needs_full = False

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`: messages of that time are yet to arrive."""
        for pulse in self.pulses.values():
            pulse.received_at += seconds
            pulse.since += seconds

    def check_devices(self, now: float) -> list[str]:
        """Return the devices that have sent nothing for W; to be called every few seconds."""
        not_responding = []
        for pulse in self.pulses.values():
            if pulse.received_at > now - self._listen:
                if pulse.lost:
                    pulse.lost, pulse.not_responding, pulse.needs_full = False, False, True
                    self._check_at(pulse, now + self._chance() * self._spread)
                continue
            pulse.lost = pulse.lost or now - pulse.since >= self._listen
            if (
                pulse.not_responding
                or now - max(pulse.received_at, pulse.since) >= self._answer_timeout
            ):
                pulse.not_responding = True
                not_responding.append(pulse.portal)
        return not_responding

    def due(self) -> float:
        """Return when the next keepalive may be due."""
        return self._agenda[0][0] if self._agenda else math.inf

    def next(self, now: float) -> Iterator[tuple[str, KeepaliveKind]]:
        """Yield the keepalives to send now, with their devices; the caller must send them at once.

        If the caller stops early, the remaining ones come with the next call.
        """
        while self._agenda and self._agenda[0][0] <= now:
            at, portal = heapq.heappop(self._agenda)
            pulse = self.pulses.get(portal)
            # It exists, and the entry is not obsolete.
            if pulse is not None and at == pulse.check_at:
                ask = self._ask(pulse, now)
                if ask is not None:
                    pulse.keepalive_at = now
                self._check_at(pulse, self._next(pulse, now))
                if ask is not None:
                    yield portal, ask

    def _await(self, pulse: Pulse, now: float) -> None:
        """Start over with a device."""
        pulse.since, pulse.keepalive_at = now, -math.inf
        pulse.needs_full, pulse.full_turn = True, math.inf
        self._check_at(pulse, now + self._spread * (1.0 + self._chance()))

    def _ask(self, pulse: Pulse, now: float) -> KeepaliveKind | None:
        """Return the keepalive to send to a device now, if any."""
        wanted = self._wanted(pulse)
        if wanted > now:  # maybe another client was first
            pulse.full_turn = math.inf
        elif pulse.full_turn == math.inf:
            pulse.full_turn = self._turn = max(now, self._turn + 1.0 / EACH_SECOND)
        if pulse.full_turn <= now:
            pulse.full_at, pulse.needs_full, pulse.full_turn = now, False, math.inf
            return KeepaliveKind.FULL
        soon = pulse.keepalive_at == -math.inf and pulse.full_turn <= now + self._every
        return KeepaliveKind.CHANGES if now >= self._regular(pulse) and not soon else None

    def _next(self, pulse: Pulse, now: float) -> float:
        """Return when to check a device again."""
        wanted, regular = self._wanted(pulse), self._regular(pulse)
        late = self._chance() * self._spread
        times = [pulse.full_turn, wanted + late, regular + late]
        return min(each for each in times if each > now)

    def _regular(self, pulse: Pulse) -> float:
        """Return when the next keepalive of any kind is due."""
        return (
            pulse.keepalive_at + self._every
            if pulse.keepalive_at > -math.inf
            else self._first(pulse)
        )

    def _first(self, pulse: Pulse) -> float:
        responds = self._shared and pulse.received_at >= pulse.since
        return pulse.since + (self._listen if responds else self._spread)

    def _wanted(self, pulse: Pulse) -> float:
        """Return when a full republish is due."""
        answered = pulse.received_at >= pulse.full_at  # the latest request
        if answered and not pulse.needs_full:
            return math.inf
        return max(self._first(pulse), pulse.full_at + self._rest)

    def _check_at(self, pulse: Pulse, at: float) -> None:
        pulse.check_at = at
        if len(self._agenda) >= 2 * len(self.pulses) + MAX_OLD:  # of removed devices
            self._agenda[:] = [(each.check_at, each.portal) for each in self.pulses.values()]
            heapq.heapify(self._agenda)
        else:
            heapq.heappush(self._agenda, (at, pulse.portal))

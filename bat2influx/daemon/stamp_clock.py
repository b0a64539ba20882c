"""Which clock timestamps follow: this machine's, or that of the device with `clock = device`.

A boat without a network has no time source but the device, whose clock runs on while it is off.
So timestamps follow the device's clock until this machine's is synchronised.

    state      own counts   device not known  agrees     close      differs
    OWN        OWN          OWN               CONFIRMED  CONFIRMED  DEVICE, follow
    CONFIRMED  OWN          CONFIRMED         CONFIRMED  CONFIRMED  DEVICE, follow
    DEVICE     OWN, leave   DEVICE            CONFIRMED, DEVICE,    DEVICE, follow
                                              leave      follow

A change of clocks is a step of the clock for the rest of the daemon: timestamps of queued values
are corrected, those of values that may be stored stay. While timestamps follow the device, a step
of this machine's clock has no effect. If the device stops responding, its last known clock counts.

Pure: differences are in ns, this machine's clock less the device's.
"""

from __future__ import annotations

from enum import Enum

from bat2influx.device.transitions import follows
from bat2influx.reading import NS

AGREES = NS  # the device sends whole seconds only
DIFFERS = 2 * NS  # more than AGREES: hysteresis against repeated changes of the clock


class StampedBy(Enum):
    """The clock that timestamps follow."""

    OWN = "this machine's"
    CONFIRMED = "this machine's, with which the device's agrees"
    DEVICE = "the device's"


class Event(Enum):
    """The relation of both clocks."""

    OWN = "this machine's is synchronised, or no device's clock is configured"
    UNKNOWN = "the device's is not known"
    AGREES = "both agree"
    CLOSE = "they differ a little"
    DIFFERS = "they differ"


class Action(Enum):
    """What to do."""

    NOTHING = "nothing"
    FOLLOW = "follow the device's clock, as it is known now"
    LEAVE = "follow this machine's clock again"


TABLE = {
    (StampedBy.OWN, Event.OWN): (StampedBy.OWN, Action.NOTHING),
    (StampedBy.OWN, Event.UNKNOWN): (StampedBy.OWN, Action.NOTHING),
    (StampedBy.OWN, Event.AGREES): (StampedBy.CONFIRMED, Action.NOTHING),
    (StampedBy.OWN, Event.CLOSE): (StampedBy.CONFIRMED, Action.NOTHING),
    (StampedBy.OWN, Event.DIFFERS): (StampedBy.DEVICE, Action.FOLLOW),
    (StampedBy.CONFIRMED, Event.OWN): (StampedBy.OWN, Action.NOTHING),
    (StampedBy.CONFIRMED, Event.UNKNOWN): (StampedBy.CONFIRMED, Action.NOTHING),
    (StampedBy.CONFIRMED, Event.AGREES): (StampedBy.CONFIRMED, Action.NOTHING),
    (StampedBy.CONFIRMED, Event.CLOSE): (StampedBy.CONFIRMED, Action.NOTHING),
    (StampedBy.CONFIRMED, Event.DIFFERS): (StampedBy.DEVICE, Action.FOLLOW),
    (StampedBy.DEVICE, Event.OWN): (StampedBy.OWN, Action.LEAVE),
    (StampedBy.DEVICE, Event.UNKNOWN): (StampedBy.DEVICE, Action.NOTHING),
    (StampedBy.DEVICE, Event.AGREES): (StampedBy.CONFIRMED, Action.LEAVE),
    (StampedBy.DEVICE, Event.CLOSE): (StampedBy.DEVICE, Action.FOLLOW),
    (StampedBy.DEVICE, Event.DIFFERS): (StampedBy.DEVICE, Action.FOLLOW),
}


def step(state: StampedBy, event: Event) -> tuple[StampedBy, Action]:
    """Return the next state, and what to do."""
    return follows(TABLE, state, event, "a stamp clock")


def event_of(difference: int | None, *, own: bool) -> Event:
    """Return the relation of the clocks; `difference` is None if the device's is unknown.

    `own` is whether this machine's clock counts whatever the device's shows.
    """
    if own:
        return Event.OWN
    if difference is None:
        return Event.UNKNOWN
    if abs(difference) <= AGREES:
        return Event.AGREES
    return Event.CLOSE if abs(difference) <= DIFFERS else Event.DIFFERS


def difference_text(difference: int) -> str:
    """Return this machine's clock relative to the device's, as in "3.0 s behind"."""
    way = "ahead of" if difference > 0 else "behind"
    return f"{abs(difference) / NS:.1f} s {way}"

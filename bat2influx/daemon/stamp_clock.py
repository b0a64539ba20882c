"""Which clock time stamps are by: this machine's, or that of the device with `clock = device`.

A boat without a network has nothing to set its clock by but the device, whose clock goes on while
it is switched off. So stamps follow that one until this machine's is synchronised.

    state      own counts   device not known  agrees     close      differs
    OWN        OWN          OWN               CONFIRMED  CONFIRMED  DEVICE, follow
    CONFIRMED  OWN          CONFIRMED         CONFIRMED  CONFIRMED  DEVICE, follow
    DEVICE     OWN, leave   DEVICE            CONFIRMED, DEVICE,    DEVICE, follow
                                              leave      follow

To begin and to end with the device's clock is a step of the clock to everything else in the daemon:
values that are still queued are moved, values that may be stored stay. A leap of our own clock is
none meanwhile. A device that is not heard of any more is followed by what is known of its clock.

Pure: differences are in ns, ours less the device's.
"""

from __future__ import annotations

from enum import Enum

from bat2influx.device.transitions import follows
from bat2influx.reading import NS

AGREES = NS  # the device shows whole seconds, and nothing better is to be had
DIFFERS = 2 * NS  # more than AGREES, or a difference in between would change clocks again and again


class StampedBy(Enum):
    """The clock that stamps are by."""

    OWN = "this machine's"
    CONFIRMED = "this machine's, with which the device's agrees"
    DEVICE = "the device's"


class Event(Enum):
    """What is known of both clocks."""

    OWN = "ours is synchronised, or the device's is not to be followed"
    UNKNOWN = "the device's is not known"
    AGREES = "both agree"
    CLOSE = "they differ a little"
    DIFFERS = "they differ"


class Action(Enum):
    """What to do."""

    NOTHING = "nothing"
    FOLLOW = "follow the device's clock, as it is known now"
    LEAVE = "go by our own clock"


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
    """Return what is known; `difference` is None where the device's clock is not known.

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
    """Return in words how our clock is to the device's, as in "3.0 s behind"."""
    way = "ahead of" if difference > 0 else "behind"
    return f"{abs(difference) / NS:.1f} s {way}"

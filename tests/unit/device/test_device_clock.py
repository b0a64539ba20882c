"""A device's clock, heartbeat by heartbeat: each cell of its table, its limits, and persistence."""

from __future__ import annotations

import pytest

from bat2influx.clock import EARLIEST, Now
from bat2influx.device import device_clock
from bat2influx.device.device_clock import (
    CURRENT,
    HEARTBEATS,
    LATEST,
    SPAN,
    TABLE,
    TOLERANCE,
    DeviceClock,
    Event,
    State,
    distance_of,
)
from bat2influx.reading import NS

TIME = 1_780_000_000  # s since 1970, of the device at its boot
BOOT = 500 * NS  # ns since this machine's boot, then
HOUR = 3600


class Beating:
    """A device with a heartbeat every 3 s; `time` is what its clock shows, in s."""

    def __init__(self) -> None:
        self.clock = DeviceClock()
        self.time = TIME
        self.arrival = BOOT

    def beat(self, *shown: int | bytes | None, late: float = 0.0, each: int = 3) -> list[State]:
        """Deliver heartbeats that show the given time, or the clock's; return the states."""
        states = []
        for what in shown:
            if what is not None:
                payload = what if isinstance(what, bytes) else b'{"value":%d}' % what
            else:
                payload = b'{"value":%d}' % self.time
            self.clock.heartbeat(payload, self.arrival + round(late * NS))
            states.append(self.clock.state)
            self.time += each
            self.arrival += each * NS
        return states

    def seen_at(self, own: int = 0) -> Now:
        """Return a look at this machine's clock, which is `own` s ahead of the device's."""
        return Now((self.time + own) * NS, 0.0, self.arrival)


def known() -> Beating:
    """Return a device whose clock is known."""
    made = Beating()
    assert made.beat(None, None, None) == [State.FOUND, State.FOUND, State.KNOWN]
    return made


def doubted() -> Beating:
    """Return a device whose clock is known, and has since jumped by an hour."""
    made = known()
    made.time += HOUR
    assert made.beat(None) == [State.SUSPECT]
    return made


def found() -> Beating:
    """Return a device whose clock was shown once."""
    made = Beating()
    assert made.beat(None) == [State.FOUND]
    return made


STATES = {
    State.UNKNOWN: Beating,
    State.FOUND: found,
    State.KNOWN: known,
    State.SUSPECT: doubted,
}


def show(made: Beating, event: Event) -> None:
    """Deliver heartbeats that cause an event."""
    match event:
        case Event.NO_TIME:
            made.beat(b'{"value":null}')
        case Event.FITS:
            made.time -= HOUR if made.clock.state is State.SUSPECT else 0
            made.beat(None)
        case Event.NEW:
            made.time += 7 * HOUR
            made.beat(None)
        case Event.MORE:
            made.beat(None)
        case Event.ENOUGH:
            made.beat(None, None)


@pytest.mark.parametrize(("state", "event"), [*TABLE], ids=lambda each: each.name)
def test_each_cell_of_the_table(state: State, event: Event) -> None:
    """The next state is the table's; a time that is not taken leaves the distance unchanged."""
    made = STATES[state]()
    before, seen = made.clock.distance, []
    look = DeviceClock._event

    def event_of(self: DeviceClock, distance: int | None, arrival: int) -> Event:
        seen.append(look(self, distance, arrival))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeviceClock, "_event", event_of)
        show(made, event)
    assert seen[-1] is event
    assert made.clock.state is TABLE[state, event][0]
    assert (made.clock.distance != before) is (event is Event.ENOUGH)


def test_what_the_table_does_not_have_cannot_happen() -> None:
    """While nothing is known, a heartbeat can only show a new time, or none."""
    met = {event for state, event in TABLE if state is State.UNKNOWN}
    assert met == {Event.NO_TIME, Event.NEW}
    assert (State.KNOWN, Event.MORE) not in TABLE


def test_the_time_is_the_middle_of_the_second_that_is_shown() -> None:
    """A fraction, should firmware ever send one, is used as it is."""
    assert distance_of(b'{"value":1780000000}', BOOT) == TIME * NS + NS // 2 - BOOT
    assert distance_of(b'{"value":1780000000.25}', BOOT) == TIME * NS + NS // 4 - BOOT


@pytest.mark.parametrize(
    ("payload", "counts"),
    [
        (b'{"value":%d}' % (EARLIEST // NS - 1), False),
        (b'{"value":%d}' % (EARLIEST // NS), True),
        (b'{"value":%d}' % (LATEST // NS - 1), True),
        (b'{"value":%d}' % (LATEST // NS), False),
        (b'{"value":25}', False),
        (b'{"value":-1780000000}', False),
        (b'{"value":1e300}', False),
        (b'{"value":"1780000000"}', False),
        (b'{"value":true}', False),
        (b"1780000000", False),
        (b"", False),
    ],
)
def test_a_time_is_within_reason_from_this_program_s_year_to_2099(
    payload: bytes, counts: bool
) -> None:
    """A device that has just booted shows 1970; anything but a number is no time."""
    assert (distance_of(payload, BOOT) is not None) is counts


def test_heartbeats_over_a_while_have_to_agree() -> None:
    """As many as needed, and not in one burst, which would prove nothing."""
    made = Beating()
    assert made.beat(*[None] * (HEARTBEATS - 1))[-1] is State.FOUND
    burst = Beating()
    assert {*burst.beat(*[TIME] * 10, each=0)} == {State.FOUND}
    slow = Beating()
    assert slow.beat(None, None, None, each=SPAN // NS // 2)[-1] is State.KNOWN


def test_found_a_clock_that_stands_still_agreed_with_itself() -> None:
    """The same time every 3 s is no clock."""
    made = Beating()
    made.beat(*[TIME] * 50)
    assert made.clock.distance is None


def test_a_burst_after_a_freeze_does_not_move_what_is_known() -> None:
    """Twenty delayed heartbeats arrive at one moment, each with its own time."""
    made = known()
    before = made.clock.distance
    freeze = 60
    held = [made.time + 3 * number for number in range(20)]
    made.arrival += freeze * NS
    made.beat(*held, each=0)
    made.time += freeze
    made.beat(None, None)
    assert (made.clock.state, made.clock.distance) == (State.KNOWN, before)


@pytest.mark.parametrize("step", [HOUR, -HOUR, 3 * TOLERANCE // NS])
def test_a_leap_counts_once_heartbeats_agree_on_it(step: int) -> None:
    """The device's clock was set: after 6 s the new time is the known one."""
    made = known()
    before = made.clock.distance
    made.time += step
    made.beat(None, None)
    assert made.clock.distance == before
    made.beat(None)
    assert before is not None
    assert made.clock.distance == before + step * NS


def test_a_clock_that_leaps_to_and_fro_changes_nothing() -> None:
    """Every other heartbeat shows an hour more."""
    made = known()
    before = made.clock.distance
    made.beat(*[made.time + 3 * number + HOUR * (number % 2) for number in range(40)])
    assert made.clock.distance == before


@pytest.mark.parametrize("what", [b"", b'{"value":null}', b'{"value":25}', None])
def test_a_clock_that_is_lost_stays_known(what: bytes | None) -> None:
    """The device has restarted in 1970, sends nonsense, or sends no more heartbeats."""
    made = known()
    before = made.clock.distance
    if what is None:
        made.beat(each=3)
        made.arrival += 86_400 * NS
    else:
        made.beat(*[what] * 100)
    assert (made.clock.state, made.clock.distance) == (State.KNOWN, before)


def test_a_late_heartbeat_does_not_count_against_the_others() -> None:
    """Of those that agree, the one with the least delay is right."""
    made = Beating()
    made.beat(None, late=1.0)
    made.beat(None, late=0.0)
    made.beat(None, late=0.5)
    assert made.clock.distance == TIME * NS + NS // 2 - BOOT


@pytest.mark.parametrize("pace", [100, -100])
def test_a_clock_of_another_rate_is_followed_without_a_step(pace: int) -> None:
    """100 ppm are 0.3 ms per heartbeat, 2.9 s in eight hours; never more than SLEW at once."""
    made = known()
    start = made.clock.distance
    assert start is not None
    before, most = start, 0
    for number in range(1, 9_600):
        shown = made.time * NS + pace * 3000 * number
        made.clock.heartbeat(b'{"value":%d}' % (shown // NS), made.arrival)
        made.time += 3
        made.arrival += 3 * NS
        assert made.clock.distance is not None
        most = max(most, abs(made.clock.distance - before))
        before = made.clock.distance
    assert most <= device_clock.SLEW
    assert before - start == pytest.approx(pace * 28_800_000, abs=1.5 * NS)


def test_the_difference_is_this_machine_s_time_minus_the_device_s() -> None:
    """By this machine's clock, whatever the stamps follow; the device's half second is unknown."""
    made = known()
    now = made.seen_at(own=-100)
    assert made.clock.difference(now) == -100 * NS - NS // 2
    assert made.clock.distance is not None
    assert made.clock.difference(now.by(made.clock.distance)) == -100 * NS - NS // 2
    assert Beating().clock.difference(now) is None


def test_a_difference_that_is_old_is_not_reported() -> None:
    """After CURRENT without a heartbeat that fits."""
    made = known()
    last = made.arrival - 3 * NS
    for at, there in ((last + CURRENT, True), (last + CURRENT + 1, False)):
        assert (made.clock.difference(Now(TIME * NS, 0.0, at)) is not None) is there

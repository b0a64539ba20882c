"""Time stamps: by arrival and by tick."""

from hypothesis import given
from hypothesis import strategies as st

from bat2influx.reading import Stamper


def test_by_arrival_every_value_is_stored() -> None:
    """A value's stamp is its arrival; two values of one nanosecond get different stamps."""
    stamper = Stamper(by_tick=False)
    assert [stamper.stamp("Soc", at) for at in (100, 100, 150)] == [100, 101, 150]
    assert stamper.stamp("Power", 100) == 100


def test_by_tick_the_fields_of_a_tick_share_its_stamp() -> None:
    """The stamp is the start of the latest requested tick; the first value is stored."""
    stamper = Stamper(by_tick=True)
    stamper.begin_tick(5_000)
    assert stamper.stamp("Soc", 5_501) == stamper.stamp("Power", 5_502) == 5_000
    assert stamper.stamp("Soc", 5_900) is None
    stamper.begin_tick(6_000)
    assert stamper.stamp("Soc", 6_501) == 6_000


def test_by_tick_a_clock_that_is_slowed_down_loses_and_overwrites_nothing() -> None:
    """If a tick is repeated the stamps still increase, and each has its values."""
    stamper = Stamper(by_tick=True)
    stamper.begin_tick(5_000)
    assert stamper.stamp("Soc", 5_500) == 5_000
    stamper.begin_tick(2_000)
    assert stamper.stamp("Soc", 2_500) == stamper.stamp("Power", 2_500) == 5_001
    stamper.begin_tick(3_000)
    assert stamper.stamp("Soc", 3_500) == 5_002


def test_by_tick_a_value_before_the_first_request_is_dropped() -> None:
    """It belongs to no tick."""
    stamper = Stamper(by_tick=True)
    assert stamper.stamp("Soc", 4_999) is None
    stamper.begin_tick(4_000)
    assert stamper.stamp("Soc", 5_100) == 4_000


def test_by_tick_a_clock_that_was_set_has_its_own_points() -> None:
    """Late answers follow the clock; repeated ticks differ by 1 ns."""
    stamper = Stamper(by_tick=True)
    stamper.begin_tick(5_000)
    assert stamper.stamp("Soc", 5_500) == 5_000
    stamper.clock_set(-3_000)
    assert stamper.stamp("Power", 2_600) == 2_000
    stamper.begin_tick(3_000)
    assert stamper.stamp("Soc", 3_500) == stamper.stamp("Power", 3_500) == 3_001
    stamper.begin_tick(4_000)
    stamper.begin_tick(5_000)
    assert stamper.stamp("Soc", 5_500) == 5_001


EVENTS = st.lists(
    st.tuples(st.just("tick"), st.integers(0, 50)) | st.tuples(st.just("value"), st.integers(0, 50))
)


@given(EVENTS)
def test_by_tick_stamps_never_repeat_or_go_back(events: list[tuple[str, int]]) -> None:
    """Whatever the clock does, the stamps of a field increase, at most one value for each tick."""
    stamper = Stamper(by_tick=True)
    last, ticks, values = -1, 0, 0
    for kind, at in events:
        if kind == "tick":
            stamper.begin_tick(at)
            ticks += 1
        elif (stamp := stamper.stamp("Soc", at)) is not None:
            assert stamp > last
            last = stamp
            values += 1
    assert values <= ticks

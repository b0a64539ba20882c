"""When a ping is sent, and the interval of a start, with times made by hand (W = 120 s)."""

from __future__ import annotations

import pytest

from bat2influx.daemon.watchdog import Watchdog

W = 120.0


def test_no_message_no_ping() -> None:
    """A ping needs a message since the last one; pings are at least W/8 apart."""
    watchdog = Watchdog(W, 0.0)
    threads = [1000.0, 1000.0]
    assert not watchdog.ping(100.0, threads)
    watchdog.message()
    assert watchdog.ping(100.0, threads)
    assert not watchdog.ping(130.0, threads)
    watchdog.message()
    assert not watchdog.ping(110.0, threads)
    assert watchdog.ping(115.0, threads)


def test_a_thread_that_finishes_nothing_stops_the_pings() -> None:
    """Keeper and sender have W/2 to finish something."""
    watchdog = Watchdog(W, 0.0)
    watchdog.message()
    assert not watchdog.ping(100.0, [100.0, 39.0])
    assert watchdog.ping(100.0, [100.0, 41.0])


@pytest.mark.parametrize(
    ("message", "since_ping", "since_finished", "earned", "alive"),
    [
        (True, 15.0, (0.0, 0.0), True, True),
        (True, 15.0, (60.0, 60.0), True, True),
        (True, 15.0, (), True, True),
        (True, 14.9, (0.0, 0.0), False, True),  # earned, and not due
        (True, 15.0, (60.1, 0.0), False, False),
        (True, 15.0, (0.0, 60.1), False, False),
        (False, 15.0, (0.0, 0.0), False, False),
        (False, 1000.0, (), False, False),
    ],
)
def test_a_ping_needs_a_message_its_time_and_all_threads(
    message: bool, since_ping: float, since_finished: tuple[float, ...], earned: bool, alive: bool
) -> None:
    """`alive` changes when a ping is deserved, whether one is due or not."""
    watchdog = Watchdog(W, 1000.0 - since_ping)
    if message:
        watchdog.message()
    finished = [1000.0 - since for since in since_finished]
    assert watchdog.ping(1000.0, finished) is earned
    assert watchdog.alive == (1000.0 if alive else None)


def test_a_message_counts_once_for_the_next_ping() -> None:
    """It counts until a ping is due, and all threads make progress."""
    watchdog = Watchdog(W, 0.0)
    watchdog.message()
    assert [watchdog.ping(now, [now]) for now in (1.0, 14.0, 15.0, 30.0, 45.0)] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert watchdog.alive == 1.0
    watchdog.message()
    assert not watchdog.ping(50.0, [-11.0])
    assert watchdog.alive == 1.0
    assert watchdog.ping(51.0, [51.0])
    assert watchdog.alive == 51.0


def test_the_time_to_the_next_ping_counts_from_the_latest() -> None:
    """A late ping does not make the next one earlier."""
    watchdog = Watchdog(W, 0.0)
    sent = []
    for now in (15.0, 29.0, 35.0, 49.0, 50.0):
        watchdog.message()
        if watchdog.ping(now, [now]):
            sent.append(now)
    assert sent == [15.0, 35.0, 50.0]


def test_a_start_without_a_device_requests_more_time_once() -> None:
    """After W/12 without a message 7.5 W, and W again at the first message."""
    watchdog = Watchdog(W, 0.0)
    assert watchdog.interval_wanted(9.9) is None
    assert watchdog.interval_wanted(10.0) == 900.0
    assert watchdog.interval_wanted(11.0) is None
    watchdog.message()
    assert watchdog.interval_wanted(300.0) == W
    assert watchdog.interval_wanted(5000.0) is None


def test_a_start_with_a_device_keeps_the_interval() -> None:
    """With messages, the unit's interval stays."""
    watchdog = Watchdog(W, 0.0)
    watchdog.message()
    assert [watchdog.interval_wanted(now) for now in (1.0, 20.0, 500.0)] == [None] * 3


def test_a_device_that_leaves_later_has_the_interval_of_the_unit() -> None:
    """More time is for a start only, whatever pings were sent."""
    watchdog = Watchdog(W, 0.0)
    assert watchdog.interval_wanted(10.0) == 7.5 * W
    watchdog.message()
    assert watchdog.ping(20.0, [20.0])
    assert watchdog.interval_wanted(20.0) == W
    assert [watchdog.interval_wanted(now) for now in (40.0, 4000.0)] == [None] * 2


def test_limits_are_fractions_of_the_interval() -> None:
    """With W = 16 s a ping is due after 2 s, a thread has 8 s, and a start waits 4/3 s."""
    watchdog = Watchdog(16.0, 0.0)
    assert watchdog.interval_wanted(1.3) is None
    assert watchdog.interval_wanted(1.4) == 120.0
    watchdog.message()
    assert not watchdog.ping(1.9, [1.9])
    assert not watchdog.ping(2.0, [-6.1])
    assert watchdog.ping(2.0, [-6.0])

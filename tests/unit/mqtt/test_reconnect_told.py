"""The reconnector: what it logs about ended connections, and once the broker works again."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.reconnect import LASTING, MAX_SHORT_CONNECTIONS, State
from tests.unit.mqtt.broker_by_hand import Way

CLOSED = Trouble("closed", "venus.local ended the connection")
Told = Callable[[], list[str]]


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    """A reconnector without TLS."""
    return Way(monkeypatch)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """Return a function that returns the levels of what was logged."""
    caplog.set_level(logging.INFO, "bat2influx.mqtt.reconnect")
    return lambda: [record.levelname for record in caplog.records]


def test_a_lost_connection_is_logged_and_reconnected(way: Way, told: Told) -> None:
    """Trouble lasts until the broker has fulfilled a request: a login is not enough."""
    way.open()
    way.reconnector.confirmed(way.now)
    way.now += LASTING
    way.end(CLOSED)
    assert (way.reconnector.state, way.reconnector.connection, way.reconnector.trouble) == (
        State.WAITING,
        None,
        CLOSED,
    )
    assert way.reconnector.timeout(way.now) == 0.5
    way.open()
    assert (way.reconnector.logins, way.reconnector.trouble) == (2, CLOSED)
    assert told() == ["WARNING"]
    way.reconnector.confirmed(way.now)
    way.reconnector.confirmed(way.now)
    assert way.reconnector.trouble is None
    assert told() == ["WARNING", "INFO"]


def test_short_connections_are_logged_a_few_times_only(
    way: Way, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """After four in a row nothing is logged until one has lasted ten seconds."""
    for _ in range(3 * MAX_SHORT_CONNECTIONS):
        way.open()
        way.now += LASTING - 0.1
        way.reconnector.confirmed(way.now)
        way.end(CLOSED)
    pairs = ["WARNING", "INFO"] * MAX_SHORT_CONNECTIONS
    assert told() == pairs[:-1]
    assert way.reconnector.trouble is CLOSED
    way.open()
    way.now += LASTING
    way.reconnector.confirmed(way.now)
    assert told() == pairs
    assert caplog.messages[-1].startswith("connected to venus.local, after ")
    assert caplog.messages[-1].endswith(f"and {2 * MAX_SHORT_CONNECTIONS + 1} failed attempts")


@pytest.mark.parametrize(
    ("lasts", "confirmed_late"),
    [((0.0, 0.0, 0.0, LASTING, 0.0, 0.0, 0.0), True), ((LASTING,) * 7, False)],
)
def test_a_long_connection_resets_the_count_of_short_ones(
    way: Way, told: Told, lasts: tuple[float, ...], confirmed_late: bool
) -> None:
    """Short ones before and after it do not add up."""
    for seconds in lasts:
        way.open()
        way.reconnector.confirmed(way.now)
        way.now += seconds
        if confirmed_late:
            way.reconnector.confirmed(way.now)
        way.end(CLOSED)
    assert told() == ["WARNING", *["INFO", "WARNING"] * 6]


def test_failed_attempts_are_not_short_connections(way: Way, told: Told) -> None:
    """The return of a broker after some seconds is logged."""
    way.open()
    way.end(CLOSED)
    for _ in range(2 * MAX_SHORT_CONNECTIONS):
        way.reconnector.message_received()
        way.connect(CLOSED)
    way.open()
    way.reconnector.confirmed(way.now)
    assert told() == ["WARNING", "INFO"]


def test_found_a_message_that_is_too_large_was_logged_with_each_connection(
    way: Way, told: Told
) -> None:
    """It comes again after each subscription; the trouble ends when a connection lasts."""
    large = mqtt_errors.too_large("venus.local", "150,000,000", 1_048_576)
    for _ in range(3):
        way.open()
        way.now += 0.1
        way.reconnector.confirmed(way.now)
        way.end(large)
        assert way.reconnector.timeout(way.now) >= 5.0
    assert told() == ["WARNING"]
    way.open()
    way.now += LASTING - 0.1
    way.reconnector.confirmed(way.now)
    assert told() == ["WARNING"]
    way.now += 0.1
    way.reconnector.confirmed(way.now)
    assert told() == ["WARNING", "INFO"]

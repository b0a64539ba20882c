"""A rejected login: after a successful one the device gets more time than after none."""

from __future__ import annotations

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.mqtt import errors
from bat2influx.mqtt.reconnect import BOOT_TIME, State
from tests.unit.mqtt.broker_by_hand import Way

REFUSED = Trouble("login", "venus.local rejected the login", Backoff.LOGIN)
CLOSED = Trouble("closed", "venus.local ended the connection")


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    """A reconnector without TLS."""
    return Way(monkeypatch)


def refuse(way: Way) -> float:
    """Reject the next login; return the s until the one after it."""
    way.connect()
    way.connections[-1].trouble = REFUSED
    assert not way.step()
    assert way.reconnector.state is State.WAITING
    return way.reconnector.timeout(way.now)


def test_found_a_booting_device_that_rejects_a_right_password_was_retried_only_after_a_minute(
    way: Way,
) -> None:
    """VENUS: 20 s and more. The retry is every 5 s for two minutes, and then as for any other."""
    connection = way.open()
    connection.trouble = CLOSED
    way.step()
    for _ in range(round(BOOT_TIME / 5.0)):
        assert refuse(way) == 5.0
        assert way.reconnector.trouble
        assert way.reconnector.trouble.cause == "login: starting"
        assert "the device may be starting" in way.reconnector.trouble.text
    assert refuse(way) >= 35.0
    assert way.reconnector.trouble == REFUSED


def test_a_rejected_token_that_has_worked_was_removed(way: Way) -> None:
    """VENUS: a booting device accepts tokens; so it is reported at once, with what to do."""
    way.reconnector.endpoint = way.reconnector.endpoint._replace(user="token/bat2influx/pi1")
    way.open().trouble = CLOSED
    way.step()
    assert refuse(way) >= 35.0
    assert way.reconnector.trouble == REFUSED


def test_a_login_that_never_worked_has_long_delays(way: Way) -> None:
    """A device locks frequent attempts out."""
    assert refuse(way) >= 35.0
    assert way.reconnector.trouble == REFUSED


def test_a_login_ends_the_two_minutes(way: Way) -> None:
    """The next boot has its own two minutes."""
    way.open().trouble = CLOSED
    way.step()
    assert refuse(way) == 5.0
    way.open().trouble = CLOSED
    way.step()
    way.now += 10 * BOOT_TIME
    assert refuse(way) == 5.0


def test_each_stage_of_a_boot_has_its_own_two_minutes(way: Way) -> None:
    """A firmware update keeps the port closed for longer; after that the login is rejected."""
    way.open().trouble = CLOSED
    way.step()
    for _ in range(2):
        way.connect(errors.refused("gx", 1883))
        way.now += BOOT_TIME
    assert way.reconnector.trouble == errors.refused("gx", 1883)
    assert refuse(way) == 5.0


@pytest.mark.parametrize(
    "away", [errors.unreachable("gx", 1883, "no route"), errors.name_unknown("gx", "x.ini")]
)
def test_the_boot_of_a_device_that_was_off_comes_later(way: Way, away: Trouble) -> None:
    """Failures while it was switched off do not count."""
    why = errors.refused("gx", 1883)
    way.open().trouble = CLOSED
    way.step()
    way.connect(why)
    way.now += 10 * BOOT_TIME
    way.connect(away)
    assert way.reconnector.trouble == away
    way.connect(why)
    assert way.reconnector.trouble
    assert way.reconnector.trouble.cause == "refused: starting"


@pytest.mark.parametrize(
    "why",
    [
        Trouble("vrm login", "the cloud rejected the login", Backoff.LOGIN),
        Trouble("certificate changed", "another certificate", Backoff.CERTIFICATE),
        errors.only_tls_port("gx", "x.ini"),  # its security profile was changed
        errors.tls_required("gx", 1883, "x.ini"),
        errors.not_mqtt("gx", 1883, "speaks HTTP"),  # another server is at the address
        CLOSED,
    ],
)
def test_other_failures_are_not_those_of_a_booting_device(way: Way, why: Trouble) -> None:
    """They have their usual message."""
    way.open().trouble = CLOSED
    way.step()
    way.connect(why)
    assert way.reconnector.trouble == why


@pytest.mark.parametrize(
    ("why", "what"),
    [
        (errors.refused("gx", 1883), "connection refused by gx port 1883"),
        (
            errors.no_tls_port("gx", "x.ini"),
            "connection refused by gx port 8883, and port 1883 (without TLS) is open",
        ),
        (errors.no_tls("gx", 8883, "x.ini"), "gx port 8883 does not use TLS"),
        (errors.tls_failed("gx", 8883, "reset"), "TLS handshake with gx port 8883 failed (reset)"),
    ],
)
def test_found_a_message_asked_to_change_settings_that_had_worked(
    way: Way, why: Trouble, what: str
) -> None:
    """A booting device, or its proxy, refuses for a while; after two minutes there is advice."""
    connection = way.open()
    connection.trouble = CLOSED
    way.step()
    way.connect(why)
    way.step()
    told = way.reconnector.trouble
    assert told is not None
    assert told.cause == f"{why.cause}: starting"
    assert told.what.startswith(what)
    assert "has worked before; the device may be starting" in told.what
    assert "x.ini" not in told.text
    assert "switch on" not in told.text
    assert told.backoff is why.backoff
    way.now += BOOT_TIME
    way.connect(why)
    way.step()
    assert way.reconnector.trouble == why


def test_a_port_that_never_worked_has_advice_at_once(way: Way) -> None:
    """The reason is the configuration, or the device's settings."""
    why = errors.refused("gx", 1883)
    way.connect(why)
    way.step()
    assert way.reconnector.trouble == why

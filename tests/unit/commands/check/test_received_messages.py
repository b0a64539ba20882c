"""What received messages show of a device, requested or not."""

from __future__ import annotations

import pytest

from bat2influx.commands.check.received_messages import ReceivedMessages
from bat2influx.mqtt.connection import Message

P = "c0619ab1c2d3"


def messages(*leaves: str, retain: bool = False, portal: str = P) -> ReceivedMessages:
    """Return the result of these messages."""
    made = ReceivedMessages(P)
    for leaf in leaves:
        made.process(Message(f"N/{portal}/{leaf}", b'{"value":1}', retain, 0))
    return made


@pytest.mark.parametrize(
    ("retain", "portal", "responds"),
    [(False, P, True), (True, P, False), (False, "another", False)],
)
def test_retained_messages_are_no_sign_of_life(retain: bool, portal: str, responds: bool) -> None:
    """Nor are those of another device."""
    assert messages("heartbeat", retain=retain, portal=portal).responds is responds


def test_the_least_delayed_heartbeat_shows_the_time() -> None:
    """A retained one, and one of another device, do not."""
    made = ReceivedMessages(P)
    assert made.shown is None
    for portal, shown, retain in (
        (P, 3, False),
        (P, 2, False),
        (P, 9, True),
        ("another", 9, False),
        (P, 25 - 1_780_000_000, False),
    ):
        payload = b'{"value":%d}' % (1_780_000_000 + shown)
        made.process(Message(f"N/{portal}/heartbeat", payload, retain, 10**9))
    assert made.shown == 1_780_000_002_500_000_000


@pytest.mark.parametrize("retain", [False, True])
def test_services_exist_by_their_product(retain: bool) -> None:
    """Retained values count; housekeeping does not, nor does a value alone."""
    made = messages(
        "solarcharger/288/ProductId", "battery/512/Soc", "settings/0/ProductId", retain=retain
    )
    assert made.places == (("solarcharger", 288),)
    made.process(Message(f"N/{P}/solarcharger/288/ProductId", b"", False, 0))
    assert made.places == ()

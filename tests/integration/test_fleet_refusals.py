"""Brokers that reject a fleet's subscriptions: shared ones, or those to keepalives."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.integration.test_mqtt5 import NO_MQTT_5, PUBACK, Broker, first, said_of, session
from tests.standins.network.mqtt_peers import SUBACK, packet
from tests.support.daemon import BOUND


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (158, "shared subscriptions not supported"),
        (143, "topic filter not accepted"),
        (135, "not authorised"),
        (128, "no reason is given"),
    ],
)
def test_a_broker_without_shared_subscriptions(code: int, why: str) -> None:
    """The log says that it rejects the group, with advice."""
    with (
        Broker(subscribe=lambda body: packet(SUBACK, body[:2] + b"\0" + bytes([code]))) as peer,
        closing(session(peer.port)) as conversation,
    ):
        assert conversation.open() is None
        conversation.connection.subscribe(["N/+/vebus/+/Soc"], share_group="store")
        text = said_of(conversation)
        assert f"to $share/store/N/+/vebus/+/Soc ({why})" in text
        assert "or leave share_group empty and run one daemon" in text


def test_a_broker_of_3_1_1_without_shared_subscriptions() -> None:
    """It has one code for all rejections, and the log has the same text."""
    with (
        Broker(
            connect=first(NO_MQTT_5["refuses the version"]),
            subscribe=lambda body: packet(SUBACK, body[:2] + b"\x80"),
        ) as peer,
        closing(session(peer.port)) as conversation,
    ):
        assert conversation.open() is None
        conversation.connection.subscribe(["N/+/vebus/+/Soc"], share_group="store")
        assert "or leave share_group empty and run one daemon" in said_of(conversation)


def test_a_rejected_optional_subscription_is_declined() -> None:
    """The connection stays; the rejected topic is available with its reason."""
    with (
        Broker(
            subscribe=lambda body: packet(SUBACK, body[:2] + b"\0\x87"),
            publish=lambda body: packet(PUBACK, body[3:5] + b"\x87\0"),
        ) as peer,
        closing(session(peer.port)) as conversation,
    ):
        assert conversation.open() is None
        connection = conversation.connection
        mid = connection.subscribe(["R/+/keepalive"], optional=True)
        assert conversation.wait(lambda: mid in connection.acknowledged, BOUND)
        assert "to R/+/keepalive (not authorised)" in connection.declined[mid].text
        for _ in range(30):  # more than may be under way at once
            connection.publish("a", checked=True, optional=True)
        assert conversation.wait(lambda: not connection._checked, BOUND)
        assert "to a (not authorised)" in connection.declined[0].text
        assert conversation.trouble is None

"""A broker that accepts the login and rejects later requests, as the VRM cloud does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.session import Session
from bat2influx.net.tls import Tls
from tests.integration.test_mqtt5 import INI, said_of, session
from tests.standins.network.certificates import device_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.vrm_cloud import GUEST, GUEST_TOKEN, PORT, VrmCloud
from tests.support.daemon import BOUND

P = "c0619ab1c2d3"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VrmCloud]:
    """A broker where each user has access to one device, and this user may only read."""
    with VrmCloud(tmp_path_factory.mktemp("cloud"), P) as made:
        yield made


def guest(cloud: VrmCloud, *, vrm: bool = False) -> Session:
    """Return a session of a user who may only read."""
    return session(cloud.port, user=GUEST, password=f"Token {GUEST_TOKEN}", vrm=vrm)


def test_a_rejected_subscription_is_a_trouble(cloud: VrmCloud) -> None:
    """With its topic, and advice; unless the subscription is optional."""
    with closing(guest(cloud)) as conversation:
        assert conversation.open() is None
        connection = conversation.connection
        mid = connection.subscribe(["N/+/system/0/Serial"], optional=True)
        assert conversation.wait(lambda: mid in connection.acknowledged, BOUND)
        assert conversation.subscribe([f"N/{P}/#"]) is None
        why = conversation.subscribe([f"N/{P}/system/0/Serial", "N/+/system/0/Serial"])
        assert why
        assert why.cause == "subscription refused"
        assert f"subscription of {GUEST!r} to N/+/system/0/Serial (not authorised)" in why.text
        assert f"in the broker's access rules, or set user and password in {INI}" in why.text


def test_a_rejected_request_is_a_trouble(cloud: VrmCloud) -> None:
    """Only if it is checked; for the VRM cloud, the text has advice for that."""
    topic = f"R/{P}/keepalive"
    with closing(guest(cloud)) as conversation:
        assert conversation.open() is None
        conversation.publish(topic)
        assert conversation.subscribe([f"N/{P}/#"]) is None  # so the request was accepted
        conversation.publish(topic, checked=True)
        text = said_of(conversation)
        assert f"publish of {GUEST!r} to {topic} (not authorised)" in text
        assert "the right to write it" in text
    with closing(guest(cloud, vrm=True)) as conversation:
        assert conversation.open() is None
        conversation.publish(topic, checked=True)
        text = said_of(conversation)
        assert f"access to {topic} (not authorised): check that this VRM account" in text
        assert "VRM Portal" in text


def test_an_accepted_request_is_no_trouble(mosquitto: Mosquitto) -> None:
    """100 of them, each acknowledged; none leaves a trace, and the session continues."""
    with closing(session(mosquitto.port)) as conversation:
        assert conversation.open() is None
        connection = conversation.connection
        for number in range(100):
            connection.publish("a", b"%d" % number, checked=True)
        assert conversation.wait(lambda: not connection._checked, BOUND)
        assert conversation.subscribe(["a"]) is None
        assert not connection._client._out_messages


def test_3_1_1_has_no_code_for_a_rejected_request(cloud: VrmCloud) -> None:
    """There a check is only a request; a rejected subscription is reported."""
    with closing(guest(cloud)) as conversation:
        link = conversation.connect()
        assert not isinstance(link, Trouble)
        connection = conversation._converse(link, Protocol.MQTT_3_1_1)
        connection.publish(f"R/{P}/keepalive", checked=True)
        assert conversation.subscribe([f"N/{P}/#"]) is None
        why = conversation.subscribe(["N/#"])
        assert why
        assert "to N/# (no reason is given)" in why.text


# The VRM cloud


def test_the_text_for_the_cloud_names_the_token(cloud: VrmCloud) -> None:
    """A rejected login there is not about a device's password."""
    why = session(cloud.port, user=GUEST, password="Token none", vrm=True).open()
    assert why
    assert why.cause == "vrm login"
    assert "VRM Portal: Preferences, Integrations, Access tokens" in why.text
    assert "Token none" not in why.text


def test_the_clouds_certificate_needs_victrons_authority(cloud: VrmCloud, tmp_path: Path) -> None:
    """Whatever the reason why it is not trusted, the advice is ca_file, and never a pin."""
    other = device_certificate(tmp_path)
    for trust in (Tls(), Tls(str(other.cert)), Tls(str(cloud.ca_file))):  # the last: another name
        place = Endpoint(cloud.address, PORT, GUEST, "Token x", INI, trust, vrm=True)
        why = Session(place).open()
        assert why
        assert why.cause == "vrm certificate"
        assert "venus-ca.crt" in why.text
        assert "bat2influx pin" not in why.text

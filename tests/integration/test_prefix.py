"""A device's topics below a prefix, as a bridge has them in a broker that is not the device's."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.session import Session
from bat2influx.venus import protocol
from tests.integration.test_mqtt5 import said_of
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import publish
from tests.standins.venus.bridge import Bridged
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.visitor import call, hello
from tests.standins.venus.vrm_cloud import GUEST, GUEST_TOKEN, VrmCloud
from tests.support.daemon import BOUND

P = "c0619ab1c2d3"
SOC = f"N/{P}/vebus/275/Soc"


def below(port: int, prefix: str, **login: str) -> Session:
    """Return a session with a broker that has the device's topics below `prefix`."""
    user, password = login.get("user", "u"), login.get("password", "")
    return Session(Endpoint("127.0.0.1", port, user, password, "/etc/x.ini", prefix=prefix))


@pytest.mark.parametrize("prefix", ["boat/", "a/b/"])
def test_a_device_behind_a_bridge_is_read_as_without_one(tmp_path: Path, prefix: str) -> None:
    """Discovery, reads and answers use the device's own topics, without the prefix."""
    come: list[Message] = []
    with (
        Mosquitto(tmp_path / "gx") as gx,
        VenusRunner("127.0.0.1", gx.port, Device(P)),
        Bridged(tmp_path / "house", gx, prefix=prefix) as house,
        closing(below(house.port, prefix)) as conversation,
    ):
        assert conversation.open() is None
        assert conversation.subscribe([protocol.PORTALS]) is None
        assert conversation.until(lambda m: protocol.portal_of(m.topic) == P, BOUND)
        connection = conversation.connection
        dropped = connection.unsubscribe([protocol.PORTALS])
        assert conversation.wait(lambda: dropped in connection.acknowledged, BOUND)
        assert conversation.subscribe([f"N/{P}/vebus/+/Soc"]) is None
        conversation.publish(f"R/{P}/vebus/275/Soc", checked=True)
        assert conversation.until(lambda m: not come.append(m) and m.topic == SOC, BOUND)
        assert {message.topic for message in come} == {SOC}


def test_topics_without_the_prefix_are_ignored(tmp_path: Path) -> None:
    """Also those that only begin like it: a broker may send topics without a subscription."""
    strange = [SOC, f"boat{SOC}", f"Boat/{SOC}", f"/boat/{SOC}", "boat", "boat/"]
    with (
        Mosquitto(tmp_path / "m") as server,
        closing(below(server.port, "boat/")) as conversation,
        call(server.port) as other,
    ):
        assert conversation.open() is None
        # As such a broker would: requests here have no prefix.
        conversation.connection._client.subscribe([("#", 0)])
        assert conversation.subscribe(["end"]) is None
        other.sendall(hello() + b"".join(publish(topic, b"1") for topic in strange))
        other.sendall(publish(f"boat/{SOC}", b"2") + publish("boat/end", b"3"))
        come: list[Message] = []
        assert conversation.until(lambda m: not come.append(m) and m.topic == "end", BOUND)
        topics = [message.topic for message in come if message.topic]
        assert topics == [SOC, "end"]
        assert [message.payload for message in come if message.topic == SOC] == [b"2"]


def test_a_refusal_names_the_topic_with_the_prefix(tmp_path: Path) -> None:
    """Because the broker's access rules have topics with the prefix."""
    with VrmCloud(tmp_path / "cloud", P) as server:
        login = {"user": GUEST, "password": f"Token {GUEST_TOKEN}"}
        with closing(below(server.port, "boat/", **login)) as conversation:
            assert conversation.open() is None
            why = conversation.subscribe([SOC])
            assert why
            assert f"to boat/{SOC} (" in why.text
        with closing(below(server.port, "boat/", **login)) as conversation:
            assert conversation.open() is None
            conversation.publish(f"R/{P}/keepalive", checked=True)
            assert f"to boat/R/{P}/keepalive (" in said_of(conversation)

"""The parts between a device and a remote client: the VRM cloud's broker, a bridge.

Rules: answers of the cloud's broker are checked byte by byte. To prove that no message comes, a
test sends a later request and receives its answer first.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests import TOP
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import (
    CONNACK,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    packet,
    packets,
    publish,
)
from tests.standins.tests.test_venus import Clock, Listener
from tests.standins.venus.bridge import Bridged
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.visitor import WAIT, hello, text
from tests.standins.venus.vrm_cloud import (
    GUEST,
    GUEST_TOKEN,
    MODULE,
    OWNER,
    OWNER_TOKEN,
    PORT,
    VrmCloud,
    host_of,
    is_possible,
)
from tests.support.daemon import wait

P, OTHER = "c0619ab1c2d3", "d4e5f60718a9"
SOC = f"N/{P}/vebus/275/Soc"
PUBACK, AT_LEAST_ONCE = 4, 2
GRANTED, REFUSED, NOT_AUTHORISED = 0, 128, 135


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VrmCloud]:
    with VrmCloud(tmp_path_factory.mktemp("cloud"), P) as broker:
        yield broker


class Client:
    """A client of the cloud that speaks MQTT 3.1.1 or 5, by level 4 or 5."""

    def __init__(self, sock: socket.socket, level: int) -> None:
        self._sock = sock
        self._none = b"\0" if level == 5 else b""  # properties
        self._packets = packets(sock)

    def next(self, kind: int) -> bytes:
        """Return the body of the next packet, which must be of this kind."""
        come, body = next(self._packets)
        assert come == kind, (come, body)
        return body

    def subscribe(self, topic: str) -> int:
        """Return the code of the broker's answer."""
        self._sock.sendall(packet(SUBSCRIBE, b"\0\1" + self._none + text(topic) + b"\0", 2))
        return self.next(SUBACK)[-1]

    def ask(self, topic: str) -> None:
        """Publish with QoS 0."""
        self._sock.sendall(publish(topic, self._none))

    def insist(self, topic: str) -> bytes:
        """Publish with QoS 1 and return the PUBACK, less the packet's number."""
        number = b"\0\7"
        self._sock.sendall(packet(PUBLISH, text(topic) + number + self._none, AT_LEAST_ONCE))
        body = self.next(PUBACK)
        assert body.startswith(number)
        return body[2:]

    def come(self) -> str:
        """Return the topic of the next message; it is not retained."""
        body = self.next(PUBLISH)
        (length,) = struct.unpack_from("!H", body)
        return body[2 : 2 + length].decode()


@contextmanager
def client(
    cloud: VrmCloud, user: str = OWNER, password: str = f"Token {OWNER_TOKEN}", level: int = 5
) -> Iterator[Client]:
    """Log in at the cloud, whose certificate is verified."""
    with calling(cloud, user, password, level) as (made, code):
        assert code == GRANTED
        yield made


@contextmanager
def calling(cloud: VrmCloud, user: str, password: str, level: int) -> Iterator[tuple[Client, int]]:
    context = ssl.create_default_context(cafile=str(cloud.ca_file))
    plain = socket.create_connection((cloud.address, PORT), timeout=WAIT)
    with context.wrap_socket(plain, server_hostname=cloud.name) as sock:
        sock.sendall(hello(user, password, level=level))
        made = Client(sock, level)
        yield made, made.next(CONNACK)[1]


LEVELS = pytest.mark.parametrize("level", [4, 5], ids=["3.1.1", "5"])


def test_the_cloud_has_a_host_for_each_portal_id() -> None:
    """The number is the sum of the code points of the lower-case portal id, modulo 128."""
    assert host_of("a") == "mqtt97.victronenergy.com"
    assert host_of("aZ") == host_of("Az") == f"mqtt{(97 + 122) % 128}.victronenergy.com"


@LEVELS
@pytest.mark.parametrize(
    ("user", "password"),
    [(OWNER, OWNER_TOKEN), (OWNER, f"Token {GUEST_TOKEN}"), ("nobody@example.com", "Token 1")],
)
def test_the_cloud_requires_an_address_and_a_token(
    user: str, password: str, level: int, cloud: VrmCloud
) -> None:
    """It rejects a token without "Token" before it, another user's token, and an unknown user."""
    with calling(cloud, user, password, level) as (_, code):
        assert code == (NOT_AUTHORISED if level == 5 else 5)


@LEVELS
@pytest.mark.parametrize(
    ("topic", "granted"),
    [
        (f"N/{P}/#", True),
        (f"N/{P}/system/0/Serial", True),
        (f"N/{P}/+/+/ProductId", True),
        ("N/#", False),
        ("#", False),
        ("N/+/system/0/Serial", False),
        (f"N/{OTHER}/#", False),
        (f"N/{OTHER}/system/0/Serial", False),
        (f"R/{P}/#", False),
    ],
)
def test_the_cloud_shows_only_the_users_device(
    topic: str, granted: bool, level: int, cloud: VrmCloud
) -> None:
    """All that a filter covers must lie below N/<own portal id>/, or the SUBACK rejects it."""
    refusal = NOT_AUTHORISED if level == 5 else REFUSED
    for user, token in ((OWNER, OWNER_TOKEN), (GUEST, GUEST_TOKEN)):
        with client(cloud, user, f"Token {token}", level) as caller:
            assert caller.subscribe(topic) == (GRANTED if granted else refusal)


@pytest.mark.parametrize(
    ("topic", "refused"),
    [
        (f"R/{P}/keepalive", False),
        (f"R/{P}/vebus/275/Dc/0", False),
        (f"R/{OTHER}/keepalive", True),
        (f"W/{P}/vebus/275/Mode", True),
        (f"N/{P}/vebus/275/Soc", True),
    ],
)
def test_the_cloud_accepts_requests_only_to_the_users_device(
    topic: str, refused: bool, cloud: VrmCloud
) -> None:
    """With QoS 1 and MQTT 5 the PUBACK is 135; an account that may only read always gets it."""
    with client(cloud) as owner:
        assert (owner.insist(topic)[:1] == bytes([NOT_AUTHORISED])) == refused
    with client(cloud, GUEST, f"Token {GUEST_TOKEN}") as guest:
        assert guest.insist(topic)[:1] == bytes([NOT_AUTHORISED])


def test_by_mqtt_3_1_1_a_rejected_request_looks_like_any_other(cloud: VrmCloud) -> None:
    """The PUBACK has no reason code."""
    with client(cloud, GUEST, f"Token {GUEST_TOKEN}", 4) as guest:
        assert guest.insist(f"R/{P}/keepalive") == b""


def test_values_flow_to_the_cloud_while_a_client_sends_requests(cloud: VrmCloud) -> None:
    """After the interval no value comes, even from a live device; a request restarts the flow."""
    clock, device = Clock(), Device(P)
    with cloud.runner(device, interest=10.0, clock=clock) as runner, client(cloud) as owner:
        assert owner.subscribe(f"N/{P}/heartbeat") == GRANTED
        assert owner.subscribe(SOC) == GRANTED
        owner.ask(f"R/{P}/keepalive")
        assert {owner.come() for _ in range(2)} == {SOC, f"N/{P}/heartbeat"}
        withheld = device.log.counters.withheld
        clock.now += 15.0
        runner.wake()
        assert device.log.wait_until(lambda log: log.counters.withheld > withheld, WAIT)
        assert device.alive
        beats = [each for each in device.log.sent if each.topic.endswith("/heartbeat")]
        assert len(beats) == 1
        owner.ask(f"R/{P}/vebus/275/Soc")
        assert owner.come() == SOC
        clock.now += 3.0
        runner.wake()
        while owner.come() != f"N/{P}/heartbeat":
            pass


def test_no_message_is_retained_in_the_cloud(cloud: VrmCloud) -> None:
    """A later subscriber gets no message, not even the Serial."""
    device = Device(P)
    with cloud.runner(device), client(cloud) as owner:
        assert owner.subscribe(f"N/{P}/system/0/Serial") == GRANTED
        owner.ask(f"R/{P}/system/0/Serial")
        assert owner.come() == f"N/{P}/system/0/Serial"
        with client(cloud) as later:
            assert later.subscribe(f"N/{P}/system/0/Serial") == GRANTED
            assert later.subscribe(SOC) == GRANTED
            later.ask(f"R/{P}/vebus/275/Soc")
            assert later.come() == SOC


def test_the_program_finds_this_cloud_by_its_real_name(cloud: VrmCloud) -> None:
    """Started by MODULE, bat2influx connects to this broker by the cloud's host and port."""
    if not is_possible():
        pytest.skip("a separate /etc/hosts needs root, or user namespaces")
    done = subprocess.run(
        [sys.executable, "-m", MODULE, "pin", f"{cloud.name}:{PORT}"],
        cwd=TOP,
        env={**os.environ, **cloud.client_environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert cloud.certificate.fingerprint in done.stdout, done


# The bridge.


def listening(broker: Mosquitto, *filters: str) -> closing[Listener]:
    return closing(Listener(broker.port, *filters))


def answered(listener: Listener, prefix: str) -> bool:
    """Request the state of charge; return whether it has come by now."""
    listener.publish(f"{prefix}R/{P}/vebus/275/Soc")
    return any(message.topic == f"{prefix}{SOC}" for message in listener.take())


@pytest.mark.parametrize("prefix", ["", "a/b/"])
@pytest.mark.parametrize("retained", [True, False], ids=["retained", "none retained"])
def test_a_bridge_carries_requests_out_and_values_in(
    prefix: str, retained: bool, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Only the topics here have the prefix; the Serial is retained here only if requested."""
    serial, soc, end = (
        f"{prefix}N/{P}/{place}"
        for place in ("system/0/Serial", "vebus/275/Soc", "full_publish_completed")
    )
    with (
        Bridged(tmp_path / "bridged", mosquitto, prefix=prefix, retained=retained) as broker,
        VenusRunner("127.0.0.1", mosquitto.port, Device(P)),
        listening(broker, f"{prefix}N/#") as first,
    ):
        first.publish(f"{prefix}R/{P}/system/0/Serial")
        first.wait_until(lambda messages: any(m.topic == end for m in messages))
        assert {m.topic for m in first.take()} > {serial, soc}
        with listening(broker, serial, soc) as later:
            later.publish(f"{prefix}R/{P}/vebus/275/Soc")
            later.wait_until(lambda messages: any(m.topic == soc for m in messages))
            topics = [m.topic for m in later.take() if m.retain]
        assert topics == ([serial] if retained else [])


def test_a_bridge_reconnects_after_the_device_was_off(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """After the device's broker has restarted, the bridge works again by itself."""
    with (
        Bridged(tmp_path / "bridged", mosquitto) as broker,
        VenusRunner("127.0.0.1", mosquitto.port, Device(P)),
        listening(broker, "boat/N/#") as listener,
    ):
        wait("an answer", lambda: answered(listener, "boat/"))
        mosquitto.restart()
        listener.take()
        wait("an answer after the restart", lambda: answered(listener, "boat/"))


def test_bridges_can_follow_one_another(tmp_path: Path) -> None:
    """Each bridge adds its prefix to the topics, and logs in if a login is required."""
    login = {"username": "gx", "password": "sesame"}
    with ExitStack() as stack:
        device = Mosquitto(tmp_path / "device", users={"gx": "sesame"})
        chain = [stack.enter_context(device)]
        for here, there in pairwise(["", "boat/", "house/boat/"]):
            made = Bridged(tmp_path / str(len(chain)), chain[-1], remote=here, prefix=there)
            chain.append(stack.enter_context(made))
        stack.enter_context(VenusRunner("127.0.0.1", device.port, Device(P), **login))
        listener = stack.enter_context(listening(chain[-1], "house/boat/N/#"))
        wait("an answer", lambda: answered(listener, "house/boat/"))

"""Faults of broker and network: the daemon reports them, reconnects, and stops when told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt.connector import Connector, Endpoint
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network import mqtt_peers, nameless
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import PORTAL_ID, packet, publish
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.support.compare import NINE, assert_complete, stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait
from tests.support.process import free_port

QUICK = {"interval": 0.2, "soc_interval": 0.2}
GIVEN = {**QUICK, "serial": PORTAL_ID, "instance": 275}
AGAIN = 30.0  # s until data comes again after the broker's return
END = 10.0  # s; SIGTERM ends the daemon within it


def descriptors(daemon: Daemon) -> int:
    """Return how many file descriptors the daemon has open."""
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def cpu_seconds(daemon: Daemon) -> float:
    """Return the processor time of the daemon in s."""
    words = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


# A real broker


def test_every_address_of_a_host_is_tried(setting: Setting) -> None:
    """If no process listens at the first address of a name, the next one is tried."""
    setting.venus(Device(PORTAL_ID))
    setting.daemon(Battery={**GIVEN, "address": "localhost"})
    wait("values", setting.stored)


def test_two_daemons_share_a_broker(setting: Setting) -> None:
    """Their client ids differ, so that neither disconnects the other; both send DISCONNECT."""
    setting.venus(Device(PORTAL_ID))
    daemons = []
    for measurement in ("one", "two"):
        daemons.append(setting.daemon(Battery=GIVEN, Influx={"measurement": measurement}))
        wait("values", lambda name=measurement: setting.stored(measurement=name))
    before = len(setting.stored(measurement="one"))
    wait("more values", lambda: len(setting.stored(measurement="one")) >= before + 20)
    assert [daemon.stop() for daemon in daemons] == [0, 0]
    assert not any(daemon.logged("WARNING") for daemon in daemons)
    log = setting.mosquitto.log.read_text()
    assert len(re.findall(r" as bat2influx-[0-9a-f]{8} ", log)) == 2
    assert len(re.findall(r"Client bat2influx-[0-9a-f]{8} disconnected", log)) == 2


def test_a_broker_that_is_down_at_start_is_waited_for(setting: Setting) -> None:
    """The cause is reported while no broker listens; once the broker runs, values come."""
    setting.mosquitto.stop()
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, Battery=QUICK)
    wait(
        "the cause in STATUS",
        lambda: f"refused by 127.0.0.1 port {setting.mosquitto.port}" in notify.status,
    )
    setting.mosquitto.start()
    setting.venus(Device(PORTAL_ID))
    wait("values", setting.stored, AGAIN)
    daemon.wait_for_log("connected to 127.0.0.1, after")
    assert len(daemon.logged("connection refused by")) == 1
    assert daemon.stop() == 0


def test_a_restarted_broker_is_subscribed_to_again(setting: Setting) -> None:
    """After each restart values come again, none twice, and no file descriptor leaks."""
    device = Device(PORTAL_ID, counted=True)
    runner = setting.venus(device)
    daemon = setting.daemon(Battery=QUICK)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    open_before = descriptors(daemon)
    for _ in range(3):
        before = len(stored_values(setting, "Soc"))
        setting.mosquitto.restart()
        assert runner.wait_attached()
        wait("values again", lambda n=before: len(stored_values(setting, "Soc")) >= n + 5, AGAIN)
    # One may be open for a moment: a file of the resolver, a connection to the database.
    wait("the descriptors of before", lambda: descriptors(daemon) <= open_before)
    assert daemon.stop() == 0
    for field in NINE:
        values = [value for _, value in stored_values(setting, field)]
        assert len(values) == len(set(values)), f"{field} has a value twice"
    assert len(daemon.logged("connected to 127.0.0.1, after")) == 3


def test_a_killed_broker_loses_no_received_value(setting: Setting) -> None:
    """Values received before the connection broke are stored."""
    device = Device(PORTAL_ID, counted=True)
    setting.venus(device)
    daemon = setting.daemon(Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 5)
    setting.mosquitto.kill()
    daemon.wait_for_log("127.0.0.1 ended the connection|connection refused by 127.0.0.1")
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)


def test_a_frozen_broker_does_not_delay_the_exit(setting: Setting) -> None:
    """SIGTERM ends the daemon in time while the broker hangs, with every value stored."""
    setting.venus(Device(PORTAL_ID))
    daemon = setting.daemon(Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    setting.mosquitto.freeze()
    assert daemon.stop(END) == 0
    assert daemon.logged("every value is stored")


@pytest.fixture
def locked(tmp_path: Path, influxdb: InfluxDB) -> Iterator[Setting]:
    """A broker that requires a login, with a device behind it."""
    users = {"gx": "device", "bat2influx": "Pass word,#1"}
    with (
        Mosquitto(tmp_path / "mosquitto", users=users) as broker,
        Setting(tmp_path, broker, influxdb) as made,
        VenusRunner("127.0.0.1", broker.port, Device(PORTAL_ID), username="gx", password="device"),
    ):
        yield made


def test_the_broker_accepts_user_and_password(locked: Setting) -> None:
    """With the right login values come, and no log or process list has the password."""
    daemon = locked.daemon(Battery={**QUICK, "password": '"Pass word,#1"'})
    wait("values", locked.stored)
    assert "Pass word" not in Path(f"/proc/{daemon.pid}/cmdline").read_text()
    assert daemon.stop() == 0
    assert "Pass word" not in daemon.log.read_text()


@pytest.mark.parametrize(
    ("password", "what"),
    [("wrong-One", "the password is wrong"), ("", "it requires a password")],
)
def test_a_rejected_login_is_reported_with_advice(
    locked: Setting, password: str, what: str
) -> None:
    """Log (once) and STATUS= name the file to check, and contain no secret."""
    notify = locked.notify_socket()
    daemon = locked.daemon(notify=notify, watchdog=6, Battery={**QUICK, "password": password})
    line = daemon.wait_for_log("127.0.0.1 rejected the login of 'bat2influx'")
    assert what in line
    assert f"set password in {locked.directory}/bat2influx.ini" in line
    wait("the same in STATUS", lambda: what in notify.status)
    assert daemon.stop(END) == 0
    assert len(daemon.logged("rejected the login")) == 1
    assert "wrong-One" not in daemon.log.read_text() + notify.status


# Peers that hang or are other servers: all are tested at once, since some take long


@dataclass
class Stuck:
    """A daemon that cannot proceed, and its messages to the service manager."""

    daemon: Daemon
    notify: NotifySocket


HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
NO_SUBACK = frozenset({mqtt_peers.SUBSCRIBE})
HINT = "; check that address and port are the device"
CAUSES: dict[str, tuple[Callable[[], mqtt_peers.Peer | mqtt_peers.Void | None], str]] = {
    "says nothing": (mqtt_peers.Peer, "accepts connections and does not answer" + HINT),
    "void": (mqtt_peers.Void, r"127.0.0.1 port \d+ is unreachable \(no answer\)"),
    "name server silent": (lambda: None, "resolving venus.example"),
    "name server none": (
        lambda: None,
        "cannot resolve venus.example; set address in /.*ini to the device.s IP",
    ),
    "closed port": (lambda: None, r"connection refused by 127.0.0.1 port \d+; switch on MQTT"),
    "ends at once": (lambda: mqtt_peers.Talker(b"", ends=True), HINT),
    "HTTP": (lambda: mqtt_peers.Talker(HTTP, ends=True), HINT),
    "SSH": (lambda: mqtt_peers.Talker(SSH), HINT),
    "garbage": (lambda: mqtt_peers.Talker(bytes(range(256))), HINT),
    "half a CONNACK": (lambda: mqtt_peers.Talker(b"\x20\x02\x00"), HINT),
    "client id": (
        lambda: mqtt_peers.Talker(b"\x20\x02\x00\x02"),
        "rejected the connection: client id",
    ),
    "no SUBACK": (
        lambda: mqtt_peers.Device(mutes=NO_SUBACK),
        "no device has published its portal id at 127.0.0.1. Check .* set serial in /.*ini",
    ),
    "found no SUBACK was no trouble": (
        lambda: mqtt_peers.Device(mutes=NO_SUBACK),
        f"device {PORTAL_ID} at 127.0.0.1 does not respond",
    ),
}


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stuck]]:
    """A daemon for each of CAUSES, all running at once."""
    made = {}
    with ExitStack() as stack:
        for name, (make, _) in CAUSES.items():
            directory = tmp_path_factory.mktemp("stuck")
            unused = Mosquitto(directory / "m"), InfluxDB(directory / "i")
            setting = stack.enter_context(Setting(directory, *unused))
            peer = make()
            if peer is not None:
                stack.callback(peer.close)
            battery = {**QUICK, "port": peer.port if peer else free_port()}
            if name.startswith("found"):
                battery = {**battery, **GIVEN}
            module, environment = "bat2influx", {}
            if name.startswith("name server"):
                if not nameless.is_possible():
                    continue
                battery["address"] = "venus.example"
                module, environment = nameless.__name__, {"NAMESERVER": name.split()[-1]}
            notify = setting.notify_socket()
            daemon = setting.daemon(
                notify=notify,
                watchdog=8,
                module=module,
                environment=environment,
                Battery=battery,
                Influx={"port": free_port()},
            )
            made[name] = Stuck(daemon, notify)
        yield made


@pytest.mark.parametrize("name", CAUSES)
def test_whatever_hangs_is_reported_and_does_not_delay_the_exit(
    name: str, stuck: dict[str, Stuck]
) -> None:
    """STATUS= reports the fault, the log reports it once, and SIGTERM ends the daemon with 0."""
    if name not in stuck:
        pytest.skip("a separate name server needs root, or user namespaces")
    daemon, notify, cause = stuck[name].daemon, stuck[name].notify, CAUSES[name][1]
    wait(f"{cause!r} in STATUS", lambda: re.search(cause, notify.status))
    if name != "name server silent":  # nothing has failed there yet
        assert len(daemon.logged(cause)) == 1
    assert daemon.running
    assert cpu_seconds(daemon) < 5.0, "it loops without waiting"
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait_for_end(END) == 0
    assert daemon.logged("every value is stored")


def test_found_a_broker_that_drops_us_after_each_login_filled_the_log(tmp_path: Path) -> None:
    """A connection that never lasts is one warning, however often the login succeeds."""
    unused = Mosquitto(tmp_path / "m"), InfluxDB(tmp_path / "i")
    with (
        mqtt_peers.Talker(mqtt_peers.WELCOME, ends=True) as peer,
        Setting(tmp_path, *unused) as setting,
    ):
        battery = {**GIVEN, "port": peer.port}
        daemon = setting.daemon(Battery=battery, Influx={"port": free_port()})
        wait("some attempts", lambda: len(peer.calls) >= 6)  # the first, in MQTT 5, fails
        assert peer.calls[-1] - peer.calls[0] > 3.0, "it does not slow down"
        assert daemon.stop(END) == 0
        assert len(daemon.logged("ended the connection")) == 1


def test_found_a_subscription_without_an_answer_was_waited_for(tmp_path: Path) -> None:
    """If a broker keeps a connection but ignores a SUBSCRIBE, the daemon reconnects."""
    unused = Mosquitto(tmp_path / "m"), InfluxDB(tmp_path / "i")
    with mqtt_peers.Device(mutes=NO_SUBACK) as peer, Setting(tmp_path, *unused) as setting:
        battery = {**GIVEN, "port": peer.port}
        setting.daemon(watchdog=8, Battery=battery, Influx={"port": free_port()})
        wait("a connection", lambda: peer.calls)
        wait("another one", lambda: len(peer.calls) >= 2, AGAIN)
        peer.mutes = frozenset()
        wait("read requests", lambda: peer.requests, AGAIN)


def test_found_an_address_of_an_unknown_family_hung_the_connector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An address without a protocol in this kernel, as IPv6 may be, counts as unreachable."""
    found = [(99, socket.SOCK_STREAM, 0, "", ("::1", 1883))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    connector = Connector(Endpoint("venus.example", 1883, "u", "", "c"), lambda: None)
    wait("an outcome", lambda: connector.outcome, 10)
    assert isinstance(connector.outcome, Trouble)
    assert connector.outcome.cause == "unreachable"


# Bytes that are no MQTT, from a peer that otherwise is a broker

STATE = f"N/{PORTAL_ID}/vebus/275/State"
GOOD = publish(STATE, b'{"value":7}')
POISON = b'{"value":666.25}'
Strike = bytes | Callable[[socket.socket], object]


def half_then(end: Callable[[socket.socket], object]) -> Callable[[socket.socket], object]:
    """Return a strike: send the first half of a PUBLISH, then do `end`."""

    def strike(connection: socket.socket) -> None:
        connection.sendall(GOOD[: len(GOOD) // 2])
        end(connection)

    return strike


MALFORMED: dict[str, Strike] = {
    "PUBLISH of no byte": b"\x30\x00",
    "PUBLISH of one byte": b"\x30\x01\x00",
    "PUBLISH with a topic longer than itself": b"\x30\x04\x00\x09N/",
    "PUBLISH with an empty topic": b"\x30\x02\x00\x00",
    "PUBLISH with QoS 3": publish(STATE, POISON, 6),
    "PUBLISH with QoS 1 and no packet id": publish(STATE, b"", 2),
    "remaining length of five bytes": b"\x30\xff\xff\xff\xff\x01" + POISON,
    "remaining length of 256 MB with nothing behind": b"\x30\xff\xff\xff\x7f",
    "remaining length of 1 MiB and a byte": packet(mqtt_peers.PUBLISH, bytes(1 << 20)),
    "PUBLISH with QoS 1": publish(STATE, b"\x00\x07" + POISON, 2),
    "PUBLISH with QoS 2": publish(STATE, b"\x00\x07" + POISON, 4),
    "PINGREQ": b"\xc0\x00",
    "PUBREC": b"\x50\x02\x00\x07",
    "SUBSCRIBE": packet(mqtt_peers.SUBSCRIBE, b"\x00\x07\x00\x01#\x00", 2),
    "CONNECT": packet(mqtt_peers.CONNECT, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x01x"),
    "packet type 0": b"\x00\x00",
    "packet type 15": b"\xf0\x00",
    "DISCONNECT": b"\xe0\x00",
    "CONNACK of one byte": b"\x20\x01\x00",
    "SUBACK of one byte": b"\x90\x01\x00",
    "UNSUBACK of one byte": b"\xb0\x01\x00",
    "PUBREL of one byte": b"\x62\x01\x00",
    "every byte there is": bytes(range(255, -1, -1)),
    "end within a packet": half_then(lambda connection: connection.shutdown(socket.SHUT_RDWR)),
    "reset within a packet": half_then(mqtt_peers.reset),
    "silence within a packet": half_then(lambda connection: None),
}
HARMLESS: dict[str, bytes] = {
    "topic that is not UTF-8": publish(b"N/\xff\xfe/vebus/275/State", POISON),
    "topic of ours with a byte that is not UTF-8": publish(STATE.encode() + b"\xc3", POISON),
    "another portal id": publish(STATE.replace(PORTAL_ID, PORTAL_ID + "x"), POISON),
    "a portal id that is cut off": publish(STATE.replace(PORTAL_ID, PORTAL_ID[:-1]), POISON),
    "small n": publish(STATE.replace("N/", "n/"), POISON),
    "slash in front": publish("/" + STATE, POISON),
    "slash behind": publish(STATE + "/", POISON),
    "a level more": publish(STATE + "/extra", POISON),
    "a level less": publish(STATE.rpartition("/")[0], POISON),
    "other case": publish(STATE.lower(), POISON),
    "null character": publish(STATE + "\0", POISON),
    "wildcard": publish(STATE.replace("275", "+"), POISON),
    "a topic of 65535 bytes": publish(STATE + "/" * (65_535 - len(STATE)), POISON),
    "retained": publish(STATE, POISON, 1),
    "PUBACK of nothing": b"\x40\x02\x00\x07",
    "SUBACK of nothing": b"\x90\x03\xff\xfe\x00",
    "SUBACK that refuses": b"\x90\x03\xff\xfe\x80",
    "CONNACK again": mqtt_peers.WELCOME,
}


@dataclass
class Duel:
    """One daemon and one faulty peer, for all following tests."""

    setting: Setting
    peer: mqtt_peers.Device
    daemon: Daemon
    pid: int

    def values(self) -> list[float]:
        """Return all stored values."""
        return [value for _, value in stored_values(self.setting, "State")]

    def hit(self, strike: Strike) -> None:
        """Make the peer do it, and wait until it has."""
        done = threading.Event()

        def act(connection: socket.socket) -> None:
            try:
                connection.sendall(strike) if isinstance(strike, bytes) else strike(connection)
            finally:
                done.set()

        self.peer.strike(act)
        wait("the strike", done.is_set)


@pytest.fixture(scope="module")
def duel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duel]:
    """A daemon that reads one field from the peer."""
    directory = tmp_path_factory.mktemp("duel")
    with (
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, Mosquitto(directory / "mosquitto"), database) as setting,
        mqtt_peers.Device() as peer,
    ):
        daemon = setting.daemon(
            watchdog=16,
            Battery={**QUICK, "serial": PORTAL_ID, "port": peer.port},
            Fields={"defaults": "no", "State": "vebus/275/State"},
        )
        duel = Duel(setting, peer, daemon, daemon.pid)
        wait("values", duel.values)
        yield duel
        assert daemon.stop(END) == 0


@pytest.mark.parametrize("name", MALFORMED)
def test_bytes_that_are_no_mqtt_only_cost_a_connection(name: str, duel: Duel) -> None:
    """After a broken packet the daemon reconnects and subscribes, and values come again."""
    peer = duel.peer
    calls = len(peer.calls)
    duel.hit(MALFORMED[name])
    wait("a new connection", lambda: len(peer.calls) > calls, AGAIN)
    wait("a subscription on it", lambda: len(peer.subscriptions) >= len(peer.calls), AGAIN)
    stored = len(duel.values())  # now: earlier ones may be stored late
    wait("values again", lambda: len(duel.values()) > stored + 1, AGAIN)
    assert duel.daemon.running
    assert duel.daemon.pid == duel.pid
    assert 666.25 not in duel.values()


@pytest.mark.parametrize("name", HARMLESS)
def test_messages_that_only_look_like_answers_are_ignored(name: str, duel: Duel) -> None:
    """An unasked message is neither stored nor a reason to end the connection."""
    calls, stored = len(duel.peer.calls), len(duel.values())
    duel.hit(HARMLESS[name])
    wait("more values", lambda: len(duel.values()) >= stored + 2, AGAIN)
    assert len(duel.peer.calls) == calls
    assert duel.daemon.running
    assert 666.25 not in duel.values()

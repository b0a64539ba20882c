"""The stand-in's front door: its ports and logins are those of a Venus device.

Rules: clients are sockets with just enough MQTT, so that the test controls each byte. Refusals
come without delay, except in the test of the delay.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import SUBSCRIBE, packet, packets, publish
from tests.standins.venus.device import Device
from tests.standins.venus.login import BURST, DAILY, DAY, Login, Outcome, Profile
from tests.standins.venus.mqtt import VenusRunner, new_client
from tests.standins.venus.packets import parse
from tests.standins.venus.visitor import (
    PASSWORD,
    PINGREQ,
    PINGRESP,
    REFUSED,
    REFUSED_5,
    TOKEN,
    TOKEN_PASSWORD,
    WELCOME,
    Opener,
    answer,
    call,
    doors,
    hello,
    is_open,
    said,
    text,
    trusting,
    visit,
)
from tests.support.daemon import wait


@pytest.fixture
def opened(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Opener]:
    """Open a door before the broker; it is closed when the test ends."""
    with doors(tmp_path, mosquitto.port) as opener:
        yield opener


# The profiles.


@pytest.mark.parametrize("profile", Profile)
def test_a_profile_opens_its_ports(opened: Opener, profile: Profile) -> None:
    """The plain port is open in two profiles, the one for TLS unless MQTT is off."""
    door = opened(profile)
    assert is_open(door.plain_port) == (profile.value in {"weak", "unsecured"})
    assert is_open(door.tls_port) == (profile.value != "off")


@pytest.mark.parametrize(("profile", "tls"), [("secured", True), ("weak", True), ("weak", False)])
def test_the_password_counts_and_not_the_user(opened: Opener, profile: str, tls: bool) -> None:
    """The door accepts any user with the password, and rejects a wrong or missing one."""
    door = opened(Profile(profile))
    for user in ("remoteconsole", "anybody"):
        assert said(door, hello(user), tls=tls) == WELCOME
    for login in (hello("user", "wrong"), hello("user", None), hello(None, None)):
        assert said(door, login, tls=tls) == REFUSED


@pytest.mark.parametrize("tls", [True, False])
def test_the_unsecured_profile_accepts_all(opened: Opener, tls: bool) -> None:
    """Any password, and none, is accepted."""
    door = opened(Profile.UNSECURED)
    for login in (hello("user", "wrong"), hello("user", None), hello(None, None)):
        assert said(door, login, tls=tls) == WELCOME


def test_paired_devices_have_a_password_each(opened: Opener) -> None:
    """A token's password is valid for this token alone; the device's password for no login."""
    door = opened(Profile.PAIRED)
    assert said(door, hello(TOKEN, TOKEN_PASSWORD)) == WELCOME
    strangers = (TOKEN, PASSWORD), ("token/viewer/8", TOKEN_PASSWORD), ("user", PASSWORD)
    assert [said(door, hello(*each)) for each in strangers] == [REFUSED] * 3


def test_a_change_of_profile_ends_all_connections(opened: Opener) -> None:
    """Connections end at once; then the new profile's ports and rules apply."""
    door = opened(Profile.WEAK)
    with visit(door, tls=False) as plain, visit(door) as secure:
        assert answer(plain, 4) == answer(secure, 4) == WELCOME
        door.set_profile(Profile.SECURED)
        assert answer(plain) == answer(secure) == b""
    assert not is_open(door.plain_port)
    assert said(door) == WELCOME
    door.set_profile(Profile.UNSECURED)
    assert said(door, hello("user", "wrong"), tls=False) == WELCOME


# The login.


@pytest.mark.parametrize(
    ("level", "name", "refusal"),
    [(3, "MQIsdp", REFUSED), (4, "MQTT", REFUSED), (5, "MQTT", REFUSED_5)],
)
def test_a_refusal_speaks_the_clients_version(
    opened: Opener, level: int, name: str, refusal: bytes
) -> None:
    """The refusal is code 5, or 0x87 in MQTT 5; then the connection ends."""
    door = opened()
    wrong = hello("user", "wrong", client_id="id", level=level, name=name)
    right = hello(client_id="id", level=level, name=name)
    assert said(door, wrong, size=100) == refusal
    assert said(door, right)[3] == 0


def test_a_refusal_takes_its_time(opened: Opener) -> None:
    """By default it takes a random time from 1 s to 6 s."""

    class Short(random.Random):
        def uniform(self, a: float, b: float) -> float:
            asked.append((a, b))
            return a

    asked: list[tuple[float, float]] = []
    door = opened(refusal_delay=(1.0, 6.0), chance=Short())
    assert said(door, hello("user", "wrong")) == REFUSED
    assert time.monotonic() - door.attempts[0].at > 0.99
    assert asked == [(1.0, 6.0)]


def test_a_password_without_a_user_is_dropped(opened: Opener) -> None:
    """In 3.1.1 it gets no CONNACK; MQTT 5 permits it."""
    door = opened()
    assert said(door, hello(None)) == b""
    assert said(door, hello(None, level=5))[3] == 0
    assert [each.outcome for each in door.attempts] == [Outcome.DROPPED, Outcome.ACCEPTED]


@pytest.mark.parametrize("user", ["a+b", "#"])
def test_a_wildcard_in_the_user_name_is_refused(opened: Opener, user: str) -> None:
    """In no profile may a user name have + or #."""
    assert said(opened(), hello(user)) == REFUSED
    assert said(opened(Profile.UNSECURED), hello(user)) == REFUSED


def test_many_wrong_passwords_lock_the_login(opened: Opener) -> None:
    """After 20 different ones the right one is rejected too; a second later it is accepted."""
    now = 0.0
    door = opened(clock=lambda: now)
    for number in range(BURST):
        assert said(door) == WELCOME
        assert said(door, hello("user", f"wrong {number}")) == REFUSED
    assert said(door) == REFUSED
    assert door.attempts[-1].right
    assert door.attempts[-1].outcome is Outcome.LOCKED
    now = 1.0
    assert said(door) == WELCOME


def test_repeating_one_wrong_password_locks_nothing(opened: Opener) -> None:
    """A client with an old password does not lock out the others."""
    door = opened(clock=lambda: 0.0)
    for _ in range(2 * BURST):
        assert said(door, hello("user", "old")) == REFUSED
    assert said(door) == WELCOME


def test_the_lock_has_a_bound_for_the_day() -> None:
    """After 150 different wrong passwords, however slow, the login is locked until the next day."""
    login = Login(Profile.SECURED, PASSWORD, {})

    def outcome(password: str, now: float) -> Outcome:
        first, _, *body = hello("user", password)
        return login.decide(parse(first, bytes(body)), now, {})

    for number in range(DAILY):
        assert outcome(f"wrong {number}", 10.0 * number) is Outcome.WRONG
    assert outcome(PASSWORD, DAY - 1) is Outcome.LOCKED
    assert outcome(PASSWORD, DAY) is Outcome.ACCEPTED


def test_no_password_counts_at_the_boot(opened: Opener) -> None:
    """Until the plugin has read the setting; a right password does not count for the lock."""
    door = opened()
    door.boot()
    assert [said(door) for _ in range(2 * BURST)] == [REFUSED] * (2 * BURST)
    assert {each.outcome for each in door.attempts} == {Outcome.BOOTING}
    door.booted()
    assert said(door) == WELCOME


def test_a_token_counts_at_the_boot() -> None:
    """A token does not depend on the setting that has not been read yet."""
    login = Login(Profile.PAIRED, "", {TOKEN: TOKEN_PASSWORD})
    login.booting = True
    first, _, *body = hello(TOKEN, TOKEN_PASSWORD)
    assert login.decide(parse(first, bytes(body)), 0.0, {}) is Outcome.ACCEPTED


def test_a_client_id_belongs_to_its_user(opened: Opener) -> None:
    """Another user with the same client id is rejected; the existing connection stays."""
    door = opened()
    with visit(door, hello("one", client_id="id")) as sock:
        assert answer(sock, 4) == WELCOME
        assert said(door, hello("two", client_id="id")) == REFUSED
        sock.sendall(PINGREQ)
        assert answer(sock, 2) == PINGRESP
    wait("its end", lambda: said(door, hello("two", client_id="id")) == WELCOME)


def test_the_same_user_takes_over_a_client_id(opened: Opener) -> None:
    """The older connection is closed at once."""
    door = opened()
    with visit(door, hello(client_id="id")) as older:
        assert answer(older, 4) == WELCOME
        with visit(door, hello(client_id="id")) as newer:
            assert answer(newer, 4) == WELCOME
            assert answer(older) == b""
            assert said(door, hello("other", client_id="id")) == REFUSED


def test_attempts_are_recorded_without_passwords(opened: Opener) -> None:
    """Each login is recorded: the user, whether by TLS, whether the password is right, result."""
    door = opened(Profile.WEAK)
    said(door, hello("one", "wrong-secret", client_id="id"), tls=False)
    said(door, hello("two"))
    said(door, hello("three", None))
    assert [(a.tls, a.client_id, a.user, a.given, a.right, a.outcome) for a in door.attempts] == [
        (False, "id", "one", True, False, Outcome.WRONG),
        (True, "", "two", True, True, Outcome.ACCEPTED),
        (True, "", "three", False, False, Outcome.WRONG),
    ]
    assert len(door.calls) == 3
    assert "wrong-secret" not in repr(door.attempts) + repr(vars(door)) + repr(vars(door._login))


# Relayed bytes.


def test_a_client_through_the_door_gets_a_devices_answers(
    opened: Opener, mosquitto: Mosquitto
) -> None:
    """A device at the broker behind the door answers a paho client outside, over TLS."""
    door = opened()
    answers: list[bytes] = []
    client = new_client("reader")
    client.username_pw_set("remoteconsole", PASSWORD)
    client.tls_set_context(trusting(None))
    client.on_connect = lambda c, *_: c.subscribe("N/c0619ab1c2d3/vebus/275/Soc")
    client.on_subscribe = lambda c, *_: c.publish("R/c0619ab1c2d3/vebus/275/Soc")
    client.on_message = lambda _, __, message: answers.append(message.payload)
    with VenusRunner("127.0.0.1", mosquitto.port, Device("c0619ab1c2d3")):
        client.connect("127.0.0.1", door.tls_port)
        client.loop_start()
        try:
            assert b'"value":' in wait("the answer", lambda: answers)[0]
        finally:
            client.disconnect()
            client.loop_stop()


def test_a_flood_goes_through_unchanged(opened: Opener) -> None:
    """Megabytes pass unchanged, both ways at once."""
    door = opened()
    sent = [random.Random(number).randbytes(100_000) for number in range(50)]
    with visit(door) as reader, visit(door) as writer:
        assert answer(reader, 4) == answer(writer, 4) == WELCOME
        reader.sendall(packet(SUBSCRIBE, b"\x00\x01" + text("flood") + b"\x00", 2))
        assert len(answer(reader, 5)) == 5

        def write() -> None:
            for payload in sent:
                writer.sendall(publish("flood", payload))

        thread = threading.Thread(target=write)
        thread.start()
        arriving = packets(reader)
        assert [next(arriving)[1][7:] for _ in sent] == sent
        thread.join()


def test_the_brokers_stop_disconnects_clients(opened: Opener, mosquitto: Mosquitto) -> None:
    """Its clients are disconnected, and so are new ones until it runs again."""
    door = opened()
    with visit(door) as sock:
        assert answer(sock, 4) == WELCOME
        mosquitto.kill()
        assert answer(sock) == b""
    assert said(door) == b""
    mosquitto.start()
    assert said(door) == WELCOME


def test_nothing_is_left_of_hundreds_of_connections(opened: Opener) -> None:
    """Closing the door ends all connections, whatever their state, and its thread."""

    def held() -> tuple[set[str], set[threading.Thread]]:
        """Return open sockets and threads; those that other tests left may end in between."""
        sockets = set()
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - one name is one number
            with suppress(FileNotFoundError):  # the descriptor of the listing itself
                sockets.add(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - not a path
        return sockets, set(threading.enumerate())

    sockets, threads = held()
    door = opened(Profile.WEAK, refusal_delay=(600, 600))
    clients = []
    for number in range(100):
        clients.append(call(door.plain_port))
        clients[-1].sendall(hello(client_id=f"in {number}"))
        clients.append(call(door.plain_port))
        clients[-1].sendall(hello("user", "wrong"))
        clients.append(call(door.tls_port))
    for client in clients[::3]:
        assert answer(client, 4) == WELCOME
    wait("all of them", lambda: (len(door.calls), len(door.attempts)) == (300, 200))
    door.close()
    for client in clients:
        with closing(client):
            assert client.recv(1) == b""
    sockets_after, threads_after = held()
    assert not sockets_after - sockets
    assert not threads_after - threads

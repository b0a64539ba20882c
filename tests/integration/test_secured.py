"""TLS and login of a device, and the stored ids of a device from start to start."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.standins.network.certificates import device_certificate
from tests.standins.venus.device import Device
from tests.standins.venus.door import Door
from tests.standins.venus.login import Outcome, Profile
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.visitor import (
    PASSWORD,
    PINGREQ,
    PINGRESP,
    TOKEN,
    TOKEN_PASSWORD,
    WAIT,
    WELCOME,
    answer,
    hello,
    trusting,
)
from tests.support.compare import NINE, assert_complete, stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait
from tests.support.impatient import TENTH

A, B = "c0619ab1c2d3", "0a1b2c3d4e5f"
QUICK = {"interval": 0.2, "soc_interval": 0.2}
LOGIN = f"password = {PASSWORD}"
PORTS = 1883, 8883
END = 10.0  # s; SIGTERM ends the daemon within it
PAUSE = 30.0  # s at least between two attempts: at most two rejected logins per minute
IMPATIENT = "tests.support.impatient"  # for tests of the order of attempts alone
W = 24.0  # s


class Secured:
    """A device behind its front door, at a separate address, so that it has the usual ports."""

    def __init__(self, setting: Setting, directory: Path, stack: ExitStack) -> None:
        self.setting = setting
        self.device = Device(A, counted=True)
        self.own = device_certificate(directory)
        self.other = device_certificate(directory, name="other")
        self.host = f"127.{random.randrange(1, 255)}.{random.randrange(256)}.7"
        self.by_tls = "tls = yes", f"fingerprint = {self.own.fingerprint}"
        self._stack = stack
        setting.venus(self.device)

    def door(
        self,
        profile: Profile = Profile.SECURED,
        *,
        password: str = PASSWORD,
        refusal_delay: tuple[float, float] = (1.0, 6.0),
    ) -> Door:
        """Open the door, until the test ends; a refusal takes its usual time."""
        door = Door(
            profile,
            self.setting.mosquitto.port,
            certificate=self.own,
            password=password,
            tokens={TOKEN: TOKEN_PASSWORD},
            host=self.host,
            ports=PORTS,
            refusal_delay=refusal_delay,
        )
        return self._stack.enter_context(door)

    def write(self, *lines: str) -> None:
        """Write only the address and these lines under [Battery]."""
        given = dict(line.split(" = ") for line in lines)
        self.setting.ini["Battery"] = {"address": self.host, **given}
        self.setting.write_ini()


@pytest.fixture
def secured(setting: Setting, tmp_path: Path) -> Iterator[Secured]:
    """A device whose door the test opens; at the end, it asserts that no write was sent."""
    with ExitStack() as stack:
        made = Secured(setting, tmp_path, stack)
        yield made
        counters = made.device.log.counters
        assert (counters.writes, counters.wildcards) == (0, 0)


def more_values(setting: Setting, field: str = "Voltage") -> None:
    """Wait until there are more values of a field than now."""
    before = len(stored_values(setting, field))
    wait(f"values of {field}", lambda: len(stored_values(setting, field)) > before)


# The login


def test_a_changed_password_is_waited_for(secured: Secured) -> None:
    """Retries are rare, and values come again once the device accepts the password."""
    notify = secured.setting.notify_socket()
    secured.write(*secured.by_tls, LOGIN)
    before = secured.door(password="another")
    daemon = secured.setting.daemon(notify=notify, module=IMPATIENT)
    wait("a second attempt", lambda: len(before.attempts) == 2, 150)
    wait("its end", lambda: not before._tasks)
    assert "rejected the login of 'bat2influx': the password is wrong" in notify.status
    before.close()
    after = secured.door()
    wait("a third attempt", lambda: after.attempts, 150)
    more_values(secured.setting)
    attempts = [*before.attempts, *after.attempts]
    outcomes = [attempt.outcome for attempt in attempts]
    assert outcomes == [Outcome.WRONG, Outcome.WRONG, Outcome.ACCEPTED]
    assert all(later.at - earlier.at >= PAUSE * TENTH for earlier, later in pairwise(attempts))
    assert len(daemon.logged("WARNING")) == 1
    assert daemon.logged(f"connected to {secured.host}, after .* 2 failed attempts")


def test_found_a_booting_device_was_not_retried_for_a_minute(secured: Secured) -> None:
    """A login that has worked is retried soon: a booting device rejects every password."""
    door = secured.door()
    notify = secured.setting.notify_socket()
    secured.write(*secured.by_tls, LOGIN)
    daemon = secured.setting.daemon(notify=notify)
    wait("values", secured.setting.stored)
    door.boot()
    door.set_profile(Profile.SECURED)  # this ends every connection
    daemon.wait_for_log("which has worked before; the device may be starting")
    wait("the same in STATUS", lambda: "the device may be starting" in notify.status)
    refused = len(door.attempts)
    wait("two more attempts", lambda: len(door.attempts) >= refused + 2, 60)
    assert {each.outcome for each in door.attempts[refused:]} == {Outcome.BOOTING}
    door.booted()
    more_values(secured.setting)
    assert len(daemon.logged("WARNING.*rejected the login")) == 1


@pytest.mark.parametrize(
    ("login", "what"), [("password = wrong", "the password is wrong"), ("", "requires a password")]
)
def test_a_rejection_after_six_seconds_is_no_network_fault(
    secured: Secured, login: str, what: str
) -> None:
    """Log and STATUS report a rejected login, after one attempt, and nothing else."""
    door = secured.door(refusal_delay=(6, 6))
    notify = secured.setting.notify_socket()
    secured.write(*secured.by_tls, *([login] if login else ()))
    daemon = secured.setting.daemon(notify=notify)
    daemon.wait_for_log(f"{secured.host} rejected the login of 'bat2influx': .*{what}")
    wait("the same in STATUS", lambda: "rejected the login of 'bat2influx'" in notify.status)
    assert len(daemon.logged("WARNING|ERROR")) == len(door.attempts) == 1


PROFILES = [
    pytest.param(Profile.SECURED, True, [LOGIN], id="Secured"),
    pytest.param(Profile.WEAK, True, [LOGIN], id="Weak by TLS"),
    pytest.param(Profile.WEAK, False, [LOGIN], id="Weak"),
    pytest.param(Profile.UNSECURED, True, [], id="Unsecured by TLS"),
    pytest.param(Profile.UNSECURED, False, [], id="Unsecured"),
    pytest.param(
        Profile.PAIRED, True, [f"user = {TOKEN}", f"password = {TOKEN_PASSWORD}"], id="Paired"
    ),
]


@pytest.mark.parametrize(("profile", "by_tls", "login"), PROFILES)
def test_data_flows_under_each_profile(
    secured: Secured, profile: Profile, by_tls: bool, login: Sequence[str]
) -> None:
    """With address, tls, fingerprint and login alone, the device's values are stored."""
    door = secured.door(profile)
    secured.write(*(secured.by_tls if by_tls else ()), *login)
    daemon = secured.setting.daemon()
    wait("values", lambda: len(stored_values(secured.setting, "F")) >= 4)
    wait("a value of each", lambda: {name for _, name, _ in secured.setting.stored()} == {*NINE})
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_complete(secured.setting, secured.device, field, leaf)
    *looks, attempt = door.attempts
    assert (attempt.tls, attempt.given) == (by_tls, bool(login))
    # Without TLS a password is sent only to a port that has answered without one.
    assert [(look.tls, look.given) for look in looks] == [(False, False)] * (
        not by_tls and bool(login)
    )
    assert not daemon.logged("WARNING|ERROR")


def test_data_flows_with_a_device_certificate_as_ca_file(secured: Secured) -> None:
    """By address, `ca_file` needs `verify_host = no`; with both it works like a pin."""
    door = secured.door()
    ca_file = f"ca_file = {secured.own.cert}"
    secured.write("tls = yes", ca_file, LOGIN)
    daemon = secured.setting.daemon()
    daemon.wait_for_log(f"the certificate is not for the name {secured.host}")
    assert daemon.stop() == 0
    assert not door.attempts
    secured.write("tls = yes", ca_file, "verify_host = no", LOGIN)
    secured.setting.daemon()
    more_values(secured.setting)


def test_several_clients_are_accepted(secured: Secured) -> None:
    """Two daemons and another client, all by TLS at the same time, do not disturb each other."""
    door = secured.door()
    secured.write(*secured.by_tls, LOGIN)
    daemons = []
    for measurement in ("one", "two"):
        more = {"measurement": measurement}
        daemons.append(secured.setting.daemon(Battery=QUICK, Influx=more))
        wait("values", lambda m=measurement: secured.setting.stored(measurement=m))
    sock = socket.create_connection((secured.host, door.tls_port), timeout=WAIT)
    with trusting(None).wrap_socket(sock) as other:
        other.sendall(hello("remoteconsole", client_id="other"))
        assert answer(other, 4) == WELCOME
        for measurement in ("one", "two"):
            wait("values", lambda m=measurement: len(secured.setting.stored(measurement=m)) > 50)
        other.sendall(PINGREQ)
        assert answer(other, 2) == PINGRESP
    assert [daemon.stop() for daemon in daemons] == [0, 0]
    assert not any(daemon.logged("WARNING") for daemon in daemons)
    assert len({attempt.client_id for attempt in door.attempts}) == len(door.attempts) == 3


# Changes while it runs


def test_a_server_with_another_certificate_gets_no_password(secured: Secured) -> None:
    """Both fingerprints are logged, no login is sent, and with the old one values come again."""
    door = secured.door()
    notify = secured.setting.notify_socket()
    secured.write(*secured.by_tls, LOGIN)
    daemon = secured.setting.daemon(notify=notify, module=IMPATIENT, Battery=QUICK)
    more_values(secured.setting)
    attempts = len(door.attempts)
    door.certificate = secured.other
    door.set_profile(Profile.SECURED)  # this ends every connection
    both = f"{secured.other.fingerprint} instead of {secured.own.fingerprint}"
    daemon.wait_for_log(both)
    wait("the same in STATUS", lambda: both in notify.status)
    calls = len(door.calls)
    wait("two more attempts", lambda: len(door.calls) >= calls + 2)
    assert len(door.attempts) == attempts == 1
    door.certificate = secured.own
    more_values(secured.setting)
    wait("a good STATUS", lambda: "certificate" not in notify.status)
    assert len(daemon.logged("shows a certificate other than")) == 1
    assert len(door.attempts) == 2


def test_a_profile_that_closes_the_port_is_reported(secured: Secured) -> None:
    """From Unsecured to Secured: the log has advice; after that and a reload values come."""
    door = secured.door(Profile.UNSECURED)
    notify = secured.setting.notify_socket()
    secured.write()
    daemon = secured.setting.daemon(notify=notify, Battery=QUICK)
    more_values(secured.setting)
    door.set_profile(Profile.SECURED)
    why = f"connection refused by {secured.host} port 1883, and port 8883 is open"
    daemon.wait_for_log(f"{why}.*'bat2influx pin {secured.host}'")
    wait("the same in STATUS", lambda: why in notify.status)
    assert not any(attempt.tls for attempt in door.attempts)
    secured.write(*secured.by_tls, LOGIN)
    os.kill(daemon.pid, signal.SIGHUP)
    more_values(secured.setting)
    assert door.attempts[-1].tls


def test_a_profile_that_keeps_the_port_open_causes_a_reconnect(secured: Secured) -> None:
    """From Weak to Secured and to Unsecured: TLS with a password is accepted by all three."""
    door = secured.door(Profile.WEAK)
    secured.write(*secured.by_tls, LOGIN)
    secured.setting.daemon(Battery=QUICK)
    for profile in (Profile.SECURED, Profile.UNSECURED):
        more_values(secured.setting)
        door.set_profile(profile)
    more_values(secured.setting)
    assert {attempt.outcome for attempt in door.attempts} == {Outcome.ACCEPTED}


def hold(door: Door) -> None:
    """Never answer a handshake."""
    door.hold_handshake = True


def drip(door: Door) -> None:
    """Answer it byte by byte, for minutes."""
    door.drip = 0.1


@pytest.mark.parametrize("slow", [hold, drip])
def test_a_slow_handshake_delays_nothing(secured: Secured, slow: Callable[[Door], None]) -> None:
    """STATUS, the watchdog's interval, a reload and the exit come while it still lasts."""
    door = secured.door()
    slow(door)
    notify = secured.setting.notify_socket()
    secured.write(*secured.by_tls, LOGIN)
    daemon = secured.setting.daemon(notify=notify, watchdog=6)
    wait("a handshake", lambda: door.calls)
    wait("its STATUS", lambda: f"connecting {secured.host}" in notify.status)
    wait("the longer interval", lambda: "45000000" in notify.values("WATCHDOG_USEC"))
    ready = len(notify.times("READY"))
    os.kill(daemon.pid, signal.SIGHUP)
    wait("the end of the reload", lambda: len(notify.times("READY")) > ready)
    assert not daemon.logged("WARNING"), "it was over too soon for a result"
    assert daemon.stop(END) == 0


def test_a_hanging_handshake_ends_at_a_deadline(secured: Secured) -> None:
    """The fault is logged, and when the device answers again, values come."""
    door = secured.door()
    door.hold_handshake = True
    secured.write(*secured.by_tls, LOGIN)
    daemon = secured.setting.daemon(Battery=QUICK)
    daemon.wait_for_log(f"{secured.host} port 8883 accepts connections and does not answer in TLS")
    door.hold_handshake = False
    more_values(secured.setting)


# The stored ids


def state(setting: Setting) -> Path:
    """Return the file with the discovered ids."""
    return setting.directory / "state" / "devices.json"


def start(setting: Setting, notify: NotifySocket | None = None) -> Daemon:
    """Start the daemon with a separate state directory."""
    environment = {"STATE_DIRECTORY": str(state(setting).parent)}
    return setting.daemon(notify=notify, watchdog=W, environment=environment, Battery=QUICK)


def learn(setting: Setting) -> None:
    """Run the daemon until it has discovered the ids, and stop it."""
    daemon = start(setting)
    more_values(setting)
    assert daemon.stop() == 0


def test_a_second_start_requests_no_republish(setting: Setting) -> None:
    """It uses the ids of the first start at once, and only reads values."""
    device = Device(A)
    setting.venus(device)
    learn(setting)
    first = device.log.counters
    assert (first.keepalives, first.republishes) == (1, 1)
    daemon = start(setting)
    wait("a read", lambda: device.log.counters.reads > first.reads)  # changes may come before it
    more_values(setting)
    assert daemon.stop() == 0
    second = device.log.counters
    assert (second.keepalives, second.republishes, second.errors) == (1, 1, 0)
    assert second.reads > first.reads


@pytest.mark.parametrize(
    ("portal", "instance"),
    [(B, 275), (A, 288), (B, 276)],
    ids=["another portal id", "another instance", "both"],
)
def test_an_exchanged_device_is_detected(setting: Setting, portal: str, instance: int) -> None:
    """Values of the new one are stored within W, and the next start uses its ids."""
    with VenusRunner("127.0.0.1", setting.mosquitto.port, Device(A)):
        learn(setting)
    setting.mosquitto.restart()  # it is a part of the device, and loses the old one's Serial
    device = Device(portal, (f"vebus/{instance}", "system"))
    setting.venus(device)
    before = len(setting.stored())
    daemon = start(setting)
    wait("values", lambda: len(setting.stored()) > before, W)
    assert daemon.stop() == 0
    (found,) = json.loads(state(setting).read_text())["devices"].values()
    assert found == {"portal": portal, "instances": {"vebus": instance}}
    republishes = device.log.counters.republishes
    learn(setting)
    counters = device.log.counters
    assert (counters.republishes, counters.writes, counters.wildcards) == (republishes, 0, 0)


def test_another_instance_is_logged(setting: Setting) -> None:
    """The log has the new instance after it has turned out to differ from the stored one."""
    with VenusRunner("127.0.0.1", setting.mosquitto.port, Device(A)):
        learn(setting)
    setting.mosquitto.restart()
    setting.venus(Device(A, ("vebus/288", "system")))
    daemon = start(setting)
    more_values(setting)
    daemon.wait_for_log(f"portal id {A}, vebus 288", W / 2)


def damage(path: Path) -> None:
    """Cut the file."""
    path.write_bytes(path.read_bytes()[:-20])


def renew(path: Path) -> None:
    """Set the format of a later version."""
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))


def hide(path: Path) -> None:
    """Make it unreadable, for root too."""
    path.unlink()
    path.symlink_to(path.name)


def protect(path: Path) -> None:
    """Make it unwritable, for root too."""
    path.unlink()
    path.with_suffix(".new").mkdir()


@pytest.mark.parametrize("harm", [damage, renew, hide, protect])
def test_a_bad_file_of_ids_causes_one_warning(
    setting: Setting, harm: Callable[[Path], None]
) -> None:
    """Any fault of the file is logged once, and values come as at a first start."""
    device = Device(A)
    setting.venus(device)
    learn(setting)
    harm(state(setting))
    daemon = start(setting)
    more_values(setting)
    assert daemon.stop() == 0
    (warning,) = daemon.logged("WARNING|ERROR")
    assert str(state(setting)) in warning
    assert device.log.counters.republishes == 2
    assert state(setting).exists() == (harm is not protect)
    learn(setting)
    assert device.log.counters.republishes == (3 if harm is protect else 2)

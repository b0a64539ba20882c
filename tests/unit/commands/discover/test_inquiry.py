"""The connections of `discover`, where the password is sent, and the resulting lines."""

from __future__ import annotations

import itertools

import pytest

from bat2influx.commands import bridge_check
from bat2influx.commands.discover import inquiry
from bat2influx.commands.discover.inquiry import Inquiry, InquiryResult, Target
from bat2influx.commands.discover.ssdp import Description
from bat2influx.config.settings import Battery
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connector import Endpoint
from bat2influx.net.tls import Tls, fingerprint_of
from tests.unit.commands.session_by_hand import (
    CERTIFICATE,
    CONFIG,
    HandBroker,
    HandDevice,
    HandLink,
    P,
    battery,
)

HOST = "venus.local"
SECRET = "s3cret"
ANY = Tls(trust_any=True)
PIN = Tls(fingerprint="AB:" * 31 + "AB")
HEADING = f"# a Venus device at {HOST}"

REFUSED = mqtt_errors.refused(HOST, 1883)
UNREACHABLE = mqtt_errors.unreachable(HOST, 1883, "no answer")
ONLY_TLS = mqtt_errors.only_tls_port(HOST, CONFIG)
TLS_WANTED = mqtt_errors.tls_required(HOST, 1883, CONFIG)
LOGIN = mqtt_errors.login_refused(HOST, "bat2influx", False, CONFIG)
VRM_LOGIN = mqtt_errors.vrm_login_refused(HOST, "me@example.com", CONFIG)
NAME = mqtt_errors.name_unknown(HOST, CONFIG)
NOT_MQTT = mqtt_errors.no_answer(HOST, 1883)
LOST = mqtt_errors.closed(HOST, "reset by peer")


class Asked:
    """One inquiry at a broker made by hand: what came of it, and what was said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *devices: HandDevice) -> None:
        self.broker = HandBroker(*devices)
        self.said: list[str] = []
        monkeypatch.setattr(inquiry, "Session", self.broker.session)
        monkeypatch.setattr(bridge_check, "Session", self.broker.session)
        monkeypatch.setattr(inquiry, "time", self.broker.time)
        self.broker.connect = lambda endpoint: HandLink("TLSv1.3" if endpoint.tls else "")

    def meet(self, *outcomes: Trouble | None) -> None:
        """Let the attempts have these outcomes, one after the other."""
        left = itertools.chain(outcomes, itertools.repeat(REFUSED))
        self.broker.log_in = lambda _: next(left)

    def make(
        self, target: Target, own: Battery | None = None, *, everything: bool = False
    ) -> InquiryResult:
        """Ask."""
        made = Inquiry(target, own, config=CONFIG, everything=everything, say=self.said.append)
        return made.make()

    @property
    def endpoints(self) -> list[Endpoint]:
        """Who was asked, in order."""
        return [session.endpoint for session in self.broker.sessions]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """One device behind a broker."""
    return Asked(monkeypatch, HandDevice())


# Whom to ask, and how


@pytest.mark.parametrize(
    ("port", "own", "expected"),
    [
        (None, None, [(1883, "", None), (8883, "", ANY)]),
        (1884, None, [(1884, "", None), (1884, "", ANY)]),
        (None, battery(), [(1883, "", None), (8883, "", ANY)]),
        (None, battery(password=SECRET), [(1883, SECRET, None), (8883, "", ANY)]),
        (
            None,
            battery(password=SECRET, port=1884),
            [(1884, SECRET, None), (1884, "", ANY)],
        ),
        (
            1884,
            battery(password=SECRET, port=1884),
            [(1884, SECRET, None), (1884, "", ANY)],
        ),
        (None, battery(password=SECRET, port=8883, tls=PIN), [(8883, SECRET, PIN)]),
        (None, battery(port=8884, tls=Tls(ca_file="/ca")), [(8884, "", Tls(ca_file="/ca"))]),
    ],
)
def test_a_host_is_queried_unencrypted_first_and_then_with_tls(
    asked: Asked, port: int | None, own: Battery | None, expected: list[tuple[int, str, Tls | None]]
) -> None:
    """The password is sent only in the file's own way, and never with an unchecked certificate."""
    asked.meet(REFUSED, REFUSED)
    asked.make(Target(HOST, port), own)
    assert [(each.port, each.password, each.tls) for each in asked.endpoints] == expected
    assert all(each.host == HOST and each.config == CONFIG for each in asked.endpoints)
    assert not any(each.password and each.tls == ANY for each in asked.endpoints)
    assert all(session.closed for session in asked.broker.sessions)


def test_the_file_says_how_its_own_host_is_queried(asked: Asked) -> None:
    """With its user and its prefix; an attempt without a password has the default user."""
    asked.meet(REFUSED, REFUSED)
    asked.make(Target("Venus.Local"), battery(user="me", password=SECRET, topic_prefix="boat/"))
    first, second = asked.endpoints
    assert (first.host, first.user, first.prefix) == (HOST, "me", "boat/")
    assert (second.host, second.user, second.prefix) == ("Venus.Local", "bat2influx", "")


@pytest.mark.parametrize(
    ("why", "again"),
    [
        (REFUSED, True),
        (UNREACHABLE, True),
        (ONLY_TLS, True),
        (TLS_WANTED, True),
        (LOGIN, True),
        (NAME, False),
        (NOT_MQTT, False),
        (VRM_LOGIN, False),
        (LOST, False),
        (mqtt_errors.connack_refused(HOST, "banned"), False),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_tls_is_tried_if_the_host_may_require_it(asked: Asked, why: Trouble, again: bool) -> None:
    """A closed port, or a rejected login, may be due to the security profile; a name is not."""
    asked.meet(why, None)
    asked.make(Target(HOST))
    assert [each.tls for each in asked.endpoints] == ([None, ANY] if again else [None])


def test_a_host_that_accepts_the_login_is_queried_once(asked: Asked) -> None:
    """There is one unencrypted attempt."""
    assert asked.make(Target(HOST)).reached
    assert [each.tls for each in asked.endpoints] == [None]


def test_each_failed_attempt_is_reported(asked: Asked) -> None:
    """In one line of limited length, whatever the peer has sent."""
    asked.meet(REFUSED, mqtt_errors.tls_failed(HOST, 8883, "x\n" * 500))
    result = asked.make(Target(HOST))
    assert (result.blocks, result.reached) == ((), False)
    first, second = asked.said
    assert first == REFUSED.text
    assert second.isprintable()
    assert len(second) == 400


# A login that is wanted


@pytest.mark.parametrize(
    ("outcomes", "lines"),
    [
        ((LOGIN, REFUSED), ["address = venus.local"]),
        (
            (REFUSED, LOGIN),
            ["address = venus.local", "tls = yes", f"fingerprint = {fingerprint_of(CERTIFICATE)}"],
        ),
        (
            (LOGIN, LOGIN),
            ["address = venus.local", "tls = yes", f"fingerprint = {fingerprint_of(CERTIFICATE)}"],
        ),
    ],
)
def test_if_a_login_is_required_the_lines_have_room_for_it(
    asked: Asked, outcomes: tuple[Trouble, ...], lines: list[str]
) -> None:
    """They have the connection whose login was rejected last."""
    asked.meet(*outcomes)
    (block,) = asked.make(Target(HOST)).blocks
    assert block == [
        f"{HEADING}: it requires a password",
        "# (on it: Settings, General, Access & Security). Write it below, put these lines into",
        f"# {CONFIG}, and run: bat2influx discover venus.local",
        '# Under its security profile "Paired devices only" a token replaces the password:',
        "# bat2influx pair venus.local --write",
        "[Battery]",
        *lines,
        "password =",
    ]
    assert asked.said[-1] == "venus.local requires a login"


def test_after_a_rejected_login_no_other_trouble_is_reported(asked: Asked) -> None:
    """That the port of TLS is closed does not matter then."""
    asked.meet(LOGIN, REFUSED)
    result = asked.make(Target(HOST))
    assert result.reached
    assert asked.said == ["venus.local requires a login"]


@pytest.mark.parametrize(
    ("own", "why", "what", "said"),
    [
        (
            battery(password=SECRET),
            LOGIN,
            "it rejects the password in the ini file",
            f"venus.local rejects the login in {CONFIG}",
        ),
        (battery(), LOGIN, "it requires a password", "venus.local requires a login"),
        (
            battery(password=SECRET, tls=PIN, port=8883),
            LOGIN,
            "it rejects the password in the ini file",
            f"venus.local rejects the login in {CONFIG}",
        ),
        (
            battery(password=SECRET, vrm=True, tls=Tls(), port=443),
            VRM_LOGIN,
            "it rejects the password in the ini file",
            f"venus.local rejects the login in {CONFIG}",
        ),
    ],
)
def test_a_rejected_password_of_the_file_is_reported(
    asked: Asked, own: Battery, why: Trouble, what: str, said: str
) -> None:
    """No line has the password."""
    asked.meet(why, REFUSED)
    result = asked.make(Target(HOST), own)
    (block,) = result.blocks
    assert result.reached
    assert block[0] == f"{HEADING}: {what}"
    assert said in asked.said
    assert SECRET not in "\n".join([*block, *asked.said])


# A device that cannot be asked


@pytest.mark.parametrize(
    ("description", "blocks"),
    [
        (Description(), ()),
        (
            Description("Boat", "Cerbo GX", P, mqtt=False),
            (
                [
                    f'# Cerbo GX "Boat" at venus.local, portal id {P}: MQTT is switched off on it:'
                    " Settings, Services or Integrations"
                ],
            ),
        ),
        (
            Description(model="Venus GX", mqtt=True),
            (["# Venus GX at venus.local: MQTT is unreachable"],),
        ),
        (Description(portal=P), ([f"{HEADING}, portal id {P}: MQTT is unreachable"],)),
    ],
)
def test_of_an_unreachable_device_its_description_is_printed(
    asked: Asked, description: Description, blocks: tuple[list[str], ...]
) -> None:
    """As a comment; the host counts as not reached."""
    asked.meet(REFUSED, REFUSED)
    result = asked.make(Target(HOST, description=description))
    assert (result.blocks, result.reached) == (blocks, False)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target(HOST), "venus.local"),
        (Target(HOST, 1884), "venus.local:1884"),
        (Target("fe80::1"), "fe80::1"),
        (Target("fe80::1", 1884), "[fe80::1]:1884"),
    ],
)
def test_a_target_is_written_as_on_the_command_line(target: Target, text: str) -> None:
    """An IPv6 address has brackets where there is a port."""
    assert str(target) == text

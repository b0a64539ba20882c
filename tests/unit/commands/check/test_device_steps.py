"""What `check` says of each step from a device's name to its fields' values."""

from __future__ import annotations

import pytest

from bat2influx.commands import bridge_look
from bat2influx.commands.bridge_look import PREFIXES_WITHIN
from bat2influx.commands.check import device_steps as steps_of
from bat2influx.commands.check.device_steps import (
    PORTAL_WITHIN,
    device_steps,
)
from bat2influx.commands.steps import OK, WRONG, Step
from bat2influx.config.settings import Battery
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import UndecidedError
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.net.tls import Tls
from tests.unit.commands.session_by_hand import (
    CONFIG,
    OTHER,
    START,
    TICK,
    HandBroker,
    HandDevice,
    HandLink,
    P,
    battery,
)

HOST = "venus.local"
PORT_OPEN = Step(OK, "port", "1883 is open")
LOGGED_IN = Step(OK, "login", "as 'bat2influx', without a password")
PORTAL = Step(OK, "portal id", P)
INSTANCE = Step(OK, "instance", "vebus 275")
VALUES = [
    Step(OK, "Voltage", "52.6 V (vebus/275/Dc/0/Voltage)"),
    Step(OK, "Soc", "88.5 % (vebus/275/Soc)"),
]
LOST = mqtt_errors.closed(HOST, "reset by peer")


def taken(monkeypatch: pytest.MonkeyPatch, broker: HandBroker, own: Battery) -> list[Step]:
    """Return the steps that are taken with this section of the file."""
    monkeypatch.setattr(steps_of, "Session", broker.session)
    monkeypatch.setattr(bridge_look, "Session", broker.session)
    monkeypatch.setattr(steps_of, "time", broker.time)
    return [*device_steps(own, CONFIG)]


def after_portal(monkeypatch: pytest.MonkeyPatch, broker: HandBroker, own: Battery) -> list[Step]:
    """Return the steps behind the portal id, which has to be in order."""
    found = taken(monkeypatch, broker, own)
    assert found[:3] == [PORT_OPEN, LOGGED_IN, PORTAL]
    return found[3:]


def waited(broker: HandBroker, seconds: float) -> bool:
    """Return whether so much time has passed, but for a few looks."""
    return seconds <= broker.now - START <= seconds + 4 * TICK


def wrong(label: str, why: Trouble) -> Step:
    """Return the step at which a trouble is met."""
    return Step(WRONG, label, why.what)


def test_each_step_of_a_good_way_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the port to each value with its unit, nothing asked twice, and the broker left."""
    broker = HandBroker(HandDevice())
    found = taken(monkeypatch, broker, battery())
    assert found == [PORT_OPEN, LOGGED_IN, PORTAL, INSTANCE, *VALUES]
    assert [topic for topic, _ in broker.published] == [
        f"R/{P}/keepalive",
        f"R/{P}/vebus/275/Dc/0/Voltage",
        f"R/{P}/vebus/275/Soc",
    ]
    assert [session.closed for session in broker.sessions] == [True]


# The way: name, port, TLS, login

AT = (HOST, 1883)
SHOWN, PINNED = "AB:" * 31 + "AB", "CD:" * 31 + "CD"


@pytest.mark.parametrize(
    ("why", "label", "port_open"),
    [
        (mqtt_errors.name_unknown(HOST, CONFIG), "name", False),
        (mqtt_errors.refused(*AT), "port", False),
        (mqtt_errors.unreachable(*AT, "no answer"), "port", False),
        (mqtt_errors.only_tls(HOST, CONFIG), "port", False),
        (mqtt_errors.no_tls_port(HOST, CONFIG), "port", False),
        (mqtt_errors.not_mqtt(*AT, "sends what is no MQTT"), "MQTT", True),
        (mqtt_errors.says_nothing(*AT), "MQTT", True),
        (mqtt_errors.closed(HOST, "reset"), "MQTT", True),
        (mqtt_errors.tls_wanted(*AT, CONFIG), "TLS", True),
        (mqtt_errors.no_tls(*AT, CONFIG), "TLS", True),
        (mqtt_errors.tls_too_old(*AT), "TLS", True),
        (mqtt_errors.tls_failed(*AT, "odd"), "TLS", True),
        (mqtt_errors.ca_unreadable("/ca.pem", "no such file", CONFIG), "TLS", True),
        (mqtt_errors.certificate_changed(*AT, SHOWN, PINNED, CONFIG), "TLS", True),
        (mqtt_errors.certificate_untrusted(*AT, "self-signed", "", CONFIG), "TLS", True),
        (mqtt_errors.certificate_of_another(*AT, CONFIG), "TLS", True),
        (mqtt_errors.certificate_out_of_date(*AT, "has expired", CONFIG), "TLS", True),
        (mqtt_errors.vrm_certificate(HOST, "certificate date", "", CONFIG), "TLS", True),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_a_trouble_on_the_way_is_told_at_its_step(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str, port_open: bool
) -> None:
    """The port is told as open where TLS or MQTT is what fails behind it; nothing follows."""
    broker = HandBroker(HandDevice())
    broker.connect = lambda _: why
    before = [PORT_OPEN] if port_open else []
    assert taken(monkeypatch, broker, battery()) == [*before, wrong(label, why)]


@pytest.mark.parametrize(
    ("why", "label"),
    [
        (mqtt_errors.login_refused(HOST, "bat2influx", False, CONFIG), "login"),
        (mqtt_errors.vrm_login_refused(HOST, "me@example.com", CONFIG), "login"),
        (mqtt_errors.connack_refused(HOST, "banned"), "login"),
        (mqtt_errors.says_nothing(*AT), "MQTT"),
        (mqtt_errors.tls_wanted(*AT, CONFIG), "TLS"),
        (LOST, "MQTT"),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_a_login_that_fails_ends_the_steps(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str
) -> None:
    """The port before it is in order, and told once."""
    broker = HandBroker(HandDevice())
    broker.log_in = lambda _: why
    assert taken(monkeypatch, broker, battery()) == [PORT_OPEN, wrong(label, why)]
    assert broker.sessions[0].closed


@pytest.mark.parametrize(
    ("why", "label"),
    [
        (mqtt_errors.subscription_refused(HOST, "u", "N/x/#", "not authorised", CONFIG), "right"),
        (mqtt_errors.share_refused(HOST, "u", "N/x/#", "not supported", CONFIG), "right"),
        (mqtt_errors.publish_refused(HOST, "u", "R/x", "not authorised", CONFIG), "right"),
        (mqtt_errors.vrm_refused(HOST, "u", "N/x/#", "not authorised", CONFIG), "right"),
        (LOST, "MQTT"),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_a_conversation_that_is_ended_is_told_at_its_step(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str
) -> None:
    """A right that is missing is told as one, whatever was being looked for."""
    broker = HandBroker()
    broker.lose(1.0, why)
    assert taken(monkeypatch, broker, battery()) == [PORT_OPEN, LOGGED_IN, wrong(label, why)]


def test_what_a_name_stands_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of its addresses, whatever becomes of them; an address stands for itself."""
    broker = HandBroker()
    broker.addresses = ["192.0.2.20", "fe80::1"]
    broker.connect = lambda _: mqtt_errors.refused(*AT)
    first, second = taken(monkeypatch, broker, battery())
    assert first == Step(OK, "name", "venus.local is 192.0.2.20, fe80::1")
    assert second.state == WRONG
    (alone,) = taken(monkeypatch, broker, battery(address="192.0.2.20"))
    assert alone.label == "port"


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        (Tls(fingerprint=PINNED), "TLSv1.3, the certificate is the pinned one"),
        (Tls(ca_file="/ca.pem"), "TLSv1.3, the certificate is good by /ca.pem"),
        (Tls(), "TLSv1.3, the certificate is good by the system"),
        (
            Tls(verify_host=False),
            "TLSv1.3, the certificate is good by the system, whatever its name",
        ),
    ],
)
def test_why_a_certificate_is_trusted_is_told(
    monkeypatch: pytest.MonkeyPatch, tls: Tls, text: str
) -> None:
    """By its fingerprint, by a file, or by the authorities of the system."""
    broker = HandBroker(HandDevice())
    broker.connect = lambda _: HandLink("TLSv1.3")
    found = taken(monkeypatch, broker, battery(tls=tls, port=8883))
    assert found[:2] == [Step(OK, "port", "8883 is open"), Step(OK, "TLS", text)]


def test_a_login_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that there is one."""
    found = taken(monkeypatch, HandBroker(HandDevice()), battery(user="me", password="s3cret"))
    assert found[1] == Step(OK, "login", "as 'me', with a password")
    assert not any("s3cret" in step.text for step in found)


# The portal id

NO_PORTAL = device_errors.no_portal(HOST, CONFIG)


def test_a_broker_without_a_device_has_no_portal_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, and then nothing is asked."""
    broker = HandBroker()
    found = taken(monkeypatch, broker, battery())
    assert found == [PORT_OPEN, LOGGED_IN, wrong("portal id", NO_PORTAL)]
    assert waited(broker, PORTAL_WITHIN + PREFIXES_WITHIN)
    assert not broker.published


def test_another_device_than_the_given_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the portal id that is there instead; that one is not asked."""
    broker = HandBroker(HandDevice(OTHER))
    found = taken(monkeypatch, broker, battery(serial=P))
    why = device_errors.wrong_portal(HOST, P, (OTHER,), CONFIG)
    assert found[2:] == [wrong("portal id", why)]
    assert not broker.published


@pytest.mark.parametrize("vrm", [False, True])
def test_a_given_portal_id_need_not_be_listed(monkeypatch: pytest.MonkeyPatch, vrm: bool) -> None:
    """A bridge may not carry its Serial over, and the VRM cloud does not let one see it."""
    broker = HandBroker(HandDevice(listed=False))
    assert after_portal(monkeypatch, broker, battery(serial=P, vrm=vrm)) == [INSTANCE, *VALUES]
    assert ("N/+/system/0/Serial" in broker.subscribed) is not vrm


def test_several_devices_are_for_a_person_to_choose_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines before are told all the same, and the broker is left."""
    broker = HandBroker(HandDevice(), HandDevice(OTHER))
    monkeypatch.setattr(steps_of, "Session", broker.session)
    monkeypatch.setattr(steps_of, "time", broker.time)
    under_way = device_steps(battery(), CONFIG)
    assert [next(under_way), next(under_way)] == [PORT_OPEN, LOGGED_IN]
    with pytest.raises(UndecidedError, match=f"serial = {OTHER}\nserial = {P}"):
        next(under_way)
    assert broker.sessions[0].closed


def test_a_broker_that_confirms_nothing_leaves_the_portal_id_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not told as being there, and the device as silent."""
    broker = HandBroker(HandDevice())
    broker.acknowledges = False
    found = taken(monkeypatch, broker, battery(serial=P))
    why = device_errors.device_silent(HOST, P, given=False)
    assert found == [PORT_OPEN, LOGGED_IN, wrong("device", why)]
    assert not broker.published


# What a bridge has in front of the topics


def portal_trouble(
    monkeypatch: pytest.MonkeyPatch, broker: HandBroker, own: Battery
) -> tuple[str, str]:
    """Return label and text of the one step behind the login."""
    (step,) = (each for each in taken(monkeypatch, broker, own)[2:] if each.state == WRONG)
    assert all(session.closed for session in broker.sessions)
    return step.label, step.text


@pytest.mark.parametrize(
    ("there", "own", "text"),
    [
        ("boat/", "", "set topic_prefix = boat in"),
        ("home/cellar/", "", "set topic_prefix = home/cellar in"),
        ("home/cellar/", "home/", "set topic_prefix = home/cellar in"),
        ("", "boat/", "take topic_prefix out of"),
    ],
)
@pytest.mark.parametrize("serial", ["", P, "*"])
def test_a_prefix_that_is_forgotten_or_wrong_is_guessed(
    monkeypatch: pytest.MonkeyPatch, there: str, own: str, text: str, serial: str
) -> None:
    """Whether the portal id is given or not, and of a fleet too; the guess is not asked."""
    broker = HandBroker(HandDevice(prefix=there))
    found = portal_trouble(monkeypatch, broker, battery(topic_prefix=own, serial=serial))
    assert found[0] == "portal id"
    assert text in found[1]
    assert not any(topic.startswith(f"{there}R/") for topic, _ in broker.published) or not there


def test_a_device_that_is_where_it_should_be_is_looked_for_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However silent it is, its serial number says that the prefix is right."""
    broker = HandBroker(HandDevice(silent=True), HandDevice(OTHER, prefix="boat/"))
    taken(monkeypatch, broker, battery())
    assert len(broker.sessions) == 1
    assert not any(topic.startswith("+/") for topic in broker.subscribed)


def test_over_vrm_no_prefix_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """That cloud refuses to list devices."""
    broker = HandBroker(HandDevice(silent=True, listed=False))
    taken(monkeypatch, broker, battery(serial=P, vrm=True))
    assert len(broker.sessions) == 1

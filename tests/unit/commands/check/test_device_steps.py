"""What `check` reports about a device from its name to the login; and about a fleet."""

from __future__ import annotations

import pytest

from bat2influx.commands.check import fleet_check
from bat2influx.commands.steps import OK, WRONG, Step
from bat2influx.failure import Trouble
from bat2influx.fleet import diagnosis
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.net.tls import Tls
from tests.unit.commands.check.steps_by_hand import (
    HOST,
    INSTANCE,
    LOGGED_IN,
    LOST,
    PORT_OPEN,
    PORTAL,
    VALUES,
    taken,
    wrong,
)
from tests.unit.commands.session_by_hand import (
    CONFIG,
    OTHER,
    HandBroker,
    HandDevice,
    HandLink,
    P,
    battery,
)


def test_each_successful_step_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the port to each value with its unit, nothing read twice, and the connection closed."""
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
        (mqtt_errors.only_tls_port(HOST, CONFIG), "port", False),
        (mqtt_errors.no_tls_port(HOST, CONFIG), "port", False),
        (mqtt_errors.not_mqtt(*AT, "sends what is no MQTT"), "MQTT", True),
        (mqtt_errors.no_answer(*AT), "MQTT", True),
        (mqtt_errors.closed(HOST, "reset"), "MQTT", True),
        (mqtt_errors.tls_required(*AT, CONFIG), "TLS", True),
        (mqtt_errors.no_tls(*AT, CONFIG), "TLS", True),
        (mqtt_errors.tls_too_old(*AT), "TLS", True),
        (mqtt_errors.tls_failed(*AT, "odd"), "TLS", True),
        (mqtt_errors.ca_unreadable("/ca.pem", "no such file", CONFIG), "TLS", True),
        (mqtt_errors.certificate_changed(*AT, SHOWN, PINNED, CONFIG), "TLS", True),
        (mqtt_errors.certificate_untrusted(*AT, "self-signed", "", CONFIG), "TLS", True),
        (mqtt_errors.certificate_name_mismatch(*AT, CONFIG), "TLS", True),
        (mqtt_errors.certificate_out_of_date(*AT, "has expired", CONFIG), "TLS", True),
        (mqtt_errors.vrm_certificate(HOST, "certificate date", "", CONFIG), "TLS", True),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_a_trouble_of_the_connection_is_reported_at_its_step(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str, port_open: bool
) -> None:
    """The port is reported as open if TLS or MQTT fails after it; nothing follows."""
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
        (mqtt_errors.no_answer(*AT), "MQTT"),
        (mqtt_errors.tls_required(*AT, CONFIG), "TLS"),
        (LOST, "MQTT"),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_a_login_that_fails_ends_the_steps(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str
) -> None:
    """The successful port before it is reported once."""
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
def test_the_end_of_a_conversation_is_reported_at_its_step(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str
) -> None:
    """A missing right is reported as such, whatever was searched for."""
    broker = HandBroker()
    broker.lose(1.0, why)
    assert taken(monkeypatch, broker, battery()) == [PORT_OPEN, LOGGED_IN, wrong(label, why)]


def test_the_addresses_of_a_name_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, whatever their state; an IP address has no such line."""
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
        (Tls(ca_file="/ca.pem"), "TLSv1.3, the certificate is trusted by /ca.pem"),
        (Tls(), "TLSv1.3, the certificate is trusted by the system"),
        (
            Tls(verify_host=False),
            "TLSv1.3, the certificate is trusted by the system, and its name is not checked",
        ),
    ],
)
def test_why_a_certificate_is_trusted_is_reported(
    monkeypatch: pytest.MonkeyPatch, tls: Tls, text: str
) -> None:
    """By its fingerprint, by a file, or by the authorities of the system."""
    broker = HandBroker(HandDevice())
    broker.connect = lambda _: HandLink("TLSv1.3")
    found = taken(monkeypatch, broker, battery(tls=tls, port=8883))
    assert found[:2] == [Step(OK, "port", "8883 is open"), Step(OK, "TLS", text)]


def test_a_login_is_printed_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that there is one."""
    found = taken(monkeypatch, HandBroker(HandDevice()), battery(user="me", password="s3cret"))
    assert found[1] == Step(OK, "login", "as 'me', with a password")
    assert not any("s3cret" in step.text for step in found)


# Fleets


def a_look(monkeypatch: pytest.MonkeyPatch, *portals: str) -> None:
    """Let these devices be found behind the broker."""
    monkeypatch.setattr(fleet_check, "fleet_portals", lambda _: [*portals])


def test_one_device_of_a_fleet_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of those that are found, and the number of all."""
    a_look(monkeypatch, P, OTHER)
    broker = HandBroker(HandDevice(), HandDevice(OTHER))
    found = taken(monkeypatch, broker, battery(serial="*"))
    assert found[2:] == [
        Step(OK, "devices", f"2 devices; checking {P}"),
        *(PORTAL, INSTANCE, *VALUES),
    ]


def test_a_fleet_without_devices_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the topic that a bridge has to forward; or with the trouble of the search."""
    a_look(monkeypatch)
    own = battery(serial="*", topic_prefix="boat/")
    why = diagnosis.no_devices(HOST, "boat/", CONFIG)
    assert taken(monkeypatch, HandBroker(), own)[2:] == [wrong("portal id", why)]

    def lost(session: object) -> list[str]:
        session.trouble = LOST  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr(fleet_check, "fleet_portals", lost)
    assert taken(monkeypatch, HandBroker(), own)[2:] == [wrong("MQTT", LOST)]

"""The messages about a broker: cause, delay, and the advice that fits the case."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.mqtt import errors

HOST, INI = "venus.local", "/etc/x.ini"


def untrusted(ca_file: str = "", port: int = 8883, host: str = HOST) -> Trouble:
    """Return the trouble of a certificate that no authority has signed."""
    return errors.certificate_untrusted(host, port, "self-signed", ca_file, INI)


@pytest.mark.parametrize(
    ("trouble", "cause", "backoff"),
    [
        (errors.closed(HOST, "x"), "closed", Backoff.BROKER),
        (errors.name_unknown(HOST, INI), "name", Backoff.BROKER),
        (errors.refused(HOST, 1), "refused", Backoff.BROKER),
        (errors.only_tls_port(HOST, INI), "only tls", Backoff.BROKER),
        (errors.no_tls_port(HOST, INI), "no tls port", Backoff.BROKER),
        (errors.no_tls_port(HOST, INI, trusted=True), "no tls port", Backoff.BROKER),
        (errors.unreachable(HOST, 1, "x"), "unreachable", Backoff.BROKER),
        (errors.not_mqtt(HOST, 1, "x"), "protocol", Backoff.BROKER),
        (errors.no_answer(HOST, 1), "protocol", Backoff.BROKER),
        (errors.too_large(HOST, "2", 1), "packet: too large", Backoff.PROTOCOL_ERROR),
        (errors.unexpected(HOST, "x"), "packet: unexpected", Backoff.PROTOCOL_ERROR),
        (errors.not_processing(HOST, "x"), "not taking", Backoff.PROTOCOL_ERROR),
        (errors.tls_required(HOST, 1, INI), "tls wanted", Backoff.BROKER),
        (errors.no_tls(HOST, 1, INI), "no tls", Backoff.BROKER),
        (errors.login_refused(HOST, "u", True, INI), "login", Backoff.LOGIN),
        (errors.vrm_login_refused(HOST, "u", INI), "vrm login", Backoff.LOGIN),
        (errors.connack_refused(HOST, "x"), "connack", Backoff.LOGIN),
        (errors.subscription_refused(HOST, "u", "t", "x", INI), "subscription", Backoff.LOGIN),
        (errors.share_refused(HOST, "u", "t", "x", INI), "subscription", Backoff.LOGIN),
        (errors.publish_refused(HOST, "u", "t", "x", INI), "publish refused", Backoff.LOGIN),
        (errors.vrm_refused(HOST, "u", "t", "x", INI), "vrm refused", Backoff.LOGIN),
        (errors.tls_too_old(HOST, 1), "tls version", Backoff.CERTIFICATE),
        (errors.tls_failed(HOST, 1, "x"), "tls", Backoff.CERTIFICATE),
        (errors.certificate_changed(HOST, 1, "a", "b", INI), "changed", Backoff.CERTIFICATE),
        (untrusted(), "certificate untrusted", Backoff.CERTIFICATE),
        (errors.certificate_name_mismatch(HOST, 1, INI), "certificate name", Backoff.CERTIFICATE),
        (errors.certificate_out_of_date(HOST, 1, "x", INI), "date", Backoff.CERTIFICATE),
        (errors.ca_unreadable("f", "x", INI), "ca file", Backoff.CERTIFICATE),
        (errors.vrm_certificate(HOST, "", "", INI), "vrm certificate", Backoff.CERTIFICATE),
    ],
    ids=lambda value: value.cause if isinstance(value, Trouble) else "",
)
def test_each_failure_has_its_cause_and_its_delay(
    trouble: Trouble, cause: str, backoff: Backoff
) -> None:
    """The delay is long if people must act, and short if the network may recover."""
    assert cause in trouble.cause
    assert trouble.backoff is backoff
    assert trouble.effect == ""
    assert trouble.text.isprintable()


@pytest.mark.parametrize(
    ("user", "has_password", "said", "words"),
    [
        ("bat2influx", True, "", "'bat2influx': the password is wrong; set password in"),
        ("bat2influx", False, "", "'bat2influx': it requires a password; set password in"),
        (
            "token/x",
            True,
            "",
            "the token or its password is wrong, or the token was removed at the device; pair",
        ),
        ("token/x", False, "", f"pair again: 'bat2influx --config {INI} pair {HOST}'"),
        ("u", True, "", f"that password: run 'bat2influx --config {INI} pair {HOST}' for a token"),
        ("u", True, "not today", "rejected the login of 'u' (not today): the password"),
    ],
)
def test_a_refused_login_has_advice_for_what_was_tried(
    user: str, has_password: bool, said: str, words: str
) -> None:
    """A token is paired again, a password is set; the broker's own reason is quoted."""
    text = errors.login_refused(HOST, user, has_password, INI, said).text
    assert words in text
    assert text.endswith("; then reload bat2influx")


@pytest.mark.parametrize(
    ("user", "token"), [("token/a/b", True), ("token", False), ("bat2influx", False), ("", False)]
)
def test_a_token_is_detected_by_its_name(user: str, token: bool) -> None:
    """The device begins each with token/."""
    assert errors.is_token(user) is token


@pytest.mark.parametrize(("said", "aside"), [("", "'u': that"), ("no", "'u' (no): that")])
def test_a_refused_login_of_the_vrm_cloud_names_the_portal(said: str, aside: str) -> None:
    """An access token is made there, and not on the device."""
    text = errors.vrm_login_refused(HOST, "u", INI, said).text
    assert aside in text
    assert "VRM Portal: Preferences, Integrations, Access tokens" in text


@pytest.mark.parametrize(
    ("cause", "ca_file", "words"),
    [
        ("certificate changed", "", "is not the one that fingerprint names"),
        ("certificate name", "/ca.pem", "is for another name"),
        (
            "certificate date",
            "/ca.pem",
            "has expired or is not valid yet, or the clock of this computer is wrong",
        ),
        (
            "certificate untrusted",
            "",
            "is not signed by a certificate authority that this computer trusts",
        ),
        ("certificate untrusted", "/ca.pem", "is not signed by a certificate authority in /ca.pem"),
    ],
)
def test_a_certificate_of_the_vrm_cloud_has_its_fault_and_where_the_right_one_is(
    cause: str, ca_file: str, words: str
) -> None:
    """Victron signs it with its own authority, whose certificate has to be copied."""
    text = errors.vrm_certificate(HOST, cause, ca_file, INI).text
    assert f"the certificate of venus.local {words}; Victron signs it" in text
    assert "write its path as ca_file in /etc/x.ini" in text


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            errors.subscription_refused,
            "rejected the subscription of 'u' to N/# (banned); give this",
        ),
        (errors.share_refused, "rejected the shared subscription of 'u' to N/# (banned); check"),
        (errors.publish_refused, "rejected the publish of 'u' to N/# (banned); give this user"),
        (errors.vrm_refused, "denied 'u' access to N/# (banned): check that this VRM account"),
    ],
)
def test_a_rejected_topic_is_named_with_the_missing_right(
    made: Callable[..., Trouble], words: str
) -> None:
    """User, topic and the broker's reason are in the message."""
    text = made(HOST, "u", "N/#", "banned", INI).text
    assert text.startswith(f"venus.local {words}")
    assert INI in text


@pytest.mark.parametrize(
    ("host", "mdns"), [(HOST, True), ("venus.local.", True), ("venus.example", False)]
)
def test_a_name_of_mdns_has_its_own_remedy(host: str, mdns: bool) -> None:
    """Only names that end with .local need libnss-mdns."""
    text = errors.name_unknown(host, INI).text
    assert ("install libnss-mdns, or" in text) is mdns
    assert "set address in /etc/x.ini to the device's IP address" in text


@pytest.mark.parametrize(
    ("port", "advice"),
    [(1883, "write port = 8883 in"), (1884, "that does use TLS, or tls = no, in")],
)
def test_a_port_without_tls_has_the_usual_one_as_advice(port: int, advice: str) -> None:
    """A non-standard port may be meant for use without TLS."""
    assert f"{advice} /etc/x.ini" in errors.no_tls(HOST, port, INI).text


@pytest.mark.parametrize(
    "text",
    [
        errors.no_tls(HOST, 8884, INI, trusted=True).text,
        errors.no_tls_port(HOST, INI, trusted=True).text,
        errors.certificate_changed(HOST, 8883, "a", "b", INI).text,
        errors.certificate_untrusted(HOST, 8883, "x", "/ca.pem", INI).text,
        errors.certificate_name_mismatch(HOST, 8883, INI).text,
    ],
)
def test_no_advice_weakens_the_configured_trust(text: str) -> None:
    """A different certificate, or none, may be another device; TLS stays."""
    assert "this may not be your device" in text
    assert "tls = no" not in text


@pytest.mark.parametrize(
    ("host", "port", "command"),
    [
        (HOST, 8883, "venus.local"),
        (HOST, 8884, "venus.local:8884"),
        ("fe80::1", 8883, "fe80::1"),
        ("fe80::1", 8884, "[fe80::1]:8884"),
    ],
)
def test_the_command_for_a_pin_can_be_entered_unchanged(host: str, port: int, command: str) -> None:
    """The usual port is left out, and an IPv6 address is in brackets before a port."""
    for trouble in (
        errors.tls_required(host, port, INI),
        errors.certificate_changed(host, port, "a", "b", INI),
        errors.certificate_name_mismatch(host, port, INI),
        errors.certificate_out_of_date(host, port, "has expired", INI),
        untrusted(port=port, host=host),
        untrusted("/ca.pem", port, host),
    ):
        assert f"'bat2influx pin {command}' prints" in trouble.text


def test_a_configured_authority_is_named_if_it_has_not_signed() -> None:
    """Otherwise it is the system's authorities, which sign no device's certificate."""
    assert (
        "the certificate of venus.local is not signed by a certificate authority in /ca.pem (self"
        in untrusted("/ca.pem").text
    )
    assert "is not signed by a trusted certificate authority" in untrusted().text
    assert "as is usual for a device; write tls = yes and the line that" in untrusted().text


def test_a_packet_that_is_too_large_is_reported_with_its_size() -> None:
    """Its topic is unknown before it is read; the message says what it may be."""
    text = errors.too_large(HOST, "150,000,060", 1_048_576).text
    assert text == (
        "venus.local started to send a packet of 150,000,060 bytes (the limit is 1,048,576); no"
        " value of a device is that large: find the retained message of that size on the broker,"
        " and remove it"
    )


def test_violations_of_the_protocol_name_the_host() -> None:
    """And what happened."""
    assert errors.unexpected(HOST, "PINGREQ").text.startswith(
        "venus.local violated the MQTT protocol (unexpected packet PINGREQ); "
    )
    assert errors.not_processing(HOST, "101 subscriptions are not acknowledged").text.startswith(
        "venus.local does not process what is sent to it (101 subscriptions are not acknowledged); "
    )

"""What people read of a pairing: every refusal says what to do."""

from __future__ import annotations

import pytest

from bat2influx.commands.pair import texts
from bat2influx.venus.pairing import Refusal, Refused

HOST, INI = "venus.local", "/etc/x.ini"
A, B = "AA:01", "BB:02"


@pytest.mark.parametrize(
    ("why", "password", "words"),
    [
        (Refusal.CLOSED, True, "rejects the password"),
        (Refusal.UNKNOWN, False, "update it to Venus OS 3.80 or later"),
        (Refusal.UNKNOWN, True, "has no pairing (status 418"),
        (Refusal.TOO_OFTEN, True, "wait for some minutes"),
        (Refusal.STARTING, True, "try again in two minutes"),
        (Refusal.ODD, False, "check that the address is the device's"),
        (Refusal.CLOSED, False, "check that the address is the device's"),
    ],
)
def test_a_refusal_says_what_to_do(why: Refusal, password: bool, words: str) -> None:
    """With the device's own reason, where it gives one."""
    for said in ("", "no way"):
        text = texts.refused(HOST, Refused(why, 418, said), with_password=password)
        assert text.startswith(HOST)
        assert words in text
        assert ('"no way"' in text) is bool(said)
        assert text.isprintable()


def test_a_certificate_is_shown_for_a_person_to_judge() -> None:
    """One that is pinned needs no look."""
    assert A in texts.certificate(HOST, A, pinned=False)
    assert "only you can check" in texts.certificate(HOST, A, pinned=False)
    assert A not in texts.certificate(HOST, A, pinned=True)


@pytest.mark.parametrize("pinned", [True, False])
def test_another_certificate_ends_it(pinned: bool) -> None:
    """Both are named where they are known."""
    text = texts.other_certificate(HOST, B, A, INI, pinned=pinned)
    assert f"{B} instead of {A}" in text
    assert ("empty fingerprint in /etc/x.ini" in text) is pinned
    assert f"certificate{' during the pairing' if not pinned else ''}" in text
    assert f"than {A}" in texts.other_certificate(HOST, "", A, INI, pinned=pinned)


def test_two_minutes_without_a_token_say_why() -> None:
    """What the device has said last, or that it has not answered."""
    assert 'in 2 min ("off"); run' in texts.time_up(HOST, 120.0, "off", "")
    assert "switch on pairing mode" in texts.time_up(HOST, 120.0, "", "")
    assert "at last did not answer (no way)" in texts.time_up(HOST, 120.0, "", "no way")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (texts.pairing_instructions(HOST), "Switch on the pairing mode of venus.local now"),
        (texts.no_http(HOST, 443), "port 443 does not use HTTPS"),
        (
            texts.closed(HOST, 443),
            "connection refused by venus.local port 443, which pairing needs",
        ),
        (texts.unanswered(HOST, "why"), "did not answer (why); try again"),
        (texts.no_login(HOST, texts.login_refused()), "rejects the token. Nothing was written"),
        (texts.no_password(), "the credential device-password"),
    ],
)
def test_each_text_has_its_words(text: str, words: str) -> None:
    """And nothing that moves a cursor."""
    assert words in text
    assert text.replace("\n", "").isprintable()

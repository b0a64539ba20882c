"""The request for a token, and the meaning of a device's answers."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest

from bat2influx.venus.pairing import (
    LONGEST_REASON,
    MAX_SECRET,
    Refusal,
    Refused,
    Token,
    answer,
    form,
    name_of_client,
)

MACHINE = b"0123456789abcdef0123456789abcdef"
USER, PASSWORD = "token/bat2influx/boat1a2b3c4d", "s3cret/+=.-_~"


def given(user: object = USER, password: object = PASSWORD) -> bytes:
    """Return the body of an answer with a token."""
    return json.dumps({"token_name": user, "password": password}).encode()


def test_a_token_is_read() -> None:
    """Its password is not shown by accident; other members of the object are ignored."""
    token = answer(200, given())
    assert token == Token(USER, PASSWORD)
    assert PASSWORD not in repr(token)
    assert answer(200, b'{"x": [], ' + given()[1:]) == token


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("bat2influx", PASSWORD),
        ("token/bat2influx", PASSWORD),
        ("token/a/+", PASSWORD),
        ("token/#/b", PASSWORD),
        ("token/a/b\nc", PASSWORD),
        ("token/a/b c", PASSWORD),
        ("token/a/é", PASSWORD),
        ("token/a/" + "b" * MAX_SECRET, PASSWORD),
        (None, PASSWORD),
        (["token/a/b"], PASSWORD),
        (USER, ""),
        (USER, None),
        (USER, 12),
        (USER, "a b"),
        (USER, "a\x1b[2J"),
        (USER, "x" * (MAX_SECRET + 1)),
    ],
)
def test_what_is_no_token_is_none(user: object, password: object) -> None:
    """A token that does not fit into a CONNECT, the file or a credential is refused."""
    assert answer(200, given(user, password)) == Refused(Refusal.ODD, 200)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b"\xff", b"[" * 50_000])
def test_an_answer_that_is_no_json_is_no_pairing(body: bytes) -> None:
    """Another server listens there."""
    assert answer(200, body) == Refused(Refusal.ODD, 200)


def test_the_longest_token_is_accepted() -> None:
    """The limit is inclusive."""
    assert answer(200, given(password="x" * MAX_SECRET)) == Token(USER, "x" * MAX_SECRET)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (400, Refusal.CLOSED),
        (401, Refusal.CLOSED),
        (403, Refusal.CLOSED),
        (422, Refusal.CLOSED),
        (404, Refusal.UNKNOWN),
        (405, Refusal.UNKNOWN),
        (410, Refusal.UNKNOWN),
        (501, Refusal.UNKNOWN),
        (429, Refusal.TOO_OFTEN),
        (500, Refusal.STARTING),
        (502, Refusal.STARTING),
        (503, Refusal.STARTING),
        (204, Refusal.ODD),
        (301, Refusal.ODD),
        (302, Refusal.ODD),
        (101, Refusal.ODD),
    ],
)
def test_a_status_has_a_meaning(status: int, why: Refusal) -> None:
    """A redirect is not followed: the password would be sent elsewhere."""
    assert answer(status, b"") == Refused(why, status)


@pytest.mark.parametrize(
    ("body", "refusal_text"),
    [
        (b"Pairing mode is off\n", "Pairing mode is off"),
        (b'{"error": "Not now"}', "Not now"),
        (b'{"code": 1, "message": "Not now"}', "Not now"),
        (b'{"code": 1}', ""),
        (b"<html><style>b {}</style><body><h1>403</h1>Forbidden</body></html>", "403 Forbidden"),
        (b"a\x1b[31m\xe2\x80\xaeb", "a [31m b"),
        (b"", ""),
    ],
)
def test_the_devices_own_reason_is_kept_in_plain_text(body: bytes, refusal_text: str) -> None:
    """In one line without markup and control characters."""
    assert answer(403, body) == Refused(Refusal.CLOSED, 403, refusal_text)


def test_a_reason_is_bounded_and_shows_no_secret() -> None:
    """A device may repeat the form that it was sent."""
    found = answer(403, b"x" * 100_000)
    assert isinstance(found, Refused)
    assert len(found.refusal_text) == LONGEST_REASON
    assert answer(403, b"no: password=sesame", "sesame") == Refused(Refusal.CLOSED, 403)


def test_the_form_has_the_password_only_where_there_is_one() -> None:
    """Whatever its characters."""
    assert parse_qs(form("boat1").decode()) == {"role": ["bat2influx"], "device_id": ["boat1"]}
    assert parse_qs(form("b", "a&b=ü #").decode())["password"] == ["a&b=ü #"]


def test_the_name_is_readable_and_of_letters_and_digits() -> None:
    """VENUS: other characters are refused; of a long computer name the beginning is used."""
    name = name_of_client("Boat-Pi.lan", MACHINE, "bat2influx")
    assert name.startswith("boatpi")
    assert name.isascii()
    assert name.isalnum()
    assert len(name_of_client("x" * 200, MACHINE, "u")) == 28
    assert name_of_client("電池", MACHINE, "u").isalnum()


def test_the_name_is_the_same_again_and_another_elsewhere() -> None:
    """So a token is replaced, and no other client's; the name does not reveal the machine's id."""
    names = [
        name_of_client("pi", MACHINE, "bat2influx"),
        name_of_client("pi", MACHINE[::-1], "bat2influx"),
        name_of_client("pi", MACHINE, "bat2influx@boat"),
    ]
    assert len({*names}) == 3
    assert names[0] == name_of_client("pi", MACHINE, "bat2influx")
    assert MACHINE[:8].decode() not in names[0]

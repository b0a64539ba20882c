"""The stand-in's page for pairing: its tokens, its refusals, and the removal of a token."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.standins.network.certificates import device_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.login import Outcome, Profile
from tests.standins.venus.pairing import PAIRING_MODE, PATH, PairingPage
from tests.standins.venus.visitor import (
    PASSWORD,
    REFUSED,
    WELCOME,
    Opener,
    answer,
    doors,
    hello,
    is_open,
    said,
    visit,
)

NAME = "token/bat2influx/pi1"


@pytest.fixture
def opened(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Opener]:
    """Open a door before the broker; it is closed when the test ends."""
    with doors(tmp_path, mosquitto.port) as opener:
        yield opener


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(page: PairingPage, path: str = PATH, **form: str) -> tuple[int, dict[str, str]]:
    """Send a form as a client does; return status and the object in the answer."""
    fields = {"role": "bat2influx", "device_id": "pi1", **form}
    connection = http.client.HTTPSConnection(
        "127.0.0.1", page.port, context=ssl._create_unverified_context()
    )
    connection.request(
        "POST", path, urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body) if body[:1] == b"{" else {}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PairingPage]:
    """A page alone, with a separate clock."""
    own = device_certificate(tmp_path)
    with PairingPage({}, own, password=PASSWORD, clock=Clock()) as made:
        yield made


def test_pairing_mode_lasts_two_minutes(page: PairingPage) -> None:
    """Before and after pairing mode a request is rejected, with a text."""
    assert ask(page) == (403, {"error": "Pairing mode is off"})
    page.press()
    status, token = ask(page)
    assert (status, token["token_name"]) == (200, NAME)
    page._clock.now += PAIRING_MODE  # type: ignore[attr-defined]
    assert ask(page)[0] == 403
    assert [(each.name, each.right, each.status) for each in page.asked] == [
        ("pi1", None, 403),
        ("pi1", None, 200),
        ("pi1", None, 403),
    ]


def test_the_password_needs_no_pairing_mode(page: PairingPage) -> None:
    """A wrong password is rejected in pairing mode too."""
    assert ask(page, password=PASSWORD)[0] == 200
    page.press()
    assert ask(page, password="wrong") == (401, {"error": "Wrong password"})
    assert [each.right for each in page.asked] == [True, False]


def test_a_name_has_letters_and_digits(page: PairingPage) -> None:
    """So does a role; and there is no other page."""
    page.press()
    assert ask(page, device_id="a-b")[0] == 400
    assert ask(page, role="")[0] == 400
    assert ask(page, "/auth/other/")[0] == 404


def test_a_token_is_valid_until_it_is_removed(opened: Opener, tmp_path: Path) -> None:
    """If MQTT was off, the profile of paired devices applies from then on."""
    own, tokens = device_certificate(tmp_path), dict[str, str]()
    door = opened(Profile.OFF, tokens=tokens)
    with PairingPage(tokens, own, door=door) as page:
        page.press()
        _, first = ask(page)
        _, token = ask(page)
        assert first["password"] != token["password"]
        assert is_open(door.tls_port)
        assert not is_open(door.plain_port)
        user, password = token["token_name"], token["password"]
        assert said(door, hello(user, password)) == WELCOME
        with visit(door, hello(user, password, client_id="mine")) as connection:
            assert answer(connection, 4) == WELCOME
            page.remove(user)
            with suppress(OSError):
                assert connection.recv(1) == b""
        assert said(door, hello(user, password)) == REFUSED
        assert [each.outcome for each in door.attempts][-1] is Outcome.WRONG


def test_its_answers_can_be_set(page: PairingPage) -> None:
    """Any status and text, once each."""
    page.press()
    page.answers.extend([(500, b'{"message": "x"}'), b"HTTP/1.0 204 No\r\n\r\n"])
    assert ask(page) == (500, {"message": "x"})
    assert ask(page) == (204, {})
    assert ask(page)[0] == 200

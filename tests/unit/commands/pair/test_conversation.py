"""A pairing is carried out: the requests, the waits, and the messages."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest

from bat2influx.commands.pair import conversation as conversation_of
from bat2influx.commands.pair import https
from bat2influx.commands.pair.conversation import (
    ASK_EACH,
    LOG_IN_EACH,
    LOGIN_WITHIN,
    Conversation,
    Target,
)
from bat2influx.commands.pair.countdown import Countdown
from bat2influx.failure import Trouble
from bat2influx.influx.exchange import Answer
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connector import Endpoint
from bat2influx.net.tls import Tls, fingerprint_of
from bat2influx.venus.pairing import PAIRING_MODE, Token
from tests.unit.commands.session_by_hand import CERTIFICATE, CONFIG, HandBroker, HandLink

HOST, SECRET = "venus.local", "sesame"
PIN, OTHER = fingerprint_of(CERTIFICATE), fingerprint_of(b"another")
TOKEN = Token("token/bat2influx/pi1", "s3cret")
GIVEN = 200, json.dumps({"token_name": TOKEN.user, "password": TOKEN.password}).encode()
CLOSED = 403, b'{"error": "Pairing mode is off"}'
Outcome = tuple[int, bytes] | Exception


class House:
    """The device and a person in front of a terminal; time moves while somebody sleeps.

    `outcomes` are those of the requests, the last of them for all that follow; `login` is what is
    in the way of a login, by the time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.outcomes: list[Outcome] = [GIVEN]
        self.forms: list[dict[str, list[str]]] = []
        self.logins: list[Endpoint] = []
        self.in_the_way: Trouble | None = None  # of the certificate
        self.login: Callable[[float], Trouble | None] = lambda now: None
        self.said: list[str] = []
        self.stderr = io.StringIO()
        self._broker = HandBroker()
        self._broker.connect = self._connect
        monkeypatch.setattr(conversation_of, "Session", self._session)
        monkeypatch.setattr(https, "post", self._post)

    def pair(
        self, password: Callable[[], str | None] | None = None, pinned: str = ""
    ) -> Conversation:
        """Return a pairing that has come to its end."""
        target = Target(HOST, "pi1", CONFIG, mqtt_port=8884, pinned=pinned)
        made = Conversation(
            target,
            password,
            say=self.said.append,
            countdown=Countdown(self.stderr),
            clock=lambda: self.now,
            sleep=self._sleep,
        )
        self.let_in = made.run()
        return made

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _session(self, endpoint: Endpoint) -> object:
        session = self._broker.session(endpoint)
        if endpoint.password:
            self.logins.append(endpoint)
            session.open = lambda: self.login(self.now)
        return session

    def _connect(self, endpoint: Endpoint) -> HandLink | Trouble:
        assert endpoint.tls == Tls(trust_any=True)
        assert (endpoint.port, endpoint.password) == (443, "")
        return self.in_the_way or HandLink("TLSv1.3", {})

    def _post(self, host: str, port: int, path: str, form: bytes, fingerprint: str) -> Answer:
        assert (host, port, path, fingerprint) == (HOST, 443, "/auth/generate-token/", PIN)
        self.forms.append(parse_qs(form.decode()))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return Answer(outcome[0], "", {}, outcome[1], whole=True, kept=False)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """A device that gives out a token at once, and lets it in."""
    return House(monkeypatch)


def test_pairing_mode_gives_a_token(house: House) -> None:
    """The fingerprint and the advice come first; the login requires that certificate."""
    house.outcomes = [CLOSED, CLOSED, GIVEN]
    made = house.pair()
    assert house.let_in
    assert (made.token, made.fingerprint) == (TOKEN, PIN)
    assert PIN in house.said[0]
    assert "Switch on the pairing mode" in house.said[1]
    assert house.said[2] == f'{HOST} answers: "Pairing mode is off"'
    assert "issued the token token/bat2influx/pi1" in house.said[3]
    assert [*house.forms[0]] == ["role", "device_id"]
    assert house.now == 1000.0 + 2 * ASK_EACH
    (login,) = house.logins
    assert (login.port, login.user, login.tls) == (8884, TOKEN.user, Tls(fingerprint=PIN))
    assert TOKEN.password not in "\n".join(house.said) + house.stderr.getvalue()


def test_the_password_gives_a_token(house: House) -> None:
    """It is asked for after the certificate was shown, sent once, and never printed."""
    seen: list[int] = []

    def password() -> str:
        seen.append(len(house.said))
        return SECRET

    assert house.pair(password).token == TOKEN
    assert seen == [1]
    assert [form["password"] for form in house.forms] == [[SECRET]]
    assert SECRET not in "\n".join(house.said)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ((401, b"no: sesame"), "venus.local rejects the password; use that of its"),
        ((404, b""), "venus.local has no pairing (status 404)"),
        ((429, b""), "received too many requests"),
        ((503, b""), "it may be starting: try again"),
        ((302, b""), "check that the address is the device's"),
        ((200, b"<html>"), "check that the address is the device's"),
        (https.UnansweredError("no way"), "did not answer (no way); try again"),
        (https.NoHttpError(), "does not use HTTPS"),
        (https.OtherCertificateError(OTHER), f"during the pairing: {OTHER} instead of {PIN}"),
    ],
)
def test_with_a_password_every_rejection_ends_the_pairing(
    house: House, outcome: Outcome, words: str
) -> None:
    """A wrong one is not sent again: a device counts failures."""
    house.outcomes = [outcome]
    made = house.pair(lambda: SECRET)
    assert not house.let_in
    assert (made.token, len(house.forms), house.logins) == (None, 1, [])
    assert words in house.said[-1]
    assert SECRET not in "\n".join(house.said)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ((404, b""), "update it to Venus OS 3.80 or later"),
        ((429, b""), "received too many requests"),
        ((302, b""), "check that the address is the device's"),
        (https.NoHttpError(), "does not use HTTPS"),
        (https.OtherCertificateError(OTHER), "nothing more was sent"),
    ],
)
def test_in_pairing_mode_some_rejections_end_the_pairing(
    house: House, outcome: Outcome, words: str
) -> None:
    """Those that pairing mode does not change."""
    house.outcomes = [CLOSED, outcome]
    house.pair()
    assert not house.let_in
    assert len(house.forms) == 2
    assert words in house.said[-1]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (CLOSED, 'no token in 2 min ("Pairing mode is off"); run the command again'),
        ((400, b""), "no token in 2 min; run the command again"),
        ((502, b""), "no token in 2 min; run the command again"),
        (https.UnansweredError("no way"), "in 2 min, and at last did not answer (no way)"),
    ],
)
def test_requests_are_sent_for_two_minutes(house: House, outcome: Outcome, words: str) -> None:
    """Then it ends, with the device's own reason; a countdown is shown until then."""
    house.outcomes = [outcome]
    house.pair()
    assert not house.let_in
    assert house.now == 1000.0 + PAIRING_MODE
    assert len(house.forms) == PAIRING_MODE / ASK_EACH
    assert words in house.said[-1]
    shown = house.stderr.getvalue().splitlines()
    assert shown[:2] == [f"waiting for the device, {left} left" for left in ("2:00", "1:30")]
    assert sum("answers:" in line for line in house.said) <= 1


def test_a_device_that_does_not_answer_for_a_while_is_waited_for(house: House) -> None:
    """Its web server may be restarting."""
    house.outcomes = [https.UnansweredError("no way"), (503, b""), GIVEN]
    house.pair()
    assert house.let_in


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (mqtt_errors.name_unknown(HOST, CONFIG), "cannot resolve venus.local"),
        (
            mqtt_errors.refused(HOST, 443),
            "connection refused by venus.local port 443, which pairing needs",
        ),
        (mqtt_errors.no_tls(HOST, 443, CONFIG), "port 443 does not use HTTPS"),
        (mqtt_errors.no_answer(HOST, 443), "port 443 does not use HTTPS"),
        (mqtt_errors.unreachable(HOST, 443, "no route"), "check that the device is on"),
    ],
)
def test_without_a_certificate_no_request_is_sent(
    house: House, trouble: Trouble, words: str
) -> None:
    """The message says what to do."""
    house.in_the_way = trouble
    house.pair(lambda: pytest.fail("nobody is to type it"))
    assert not house.let_in
    assert house.forms == []
    assert words in house.said[-1]


def test_the_pinned_certificate_is_the_only_one(house: House) -> None:
    """Another is rejected before a password is typed; the same one needs no confirmation."""
    house.pair(lambda: pytest.fail("nobody is to type it"), pinned=OTHER)
    assert not house.let_in
    assert house.forms == []
    assert f"{PIN} instead of {OTHER}; nothing was sent" in house.said[-1]
    house.pair(pinned=PIN)
    assert house.let_in


@pytest.mark.parametrize("given", [None, ""])
def test_without_a_password_nothing_is_sent(house: House, given: str | None) -> None:
    """After Ctrl-C at the prompt, or without a terminal."""
    house.pair(lambda: given)
    assert not house.let_in
    assert house.forms == []
    assert "no password was given" in house.said[-1]


def test_a_slow_broker_is_waited_for(house: House) -> None:
    """Its port opens with the first token, and the login is retried until then."""
    ready = 1000.0 + 3 * LOG_IN_EACH
    house.login = lambda now: None if now >= ready else mqtt_errors.refused(HOST, 8884)
    house.pair()
    assert house.let_in
    assert len(house.logins) == 4


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (mqtt_errors.login_refused(HOST, TOKEN.user, True, CONFIG), "fails: its broker rejects"),
        (
            mqtt_errors.refused(HOST, 8884),
            "fails: connection refused by venus.local port 8884; switch on MQTT",
        ),
    ],
)
def test_a_token_that_the_broker_rejects_is_reported(
    house: House, trouble: Trouble, words: str
) -> None:
    """After half a minute, with the information that nothing was written."""
    house.login = lambda now: trouble
    house.pair()
    assert not house.let_in
    assert house.now == 1000.0 + LOGIN_WITHIN
    assert words in house.said[-1]
    assert TOKEN.password not in "\n".join(house.said)


def test_the_token_is_not_sent_to_another_certificate(house: House) -> None:
    """A broker with another certificate than the page gets no login, and no second attempt."""
    changed = mqtt_errors.certificate_changed(HOST, 8884, OTHER, PIN, CONFIG)
    house.login = lambda now: changed
    house.pair()
    assert not house.let_in
    assert len(house.logins) == 1
    assert "changed its certificate during the pairing" in house.said[-1]

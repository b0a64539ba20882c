"""Carries out a pairing, stage by stage: certificate, token, login.

Rules: stages.py has the order; here is how each action is done. The token is sent only to the
device that issued it: the broker must show the same certificate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from bat2influx.commands.pair import https, texts
from bat2influx.commands.pair.countdown import Countdown
from bat2influx.commands.pair.stages import Action, Event, Stage, step
from bat2influx.failure import Trouble
from bat2influx.mqtt.connector import MQTT_TLS_PORT, Endpoint
from bat2influx.mqtt.session import Session
from bat2influx.net.tls import Tls
from bat2influx.printable import plain
from bat2influx.venus import pairing
from bat2influx.venus.pairing import HTTPS_PORT, PAIRING_MODE, Refusal, Token

ASK_EACH = 2.0  # s between two requests; short enough for a person at the device
LOG_IN_EACH = 2.0  # s between two logins
LOGIN_WITHIN = 30.0  # s; the port opens with the first token, and a rejection takes up to 6 s
LONGEST = 400  # characters of a problem
_SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """The device, and the client's name; `pinned` is the fingerprint in the file, '' for none."""

    host: str
    client: str
    config: str
    https_port: int = HTTPS_PORT
    mqtt_port: int = MQTT_TLS_PORT
    pinned: str = ""


class Conversation:
    """One pairing. `token` and `fingerprint` are its result.

    `password` is None for pairing mode; otherwise it is called once, after the certificate was
    shown, and returns the password of the device or None. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        target: Target,
        password: Callable[[], str | None] | None,
        *,
        say: Callable[[str], None],
        countdown: Countdown,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.token: Token | None = None
        self.fingerprint = ""
        self._target = target
        self._ask_password = password
        self._password = ""
        self._say = say
        self._countdown = countdown
        self._clock = clock
        self._sleep = sleep
        self._end = 0.0  # of the current wait
        self._refusal_text = ""  # by the device, in its latest refusal
        self._unanswered = ""  # why the latest request had no answer
        self._why = ""  # why it has failed, for people
        self._actions: dict[Action, Callable[[], Event | None]] = {
            Action.READ_CERTIFICATE: self._read_certificate,
            Action.SHOW_CERTIFICATE: self._show_certificate,
            Action.CHOOSE: self._choose,
            Action.SHOW_INSTRUCTIONS: self._show_instructions,
            Action.ASK: self._ask,
            Action.REST: self._rest,
            Action.LOG_IN: self._log_in,
            Action.REST_BEFORE_LOGIN: self._rest_before_login,
            Action.REPORT: self._report,
        }

    def run(self) -> bool:
        """Pair; return whether the device has accepted the login. A problem has been reported."""
        stage, event = Stage.START, Event.BEGIN
        while True:
            stage, actions = step(stage, event)
            happened = None
            for action in actions:
                happened = self._actions[action]()
            if happened is None:
                self._countdown.clear()
                return stage is Stage.PAIRED
            event = happened

    # The actions

    def _read_certificate(self) -> Event:
        target = self._target
        any_certificate = Tls(trust_any=True)
        session = Session(
            Endpoint(target.host, target.https_port, "", "", target.config, any_certificate)
        )
        link = session.connect()
        if isinstance(link, Trouble):
            self._why = link.text
            if link.cause in ("refused", "only tls", "no tls port"):
                self._why = texts.closed(target.host, target.https_port)
            elif link.cause in ("no tls", "protocol"):
                self._why = texts.no_http(target.host, target.https_port)
            return Event.NO_CERTIFICATE
        link.close()
        self.fingerprint = session.fingerprint or ""
        if target.pinned and self.fingerprint != target.pinned:
            self._other_certificate(self.fingerprint)
            return Event.OTHER_CERTIFICATE
        return Event.CERTIFICATE

    def _show_certificate(self) -> None:
        pinned = bool(self._target.pinned)
        self._say(texts.certificate(self._target.host, self.fingerprint, pinned=pinned))

    def _choose(self) -> Event:
        if self._ask_password is None:
            return Event.PAIRING_MODE
        self._password = self._ask_password() or ""
        if self._password:
            return Event.PASSWORD
        self._why = texts.no_password()
        return Event.NO_PASSWORD

    def _show_instructions(self) -> None:
        self._say(texts.pairing_instructions(self._target.host))
        self._end = self._clock() + PAIRING_MODE

    def _ask(self) -> Event:
        target, password = self._target, self._password
        form = pairing.form(target.client, password)
        self._unanswered = ""
        try:
            answer = https.post(
                target.host, target.https_port, pairing.PATH, form, self.fingerprint
            )
        except https.OtherCertificateError as error:
            self._other_certificate(error.shown)
            return Event.OTHER_CERTIFICATE
        except https.UnansweredError as error:
            self._unanswered = str(error)
            self._why = texts.unanswered(target.host, self._unanswered)
            return Event.NOT_READY
        except https.NoHttpError:
            self._why = texts.no_http(target.host, target.https_port)
            return Event.REFUSED
        found = pairing.answer(answer.status, answer.body, password)
        if isinstance(found, Token):
            self.token, self._password = found, ""
            self._end = self._clock() + LOGIN_WITHIN
            self._countdown.clear()
            self._say(f"{target.host} issued the token {found.user}; logging in with it")
            return Event.TOKEN
        self._why = texts.refused(target.host, found, with_password=bool(password))
        if found.why is Refusal.CLOSED:
            self._quote(found.refusal_text)
            return Event.CLOSED
        return Event.NOT_READY if found.why is Refusal.STARTING else Event.REFUSED

    def _rest(self) -> Event:
        event = self._rest_for(ASK_EACH, count_down=True)
        if event is Event.TIME_UP:
            refusal_text, host = self._refusal_text, self._target.host
            self._why = texts.time_up(host, PAIRING_MODE, refusal_text, self._unanswered)
        return event

    def _log_in(self) -> Event:
        target, token = self._target, self.token
        assert token
        tls = Tls(fingerprint=self.fingerprint)
        own = token.user, token.password, target.config, tls
        with closing(Session(Endpoint(target.host, target.mqtt_port, *own))) as session:
            trouble = session.open()
        if trouble is None:
            return Event.LOGIN
        if trouble.cause == "certificate changed":
            self._other_certificate(session.fingerprint or "")
            return Event.OTHER_CERTIFICATE
        why = texts.login_refused() if trouble.cause == "login" else trouble.text
        self._why = texts.no_login(target.host, why)
        return Event.NO_LOGIN

    def _rest_before_login(self) -> Event:
        return self._rest_for(LOG_IN_EACH, count_down=False)

    def _report(self) -> None:
        self._countdown.clear()
        self._say(plain(self._why, LONGEST * 2))

    # What they share

    def _rest_for(self, seconds: float, *, count_down: bool) -> Event:
        until = min(self._clock() + seconds, self._end)
        while (left := until - self._clock()) > 0:
            if count_down:
                self._countdown.show(self._end - self._clock())
            self._sleep(min(left, _SECOND))
        return Event.TIME_UP if self._clock() >= self._end else Event.REST_OVER

    def _quote(self, refusal_text: str) -> None:
        """Report the device's own reason, if it is new."""
        if refusal_text and refusal_text != self._refusal_text and not self._password:
            self._countdown.clear()
            self._say(f'{self._target.host} answers: "{refusal_text}"')
        self._refusal_text = refusal_text

    def _other_certificate(self, shown: str) -> None:
        target = self._target
        known, pinned = target.pinned or self.fingerprint, bool(target.pinned)
        self._why = texts.other_certificate(target.host, shown, known, target.config, pinned=pinned)

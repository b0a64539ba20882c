"""Queries one host by MQTT for its devices, and makes lines for the ini file.

Rules: a secret is sent only if the ini file has it for this host, and only in the way that the file
says. Otherwise a host is queried without a password, first unencrypted, and with TLS if that port
is closed. Each device gets one request for a full republish; one that does not respond gets a
second, in the way of firmware before Venus OS 3.20. Nothing is written to a device.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from bat2influx.commands import bridge_check
from bat2influx.commands.discover import device_lines, ini_lines
from bat2influx.commands.discover.device_lines import DeviceState, Way
from bat2influx.commands.discover.ini_lines import Reached
from bat2influx.commands.discover.ssdp import Description
from bat2influx.commands.discover.survey import Survey
from bat2influx.commands.json_lines import Record
from bat2influx.config.settings import Battery
from bat2influx.device import errors as device_errors
from bat2influx.device.source import endpoint_of
from bat2influx.mqtt.advice import pair_command
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.connector import MQTT_PORT, MQTT_TLS_PORT, Endpoint
from bat2influx.mqtt.session import Session
from bat2influx.net.tls import Tls
from bat2influx.printable import plain
from bat2influx.venus import protocol

USER = "bat2influx"  # where there is no password
PORTALS_WITHIN = 5.0  # s, for the first retained Serial
OTHERS_WITHIN = 1.0  # s, for those of other devices; a broker sends all retained messages at once
FIRST_WITHIN = 5.0  # s, for the first value of a republish, for each of the two kinds of keepalive
QUIET = 4.0  # s without a new path end it: firmware before 3.50 may not mark the end
REPUBLISH_WITHIN = 30.0  # s in all
MAX_PORTALS = 16  # behind one broker

# Troubles that TLS may solve.
_TRY_TLS = frozenset({"refused", "unreachable", "only tls", "tls wanted", "login"})


_UNKNOWN = Description()


@dataclass(frozen=True, slots=True)
class Target:
    """A host to query; `port` is None if both usual ones are tried.

    `description` is its description by SSDP.
    """

    host: str
    port: int | None = None
    description: Description = _UNKNOWN

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port else self.host
        return f"{host}:{self.port}" if self.port else host


@dataclass(frozen=True, slots=True)
class InquiryResult:
    """The result: a block of lines for each device, and whether a broker has answered.

    `records` has the same for `--json`, also a device that could not be queried.
    """

    blocks: tuple[list[str], ...] = ()
    reached: bool = False
    records: tuple[Record, ...] = ()


class Inquiry:
    """Queries one host.

    `own` is the section of the ini file for this host, or None; `config` is that file's name. `say`
    gets problems, in lines for people.
    """

    def __init__(
        self,
        target: Target,
        own: Battery | None,
        *,
        config: str,
        everything: bool,
        say: Callable[[str], None],
    ) -> None:
        self._target = target
        self._own = own
        self._config = config
        self._everything = everything
        self._say = say
        self._listed = False  # whether the broker retains the serial number of a device
        self._prefix_changed = False  # whether another prefix than the given one is asked

    def make(self) -> InquiryResult:
        """Query the host, and return the result."""
        refused: Session | None = None  # the latest whose login was rejected
        for endpoint in self._endpoints():
            with closing(Session(endpoint)) as session:
                trouble = session.open()
                if trouble is None:
                    return self._query_devices(session)
            if trouble.cause in ("login", "vrm login"):
                refused = session
            elif not refused:
                self._say(plain(trouble.text, 400))
            if trouble.cause not in _TRY_TLS:
                break
        return self._locked(refused) if refused else self._absent()

    def _endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints to try, one after the other until a login is accepted."""
        host, port, own = self._target.host, self._target.port, self._own
        if own:
            yield endpoint_of(own, self._config)
            if own.tls:
                return
        else:
            yield Endpoint(host, port or MQTT_PORT, USER, "", self._config)
        # Any certificate is accepted, because no password is sent.
        unusual = own.port if own and own.port != MQTT_PORT else None
        any_certificate = Tls(trust_any=True)
        yield Endpoint(
            host, port or unusual or MQTT_TLS_PORT, USER, "", self._config, any_certificate
        )

    def _query_devices(self, session: Session) -> InquiryResult:
        """Query the devices behind a broker that has accepted the login."""
        portals = self._portals(session)
        surveys = self._surveys(session, portals)
        if session.trouble:
            self._say(plain(session.trouble.text, 400))
        elif not self._listed and not any(survey.numbers for survey in surveys):
            if (other_result := self._query_other_prefix(session)) is not None:
                return other_result
            if not portals:
                what = f"no device has published its portal id at {self._target}"
                self._say(f"{what}; check that it is a Venus device")
        reached = self._reached(session)
        blocks: list[list[str]] = []
        way, known, records = self._way(session), self._target.description, list[Record]()
        for survey in sorted(surveys, key=lambda survey: not survey.numbers):
            block = ini_lines.block(
                survey, reached, alone=len(surveys) == 1, everything=self._everything
            )
            blocks.append([self._heading(survey), *self._note(), *block])
            records += device_lines.of_survey(survey, way, known, everything=self._everything)
        if not blocks:
            state = DeviceState.UNREACHABLE if session.trouble else DeviceState.NO_DEVICE
            records.append(device_lines.without_survey(state, way, known))
        return InquiryResult(tuple(blocks), bool(blocks), tuple(records))

    def _query_other_prefix(self, session: Session) -> InquiryResult | None:
        """Query below another prefix, if it has devices; else return None."""
        own, prefix = self._own, session.endpoint.prefix
        if own and own.vrm:
            return None
        serial = own.serial if own and not own.fleet else ""
        prefixes = bridge_check.prefixes_of(session, serial) if not self._prefix_changed else ()
        if not prefixes:
            return None
        host = str(self._target)
        self._say(device_errors.other_prefix(host, prefix, prefixes, self._config).text)
        self._prefix_changed = True  # one other prefix is queried, and no third
        with closing(Session(session.endpoint._replace(prefix=prefixes[0]))) as other:
            return None if other.open() else self._query_devices(other)

    def _portals(self, session: Session) -> Sequence[str]:
        """Return the portal ids behind a broker: those it lists, else one known from elsewhere."""
        found: set[str] = set()

        def handle(message: Message) -> bool:
            portal = protocol.portal_of(message.topic)
            room = len(found) < protocol.MAX_LISTED_PORTALS
            if portal and room and protocol.names_device(message.payload):
                found.add(portal)
            return bool(found)

        if not session.subscribe([protocol.PORTALS]) and session.until(handle, PORTALS_WITHIN):
            session.until(lambda message: handle(message) and False, OTHERS_WITHIN)
        if len(found) > MAX_PORTALS:
            what = f"{len(found)} devices are at {self._target}"
            self._say(f"{what}; only {MAX_PORTALS} of them are queried")
        self._listed = bool(found)
        given = self._own.serial if self._own and not self._own.fleet else ""
        known = given or self._target.description.portal
        return sorted(found)[:MAX_PORTALS] or [portal for portal in (known,) if portal]

    def _surveys(self, session: Session, portals: Sequence[str]) -> Sequence[Survey]:
        """Request a full republish of each device, and return the surveys."""
        surveys = {portal: Survey(portal, secrets.token_hex(4)) for portal in portals}
        if not surveys or session.trouble or session.subscribe(f"N/{each}/#" for each in surveys):
            return ()
        responding: set[str] = set()  # portal ids
        for portal, survey in surveys.items():
            session.publish(*protocol.keepalive(portal, echo=survey.echo))
        self._collect(session, surveys, responding)
        unanswered = [
            portal for portal, survey in surveys.items() if not survey.known and not survey.complete
        ]
        for portal in unanswered:  # firmware before 3.20 does not understand the other keepalive
            session.publish(*protocol.old_keepalive(portal))
        if unanswered:
            self._collect(session, surveys, responding)
        self._report_incomplete(session, surveys, responding)
        return tuple(surveys.values())

    def _collect(
        self, session: Session, surveys: Mapping[str, Survey], responding: set[str]
    ) -> None:
        """Take messages until every republish has ended, or nothing new arrives."""

        def known() -> int:
            return sum(survey.known for survey in surveys.values())

        def handle(message: Message) -> bool:
            portal = message.topic.removeprefix("N/").partition("/")[0]
            if survey := surveys.get(portal):
                survey.process(message.topic, message.payload)
                if not message.retain:
                    responding.add(portal)
            return all(survey.complete for survey in surveys.values())

        before = known()
        deadline = time.monotonic() + REPUBLISH_WITHIN
        session.until(lambda message: handle(message) or known() > before, FIRST_WITHIN)
        while known() > before and time.monotonic() < deadline and not session.trouble:
            before = known()
            if all(survey.complete for survey in surveys.values()) or session.until(handle, QUIET):
                break

    def _report_incomplete(
        self, session: Session, surveys: Mapping[str, Survey], responding: set[str]
    ) -> None:
        """Report which devices have not published everything, and why."""
        leaves = {
            portal: [f"{place}/ProductId" for place in survey.places()]
            for portal, survey in surveys.items()
            if not survey.complete
        }
        answering = set() if session.trouble else bridge_check.answering(session, leaves)
        host, prefix = str(self._target), session.endpoint.prefix
        for portal, survey in surveys.items():
            device = f"device {portal} at {host}"
            one_way = portal in responding - answering and not (survey.complete or session.trouble)
            if one_way or (prefix and self._listed and not survey.numbers):
                why = device_errors.questions_unanswered(host, portal, prefix, values=one_way)
                self._say(why.text)
            elif not survey.numbers:
                bridge = ". If a bridge forwards its topics, check that it also forwards R/#"
                what = f"{device} does not respond; check that it is on"
                self._say(f"{what}{bridge if self._listed else ''}")
            if survey.numbers and not survey.complete:
                self._say(
                    f"{device} did not confirm that the list is complete; values may be missing"
                )

    def _locked(self, session: Session) -> InquiryResult:
        """Return the lines for a login, if the host requires one."""
        if self._own and self._own.password:
            state = DeviceState.LOGIN_REJECTED
            self._say(f"{self._target} rejects the login in {self._config}")
            what = "it rejects the password in the ini file"
        else:
            state = DeviceState.LOGIN_REQUIRED
            self._say(f"{self._target} requires a login")
            what = "it requires a password"
        command = f"bat2influx discover {self._target}"
        pair = pair_command(self._target.host, self._config)[1:-1]
        token = [
            '# Under its security profile "Paired devices only" a token replaces the password:',
            f"# {plain(pair, 300)}",
        ]
        block = [
            f"{self._heading()}: {what}",
            "# (on it: Settings, General, Access & Security). Write it below, put these lines into",
            f"# {plain(self._config, 200)}, and run: {command}",
            *(() if self._own and self._own.vrm else token),
            *ini_lines.battery(self._reached(session)),
            "password =",
        ]
        way = replace(self._way(session), secured=True)
        record = device_lines.without_survey(state, way, self._target.description)
        return InquiryResult((block,), reached=True, records=(record,))

    def _absent(self) -> InquiryResult:
        """Return what is known of a device that could not be queried."""
        description, way = self._target.description, Way(self._target.host, self._target.port)
        state = DeviceState.UNREACHABLE if description.mqtt is not False else DeviceState.MQTT_OFF
        records = (device_lines.without_survey(state, way, description),)
        if description == _UNKNOWN:
            return InquiryResult(records=records)
        off = "switched off on it: Settings, Services or Integrations"
        what = off if description.mqtt is False else "unreachable"
        return InquiryResult(([f"{self._heading()}: MQTT is {what}"],), records=records)

    def _reached(self, session: Session) -> Reached:
        endpoint = session.endpoint
        usual = endpoint.port == (MQTT_TLS_PORT if endpoint.tls else MQTT_PORT)
        port = None if usual else endpoint.port
        fingerprint = session.fingerprint if endpoint.tls else None
        return Reached(endpoint.host, port, fingerprint, endpoint.prefix)

    def _way(self, session: Session) -> Way:
        """Return how a broker was asked; with a password nobody knows whether one is required."""
        endpoint = session.endpoint
        return Way(
            endpoint.host,
            endpoint.port,
            endpoint.tls is not None,
            session.fingerprint if endpoint.tls else None,
            None if endpoint.password else False,
            endpoint.prefix,
        )

    def _heading(self, survey: Survey | None = None) -> str:
        told = self._target.description
        if survey is None:
            return ini_lines.heading(self._target.host, told.model, told.name, told.portal)
        model, name = survey.model or told.model, survey.name or told.name
        return ini_lines.heading(self._target.host, model, name, survey.portal)

    def _note(self) -> list[str]:
        if self._own and self._own.password:
            return [f"# user and password: keep them as they are in {plain(self._config, 200)}"]
        return []

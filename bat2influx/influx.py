"""Writing to InfluxDB: the only module that knows the `influxdb` package.

One batch in, one outcome out. Lines leave their queue by the outcome alone: each is accepted,
refused (with a reason, proven by sending it alone), or undecided and to be sent again. Sending a
line again is harmless, because its stamp stays the same.

Kept and tried again: network errors, 401, 403, 404, 408, 429, 5xx and whatever is not an answer
of InfluxDB. Split: 413. Bisected: 400 and 422, since the answer does not say which lines are bad.
A request has a deadline in all: the timeout of `requests` begins anew with each byte.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import requests
from influxdb import InfluxDBClient

from bat2influx import database_trouble as trouble
from bat2influx.backoff import Kind
from bat2influx.config import Influx
from bat2influx.cutter import Adapter, Cutter
from bat2influx.journal import event
from bat2influx.memoryspool import Refused
from bat2influx.plain import plain
from bat2influx.refusals import Refusals, cause_of, lines_of
from bat2influx.trouble import Trouble

log = logging.getLogger(__name__)

LONGEST = 500  # characters of an answer
DEADLINE = 8.0  # s, for one request in all


@dataclass(slots=True)
class Outcome:
    """What the database has made of a batch.

    `undecided` has the lines to send again, after `retry_after` s if that is given; `trouble`
    says why. With `in_doubt` some of them may be stored already, for an answer was lost.
    """

    accepted: int = 0
    refused: list[Refused] = field(default_factory=list)
    undecided: list[bytes] = field(default_factory=list)
    trouble: Trouble | None = None
    retry_after: float | None = None
    in_doubt: bool = False


class Verdict(Enum):
    """What one request has come to."""

    ACCEPTED = "accepted"
    BAD_LINES = "bad lines"
    TOO_LARGE = "too large"
    NO_DATABASE = "no database"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request; `reason` in the server's words."""

    verdict: Verdict
    reason: str = ""
    trouble: Trouble | None = None
    retry_after: float | None = None


class Probe(NamedTuple):
    """What a database says to a write without a line.

    `missing` is whether the database is not there; without a `trouble` it will be created.
    """

    trouble: Trouble | None
    missing: bool
    version: str


class Writer:
    """Writes batches of line protocol into one database. Used by one thread."""

    def __init__(self, influx: Influx, config: str, deadline: float = DEADLINE) -> None:
        """`config` is the file to name in messages; `deadline` is in s."""
        self._influx = influx
        self._config = config
        self._deadline = deadline
        self._cutter = Cutter(influx.address, influx.port)
        self._progress: Callable[[], None] = lambda: None
        self._response: requests.Response | None = None
        self._session = requests.Session()
        self._session.trust_env = False  # neither ~/.netrc nor proxy variables
        self._session.max_redirects = 0
        self._session.hooks["response"].append(self._remember_response)
        self._client = InfluxDBClient(
            host=self._host,
            port=influx.port,
            username=influx.user.encode() or None,  # requests would make Latin-1 of a text
            password=influx.password.encode() if influx.user else None,
            database=influx.db,
            timeout=deadline,
            retries=1,
            session=self._session,
            headers={"Accept": "application/json"},
        )
        self._session.mount("http://", Adapter(self._cutter))
        self._params = {"db": influx.db}
        if influx.retention_policy:
            self._params["rp"] = influx.retention_policy
        self._known = Refusals()

    def write(self, lines: Sequence[bytes], progress: Callable[[], None]) -> Outcome:
        """Write `lines` and return what became of each. Raises nothing for a peer's failure.

        `progress` is called after each request, for one bad line takes many.
        """
        self._progress = progress
        outcome = Outcome()
        parts = self._known.sort(lines)
        while parts:
            part = parts.pop()
            answer = self._post(part)
            if answer.verdict is Verdict.NO_DATABASE:
                answer = self._create_database_and_post(part)
            if answer.verdict is Verdict.ACCEPTED:
                outcome.accepted += len(part)
                self._known.accepted(part)
            elif answer.verdict is Verdict.RETRY:
                outcome.undecided = lines_of(lines, [part, *parts])
                outcome.trouble, outcome.retry_after = answer.trouble, answer.retry_after
                outcome.in_doubt = self._is_in_doubt()
                break
            elif len(part) == 1 or self._known.explains(part, answer.reason):
                outcome.refused += [Refused(line, cause_of(answer.reason)) for line in part]
                if self._known.learn(part, answer.reason):
                    parts = self._known.sort(lines_of(lines, parts))
            else:
                middle = len(part) // 2
                parts += [part[:middle], part[middle:]]
        return outcome

    def probe(self) -> Probe:
        """Find out what would become of a write, without writing: by one that has no line.

        InfluxDB 1.6.7 looks at login, database, right and retention policy before it sees that.
        """
        answer = self._post([])
        missing = answer.verdict is Verdict.NO_DATABASE
        if missing:  # only an administrator may see the users, and create a database
            asked = self._ask(lambda: self._client.query("SHOW USERS"))
            answer = Answer(Verdict.ACCEPTED)
            if asked.verdict is not Verdict.ACCEPTED:
                problem = self._no_database(asked.reason)
                answer = Answer(Verdict.RETRY, asked.reason, problem)
        version = (
            self._response.headers.get("X-Influxdb-Version", "")
            if self._response is not None
            else ""
        )
        why = answer.trouble
        if why is None and answer.verdict is not Verdict.ACCEPTED:
            why = trouble.database_answer(self.where, 400, answer.reason, self._config, own=True)
        return Probe(why, missing, plain(version, LONGEST))

    def cut(self) -> None:
        """End the request under way, from another thread."""
        self._cutter.cut()

    def _post(self, lines: Sequence[bytes]) -> Answer:
        def request() -> None:
            self._client.request(
                "write",
                "POST",
                params=self._params,
                data=b"".join(b"%b\n" % line for line in lines),
                expected_response_code=204,
                headers={"Content-Type": "text/plain; charset=utf-8"},
            )

        return self._ask(request)

    def _create_database_and_post(self, lines: Sequence[bytes]) -> Answer:
        answer = self._ask(lambda: self._client.create_database(self._influx.db))
        if answer.verdict is Verdict.ACCEPTED:
            answer = self._post(lines)
            if answer.verdict is not Verdict.NO_DATABASE:
                text = "created the database %r at %s"
                log.info(text, self._influx.db, self.where, extra=event("database created"))
                return answer
        if answer.trouble and answer.trouble.kind is not Kind.DATABASE_LOGIN:
            return answer
        problem = self._no_database(answer.reason)
        return Answer(Verdict.RETRY, answer.reason, problem)

    def _no_database(self, answer: str) -> Trouble:
        return trouble.no_database(self.where, self._influx.user, self._influx.db, answer)

    def _ask(self, request: Callable[[], None]) -> Answer:
        self._response = None
        failure: Exception | None = None
        try:
            with self._cutter.after(self._deadline):
                request()
        except Exception as error:  # noqa: BLE001 - what an answer makes them raise is the peer's
            failure = error
        self._progress()
        if self._cutter.expired or isinstance(failure, requests.Timeout):
            return Answer(Verdict.RETRY, "", trouble.database_slow(self.where, self._deadline))
        return self._judge(failure) if failure else Answer(Verdict.ACCEPTED)

    def _judge(self, error: Exception) -> Answer:
        where, response = self.where, self._response
        if response is None:
            return Answer(
                Verdict.RETRY, "", trouble.database_unreachable(where, _why(error), self._config)
            )
        status, reason = response.status_code, _reason(response)
        if reason is not None:
            if status in (400, 422):
                return Answer(Verdict.BAD_LINES, reason)
            if status in (200, 404):  # 200: the statement that creates it
                return Answer(Verdict.NO_DATABASE, reason)
        if status == 413:
            return Answer(Verdict.TOO_LARGE, "larger than the server takes")
        text = reason or plain(response.reason or "", LONGEST)
        if status == 401:
            problem = trouble.database_login(where, self._influx.user, text, self._config)
        elif status == 403:
            problem = trouble.database_right(where, self._influx.user, self._influx.db, text)
        elif "retention policy not found" in text:
            policy = self._influx.retention_policy
            problem = trouble.no_retention_policy(where, self._influx.db, policy, self._config)
        else:
            problem = trouble.database_answer(
                where, status, text, self._config, own=reason is not None
            )
        return Answer(Verdict.RETRY, text, problem, _retry_after(response))

    def _is_in_doubt(self) -> bool:
        """Return whether the latest request may have been carried out, though it failed."""
        if self._response is None:
            return self._cutter.reached
        return self._response.status_code >= 500 or self._cutter.expired

    def _remember_response(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._response = response

    @property
    def where(self) -> str:
        """Address and port, for people."""
        return f"{self._host}:{self._influx.port}"

    @property
    def _host(self) -> str:
        address = self._influx.address
        return f"[{address}]" if ":" in address else address


def _reason(response: requests.Response) -> str | None:
    """Return the error of an answer, if it is one that InfluxDB gives."""
    try:
        message = json.loads(response.content)
    except (ValueError, RuntimeError, requests.RequestException):  # nested too deep, not all there
        return None
    if response.status_code == 200:  # the error is that of a statement
        results = message.get("results") if isinstance(message, dict) else None
        message = results[0] if isinstance(results, list) and results else None
    if not isinstance(message, dict):
        return None
    # InfluxDB 1 says "error", 2 says "code" and "message"; a message alone is somebody else's.
    text = message.get("error") or ("code" in message and message.get("message"))
    return plain(text, LONGEST) if isinstance(text, str) else None


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else None


def _why(error: BaseException) -> str:
    """Return the innermost cause in a few words; requests wraps it several times."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, socket.gaierror):
            return "its name does not resolve"
        if isinstance(seen, TimeoutError) and seen.args:
            return str(seen.args[-1])
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        inner = seen.__cause__ or seen.__context__
        if inner is None:
            inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner
    return type(error).__name__

"""Writing to InfluxDB: the only module that knows the `influxdb` package.

One batch in, one outcome out. Lines leave their queue by the outcome alone: each is accepted,
refused (with a reason, proven by sending it alone), or undecided and to be sent again. Sending a
line again is harmless, because its stamp stays the same.

Kept and tried again: network errors, 401, 403, 404, 408, 429, 5xx and whatever is not an answer
of InfluxDB. Split: 413. Bisected: 400 and 422, since the answer does not say which lines are bad.
A request has a deadline in all: the timeout of `requests` begins anew with each byte.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import requests
import urllib3
from influxdb import InfluxDBClient
from requests.adapters import HTTPAdapter

from bat2influx import names, trouble
from bat2influx.backoff import Kind
from bat2influx.config import Influx
from bat2influx.journal import event
from bat2influx.spool import Refused
from bat2influx.trouble import Trouble

log = logging.getLogger(__name__)

DEADLINE = 8.0  # s, for one request in all


@dataclass(slots=True)
class Outcome:
    """What the database has made of a batch.

    `undecided` has the lines to send again, after `retry_after` s if that is given; `trouble`
    says why.
    """

    accepted: int = 0
    refused: list[Refused] = field(default_factory=list)
    undecided: list[bytes] = field(default_factory=list)
    trouble: Trouble | None = None
    retry_after: float | None = None


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


class Writer:
    """Writes batches of line protocol into one database. Used by one thread."""

    def __init__(self, influx: Influx, config: str, deadline: float = DEADLINE) -> None:
        """`config` is the file to name in messages; `deadline` is in s."""
        self._influx = influx
        self._config = config
        self._deadline = deadline
        self._cutter = _Cutter(influx.address, influx.port)
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
        self._session.mount("http://", _Adapter(self._cutter))
        self._params = {"db": influx.db}
        if influx.retention_policy:
            self._params["rp"] = influx.retention_policy
        self._known = _Known()

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
                outcome.undecided = _of(lines, [part, *parts])
                outcome.trouble, outcome.retry_after = answer.trouble, answer.retry_after
                break
            elif len(part) == 1 or self._known.explains(part, answer.reason):
                outcome.refused += [Refused(line, _cause(answer.reason)) for line in part]
                if self._known.learn(part, answer.reason):
                    parts = self._known.sort(_of(lines, parts))
            else:
                middle = len(part) // 2
                parts += [part[:middle], part[middle:]]
        return outcome

    def cut(self) -> None:
        """End the request under way, from another thread."""
        self._cutter.cut()

    def _post(self, lines: Sequence[bytes]) -> Answer:
        def request() -> None:
            self._client.request(
                "write",
                "POST",
                params=self._params,
                data=b"\n".join(lines) + b"\n",
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
        problem = trouble.no_database(self.where, self._influx.db, answer.reason)
        return Answer(Verdict.RETRY, answer.reason, problem)

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
            return Answer(Verdict.RETRY, "", trouble.database_unreachable(where, _why(error)))
        status, reason = response.status_code, _reason(response)
        if reason is not None:
            if status in (400, 422):
                return Answer(Verdict.BAD_LINES, reason)
            if status in (200, 404):  # 200: the statement that creates it
                return Answer(Verdict.NO_DATABASE, reason)
        if status == 413:
            return Answer(Verdict.TOO_LARGE, "larger than the server takes")
        text = reason or _printable(response.reason or "")
        if status in (401, 403):
            problem = trouble.database_login(where, self._influx.user, text, self._config)
        else:
            problem = trouble.database_answer(where, status, text)
        return Answer(Verdict.RETRY, text, problem, _retry_after(response))

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


class _Known:
    """What rows are refused for, whatever their value, once a row alone has proven it.

    It is their field, whose type is another or whose series is one too many, or their age: what
    is older than a row beyond the retention policy is beyond it, too. Rows of a known kind are
    sent by themselves, and one request tells whether it still holds.
    """

    def __init__(self) -> None:
        self._causes: dict[bytes, str] = {}  # by head
        self._age = _NEVER  # stamp of the newest row known to be too old

    def sort(self, lines: Sequence[bytes]) -> list[Sequence[bytes]]:
        """Return what to send together, the last first."""
        if not self._causes and self._age == _NEVER:
            return [lines] if lines else []
        kinds: dict[bytes | None, list[bytes]] = {}
        for line in lines:
            head: bytes | None = _head(line)
            kind = b"" if _stamp(line) <= self._age else head if head in self._causes else None
            kinds.setdefault(kind, []).append(line)
        sound = kinds.pop(None, None)
        return [*kinds.values(), *([sound] if sound else [])]

    def explains(self, part: Sequence[bytes], reason: str) -> bool:
        """Return whether each row of `part` is of a kind known to be refused for `reason`."""
        if _is_age(reason):
            return max(map(_stamp, part)) <= self._age
        heads = set(map(_head, part))
        return len(heads) == 1 and self._causes.get(heads.pop()) == _cause(reason)

    def learn(self, part: Sequence[bytes], reason: str) -> bool:
        """Take in that `part` was refused; return whether that is something new."""
        before = self._age, len(self._causes)
        if _is_age(reason):
            self._age = max(self._age, *map(_stamp, part))
        elif "partial write" in reason and "unable to parse" not in reason:
            self._causes[_head(part[0])] = _cause(reason)
        return before != (self._age, len(self._causes))

    def accepted(self, part: Sequence[bytes]) -> None:
        """Forget what no longer holds."""
        if self._causes:
            for line in part:
                self._causes.pop(_head(line), None)
        if self._age != _NEVER and min(map(_stamp, part)) <= self._age:
            self._age = _NEVER


_NEVER = -(2**63)


def _of(lines: Sequence[bytes], parts: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Return those of `lines` that are in `parts`, in their order."""
    chosen = set[bytes]().union(*parts)
    return [line for line in lines if line in chosen]


def _head(line: bytes) -> bytes:
    """Return measurement, tags and field of a line, which have one type together."""
    return line.rpartition(b"=")[0]


def _stamp(line: bytes) -> int:
    stamp = line.rpartition(b" ")[2]
    return int(stamp) if stamp.lstrip(b"-").isdigit() else -_NEVER


def _is_age(reason: str) -> bool:
    return "retention policy" in reason


def _cause(reason: str) -> str:
    """Return a reason without its count of dropped rows, which is wrong and differs each time."""
    return re.sub(r" *\bdropped=[0-9]+", "", reason)


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
    return _printable(text) if isinstance(text, str) else None


def _printable(text: str) -> str:
    """Return what a peer says as one line that log, journal and service manager all take."""
    return "".join(char if char.isprintable() else " " for char in text[:500])


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


class _Cutter:
    """The time limit of a request in all: makes its socket, and shuts it down when time is up."""

    def __init__(self, host: str, port: int) -> None:
        self.expired = False
        self._host, self._port = host, port
        self._sock: socket.socket | None = None
        self._end = 0.0

    @contextlib.contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        self.expired = False
        self._end = time.monotonic() + seconds
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        self.expired = True
        if self._sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def connect(self) -> socket.socket:
        """Return a socket connected to the first address that answers in half of the time left."""
        failure = OSError("no address")
        most = 0.8 * self._left()  # so that it is not the cutter that ends it, without a reason
        for family, kind, protocol, _, address in names.resolve(self._host, self._port, most):
            self._sock = sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left() / 2)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self._left())
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _left(self) -> float:
        if self.expired:
            raise TimeoutError("timed out")
        return max(0.01, self._end - time.monotonic())


class _Adapter(HTTPAdapter):  # type: ignore[misc]
    """Has the cutter make the connections."""

    def __init__(self, cutter: _Cutter) -> None:
        self._cutter = cutter
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        cutter = self._cutter

        class Connection(urllib3.connection.HTTPConnection):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                return cutter.connect()

        class Pool(urllib3.HTTPConnectionPool):  # type: ignore[misc]
            ConnectionCls = Connection

        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool}

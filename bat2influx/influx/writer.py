"""Writing to InfluxDB, and to what takes its line protocol.

One batch in, one outcome out. Lines leave their queue by the outcome alone: each is accepted,
rejected (with a reason, proven by sending it alone), or undecided and to be sent again. Sending a
line again is harmless, because its stamp stays the same.

Kept and tried again: network errors, 401, 403, 404, 408, 429, 5xx and whatever is not an answer
of the database. Split: 413. Bisected: 400 and 422, since not all servers say which lines are bad.
Which server it is is asked before the first write, and again after one that nobody answered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from bat2influx.config.settings import Influx
from bat2influx.failure import Backoff, Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.dialects import (
    EMPTY,
    NO_SUCH_PATH,
    WANTS_TLS,
    Server,
    is_about_lines,
    is_too_large,
    reason_of,
    retry_after,
)
from bat2influx.influx.http import DEADLINE, HttpClient, Reply
from bat2influx.influx.influxql import quote_name
from bat2influx.influx.outcome import Outcome, RejectedLine
from bat2influx.influx.rejects import KnownRejects, cause_of, lines_of
from bat2influx.service.journal import event

__all__ = ["DEADLINE", "Outcome", "Probe", "Writer"]

log = logging.getLogger(__name__)


class Verdict(Enum):
    """What one request has come to."""

    ACCEPTED = "accepted"
    BAD_LINES = "bad lines"
    TOO_LARGE = "too large"
    NO_DATABASE = "no database"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to one request; `reason` in the server's words."""

    verdict: Verdict
    reason: str = ""
    trouble: Trouble | None = None
    retry_after: float | None = None
    in_doubt: bool = False


class Probe(NamedTuple):
    """What a database says to a write without a line.

    `missing` is whether the database is not there; without a `trouble` it will be created.
    """

    trouble: Trouble | None
    missing: bool
    server: Server


class Writer:
    """Writes batches of line protocol into one database. Used by one thread."""

    def __init__(self, influx: Influx, config: str, deadline: float = DEADLINE) -> None:
        """`config` is the file to name in messages; `deadline` is in s."""
        self._influx = influx
        self._config = config
        self._http = HttpClient(influx, config, deadline)
        self._asked = False  # which server it is
        self._params = {"db": influx.db}
        if influx.retention_policy:
            self._params["rp"] = influx.retention_policy
        self._known = KnownRejects()

    @property
    def where(self) -> str:
        """Address and port, for people."""
        return self._http.where

    @property
    def peer(self) -> str:
        """What it is, and where, for people."""
        return self._http.peer

    @property
    def server(self) -> Server:
        """What it is, as far as it is known by now."""
        return self._http.server

    def write(self, lines: Sequence[bytes], progress: Callable[[], None]) -> Outcome:
        """Write `lines` and return what became of each. Raises nothing for a peer's failure.

        `progress` is called after each request, for one bad line takes many.
        """
        self._http.progress = progress
        if why := self._find_out():
            return Outcome(undecided=list(lines), trouble=why)
        outcome = Outcome()
        parts = self._known.sort(lines)
        while parts:
            part = parts.pop()
            answer = self._post(part)
            if answer.verdict is Verdict.NO_DATABASE:
                answer = self._without_database(part, answer)
            if answer.verdict is Verdict.ACCEPTED:
                outcome.accepted += len(part)
                self._known.accepted(part)
            elif answer.verdict is Verdict.RETRY:
                outcome.undecided = lines_of(lines, [part, *parts])
                outcome.trouble, outcome.retry_after = answer.trouble, answer.retry_after
                outcome.in_doubt = answer.in_doubt
                break
            elif len(part) == 1 or self._known.explains(part, answer.reason):
                outcome.rejected += [RejectedLine(line, cause_of(answer.reason)) for line in part]
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
        why = self._find_out()
        answer = Judgement(Verdict.RETRY, "", why) if why else self._post([])
        missing = answer.verdict is Verdict.NO_DATABASE
        if missing and self.server.may_create:
            # Only an administrator may see the users, and create a database.
            asked = self._query("SHOW USERS")
            answer = Judgement(Verdict.ACCEPTED)
            if asked.verdict is not Verdict.ACCEPTED:
                answer = Judgement(Verdict.RETRY, asked.reason, self._no_database(asked.reason))
        elif missing:
            answer = Judgement(Verdict.RETRY, answer.reason, self._no_database(answer.reason))
        elif EMPTY in answer.reason:
            answer = Judgement(Verdict.ACCEPTED)  # it has got as far as looking for lines
        why = answer.trouble
        if why is None and answer.verdict is not Verdict.ACCEPTED:
            why = influx_errors.database_answer(
                self.peer, 400, answer.reason, self._config, own=True
            )
        return Probe(why, missing, self.server)

    def cut(self) -> None:
        """End the request under way, from another thread."""
        self._http.cut()

    def _find_out(self) -> Trouble | None:
        """Ask which server it is, unless it is known; return why nobody answers."""
        if self._asked:
            return None
        why = self._http.ping()
        self._asked = why is None
        return why

    def _post(self, lines: Sequence[bytes]) -> Judgement:
        data = b"".join(b"%b\n" % line for line in lines)
        return self._judge(self._http.ask("write", params=self._params, data=data, expected=204))

    def _query(self, statement: str) -> Judgement:
        reply = self._http.query(statement)
        failed = reply.ok and reason_of(self.server, reply.status, reply.body) is not None
        return self._judge(replace(reply, ok=False) if failed else reply)

    def _without_database(self, lines: Sequence[bytes], answer: Judgement) -> Judgement:
        """Create the database and write to it, where that can be done."""
        if not self.server.may_create:
            return Judgement(Verdict.RETRY, answer.reason, self._no_database(answer.reason))
        answer = self._query(f"CREATE DATABASE {quote_name(self._influx.db)}")
        if answer.verdict is Verdict.ACCEPTED:
            answer = self._post(lines)
            if answer.verdict is not Verdict.NO_DATABASE:
                text = "created the database %r at %s"
                log.info(text, self._influx.db, self.where, extra=event("database created"))
                return answer
        if answer.trouble and answer.trouble.backoff is not Backoff.DATABASE_LOGIN:
            return answer
        return Judgement(Verdict.RETRY, answer.reason, self._no_database(answer.reason))

    def _no_database(self, answer: str) -> Trouble:
        if not self.server.may_create:
            return influx_errors.no_bucket(self.peer, self._influx.db, answer, self._config)
        return influx_errors.no_database(self.peer, self._influx.user, self._influx.db, answer)

    def _judge(self, reply: Reply) -> Judgement:
        """Return what a reply means for what was asked."""
        if reply.trouble:
            self._asked = False  # perhaps it is another one when it is back
            return Judgement(Verdict.RETRY, "", reply.trouble, None, reply.in_doubt)
        if reply.ok:
            return Judgement(Verdict.ACCEPTED)
        status, reason = reply.status, reason_of(self.server, reply.status, reply.body)
        if reason is not None:
            if is_about_lines(self.server, status, reply.body):
                return Judgement(Verdict.BAD_LINES, reason)
            if status in (200, 404):  # 200: the statement that creates it
                return Judgement(Verdict.NO_DATABASE, reason)
        if is_too_large(self.server, status, reply.body):
            return Judgement(Verdict.TOO_LARGE, "larger than the server takes")
        self._asked = self.server.dialect is not None  # perhaps it wanted a login for that, too
        text = reason or reply.words
        if status == 400 and self._influx.tls is None and WANTS_TLS in reply.body:
            why = influx_errors.database_tls_wanted(self.peer, self._config)
        else:
            why = self._why(status, text, own=reason is not None)
        return Judgement(Verdict.RETRY, text, why, retry_after(reply.headers), reply.in_doubt)

    def _why(self, status: int, text: str, *, own: bool) -> Trouble:
        """Return what is wrong, by the status and what it says."""
        influx, peer, config = self._influx, self.peer, self._config
        token = bool(influx.token)
        if status == 401:
            return influx_errors.database_login(peer, influx.user, text, config, token=token)
        if status == 403:
            return influx_errors.database_right(peer, influx.user, influx.db, text, token=token)
        if "retention policy not found" in text:
            policy = influx.retention_policy
            return influx_errors.no_retention_policy(peer, influx.db, policy, config)
        who = peer if own else f"the database at {self.where}"
        if NO_SUCH_PATH in text or (self._influx.path and status == 404 and not own):
            return influx_errors.no_such_path(who, status, config)
        return influx_errors.database_answer(who, status, text, config, own=own)

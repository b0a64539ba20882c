"""Writing to InfluxDB, and to other databases that accept its line protocol.

One batch in, one outcome out. Only the outcome removes lines from their queue: each line is
accepted, rejected (with a reason), or undecided and sent again. Sending a line again is harmless,
because its timestamp stays the same.

answers.py has what an answer means for rows, sifting.py what happens to each row of a batch. The
server must identify itself as a database: the writer asks before a write, and again on each new
connection whose answers do not identify it. Without that nothing is sent, and nothing counts as
stored.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bat2influx.config.settings import Influx
from bat2influx.failure import Trouble
from bat2influx.influx.answers import Answer, Meaning, meaning_of
from bat2influx.influx.diagnosis import Diagnosis
from bat2influx.influx.dialects import (
    Dialect,
    Server,
    database_of_3,
    identify,
    reason_of,
    retry_after,
)
from bat2influx.influx.http import DEADLINE, HttpClient, Reply
from bat2influx.influx.identity import Identity, databases_in
from bat2influx.influx.influxql import quote_name
from bat2influx.influx.outcome import Outcome
from bat2influx.influx.sifting import MAX_SECONDS, Sieve
from bat2influx.service.journal import event

__all__ = ["DEADLINE", "Outcome", "Probe", "Writer"]

log = logging.getLogger(__name__)

LINES_AT_ONCE = 5000  # in a request
LINES_AT_ONCE_3 = 20_000  # to InfluxDB 3, which needs up to a second per request of any size


class Probe(NamedTuple):
    """The expected result of a write.

    `missing` is whether the database does not exist; without a `trouble` the first write creates
    it. `open` is what cannot be checked without writing.
    """

    trouble: Trouble | None
    missing: bool
    server: Server
    open: str = ""


class Verdict(NamedTuple):
    """The result of one request; `trouble` says why rows stay queued.

    `status` is 0 without an answer; `signed` is whether the answer identifies the server.
    """

    status: int
    answer: Answer
    trouble: Trouble | None = None
    retry_after: float | None = None
    uncertain: bool = False
    signed: bool = False


class Writer:
    """Writes batches of line protocol into one database. Used by one thread."""

    def __init__(self, influx: Influx, config: str, deadline: float = DEADLINE) -> None:
        """`config` is the file to name in messages; `deadline` is in s."""
        self._influx = influx
        self._http = HttpClient(influx, config, deadline)
        self._diagnosis = Diagnosis(influx, config, self._http.mask)
        self._identity = Identity(self._http, self._diagnosis)
        self._sign: set[Dialect | None] = set()  # those whose answers to a write identify them
        self._params = {"db": influx.db}
        if influx.retention_policy:
            self._params["rp"] = influx.retention_policy
        self._sieve = Sieve(self._diagnosis.advice)

    @property
    def where(self) -> str:
        """Address and port, for messages."""
        return self._http.where

    @property
    def peer(self) -> str:
        """Kind and address of the server, for messages."""
        return self._http.peer

    @property
    def server(self) -> Server:
        """The server, as far as it is known."""
        return self._http.server

    @property
    def lines_at_once(self) -> int:
        """The number of lines of a full batch."""
        three = self.server.dialect is Dialect.INFLUXDB3
        return LINES_AT_ONCE_3 if three else LINES_AT_ONCE

    def write(self, lines: Sequence[bytes], progress: Callable[[], None]) -> Outcome:
        """Write `lines` and return the outcome. Raises nothing for a peer's failure.

        `progress` is called after each request, because one bad line takes many.
        """
        self._http.progress = progress
        if why := self._identity.detect(self._params):
            return Outcome(0, [], list(lines), why)
        sifted, end = self._sieve.begin(lines), time.monotonic() + MAX_SECONDS
        while time.monotonic() < end and (part := sifted.next_part()) is not None:
            verdict = self._post(part)
            if verdict.answer.meaning is Meaning.NO_DATABASE:
                verdict = self._without_database(part, verdict)
            sifted.decide(part, verdict.answer, self._http.connection, signed=verdict.signed)
            if verdict.trouble:
                sifted.failed(part, late=verdict.trouble.cause == "database slow")
                return sifted.ended(
                    self.peer, verdict.trouble, verdict.retry_after, uncertain=verdict.uncertain
                )
        return sifted.ended(self.peer)

    def probe(self) -> Probe:
        """Check whether a write would succeed, with a write without a line.

        InfluxDB 1.6.7 checks login, database, right and retention policy before the lines. InfluxDB
        3 would create the database for that: it is asked first for its list of databases.
        """
        if why := self._identity.detect():
            return Probe(why, missing=False, server=self.server)
        if self.server.dialect is Dialect.INFLUXDB3:
            return self._probe_by_list()
        verdict = self._post([])
        missing = verdict.answer.meaning is Meaning.NO_DATABASE
        why = verdict.trouble
        if missing and self.server.may_create:
            # Only an administrator may see the users, and create a database.
            asked = self._query("SHOW USERS")
            why = None if asked.trouble is None else self._no_database(_reason_text(asked))
        elif missing:
            why = self._no_database(_reason_text(verdict))
        return Probe(why, missing, self.server)

    def abort(self) -> None:
        """Abort the pending request, from another thread."""
        self._http.abort()

    def _post(self, lines: Sequence[bytes]) -> Verdict:
        data = b"\n".join([*lines, b""])
        reply = self._http.ask("write", params=self._params, data=data, expected=204)
        answer, identified = Answer(Meaning.RETRY), identify(reply.headers, b"")
        if identified.known:
            self._http.recognise(reply.headers)
            self._sign.add(identified.dialect)
        if reply.trouble is None and reply.whole:
            answer = meaning_of(self.server, reply.status, reply.body, self._http.mask)
        unsigned = not identified.known and self.server.dialect in self._sign
        if answer.meaning is Meaning.STORED and (
            unsigned or not (identified.known or self._identity.is_database())
        ):
            why = self._diagnosis.of_unknown_server(reply, self.where, "write")
            return Verdict(reply.status, Answer(Meaning.RETRY), why, uncertain=True)
        if unsigned and answer.meaning not in (Meaning.TOO_LARGE, Meaning.RETRY):
            answer = Answer(Meaning.RETRY)  # it is from a proxy in front
        if not lines and answer.reason and "write was empty" in answer.reason:
            answer = Answer(Meaning.STORED)  # InfluxDB 3 has checked everything but the lines
        return self._verdict(
            reply, answer, "write", queued_unless_stored=not lines, signed=identified.known
        )

    def _query(self, statement: str) -> Verdict:
        """Carry out a statement; without a trouble it succeeded."""
        reply = self._http.query(statement)
        reason = self._reason(reply)
        if reply.ok and reason is None:
            return Verdict(reply.status, Answer(Meaning.STORED))
        return self._verdict(reply, Answer(Meaning.RETRY, reason), "query")

    def _reason(self, reply: Reply) -> str | None:
        return reason_of(self.server, reply.status, reply.body, self._http.mask)

    def _verdict(
        self,
        reply: Reply,
        answer: Answer,
        asked: str,
        *,
        queued_unless_stored: bool = False,
        signed: bool = False,
    ) -> Verdict:
        """Add the Trouble if nothing is decided.

        With `queued_unless_stored` also if nothing is stored.
        """
        if reply.trouble:
            self._identity.forget()
            return Verdict(0, answer, reply.trouble, uncertain=reply.uncertain)
        decides = answer.meaning in (Meaning.STORED, Meaning.NO_DATABASE)
        if decides or (answer.meaning is not Meaning.RETRY and not queued_unless_stored):
            return Verdict(reply.status, answer, signed=signed)
        why = self._diagnosis.of_answer(reply, answer.reason, self.server, self.where, asked)
        return Verdict(reply.status, answer, why, retry_after(reply.headers), reply.uncertain)

    def _without_database(self, lines: Sequence[bytes], verdict: Verdict) -> Verdict:
        """Create the database and write to it, if the server can create it."""
        if not self.server.may_create:
            return _with_retry(verdict, self._no_database(_reason_text(verdict)))
        made = self._query(f"CREATE DATABASE {quote_name(self._influx.db)}")
        if made.trouble is None:
            verdict = self._post(lines)
            if verdict.answer.meaning is not Meaning.NO_DATABASE:
                text = "created the database %r at %s"
                log.info(text, self._influx.db, self.where, extra=event("database created"))
                return verdict
        elif made.status == 0 or made.status >= 500:
            return made
        else:
            verdict = made
        return _with_retry(verdict, self._no_database(_reason_text(verdict)))

    def _no_database(self, answer: str) -> Trouble:
        return self._diagnosis.no_database(self.server, self.where, answer)

    def _probe_by_list(self) -> Probe:
        """Look for the database in the list, and only if it exists send a write without a line."""
        params = {"format": "json"}
        reply = self._http.ask("api/v3/configure/database", "GET", params=params)
        if reply.trouble or reply.status == 401:
            verdict = self._verdict(reply, Answer(Meaning.RETRY, self._reason(reply)), "")
            return Probe(verdict.trouble, missing=False, server=self.server)
        there = databases_in(reply.body) if reply.ok else None
        name = database_of_3(self._influx.db, self._influx.retention_policy)
        if there is None:
            text = "whether it exists and is writable cannot be checked without writing"
            return Probe(None, missing=False, server=self.server, open=text)
        if name not in there:
            return Probe(None, missing=True, server=self.server)
        return Probe(self._post([]).trouble, missing=False, server=self.server)


def _with_retry(verdict: Verdict, why: Trouble) -> Verdict:
    return verdict._replace(answer=Answer(Meaning.RETRY, verdict.answer.reason), trouble=why)


def _reason_text(verdict: Verdict) -> str:
    """Return the server's reason, or the trouble's text."""
    if verdict.answer.reason is not None:
        return verdict.answer.reason
    return verdict.trouble.what if verdict.trouble else ""

"""A peer that answers as InfluxDB OSS 2.7 does to what the daemon may ask.

Sources: "docs" is the documentation of InfluxDB OSS v2, docs.influxdata.com/influxdb/v2; files are
those of the source, influxdata/influxdb, branch main-2.x. What is left out: a field may have
another type in another week of the real one, whose types are those of a shard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tests.standins.databases.influx_lines import LineError, Point, lines_of, parse
from tests.standins.databases.influx_peer import (
    Bucket,
    InfluxPeer,
    Refusal,
    Request,
    framed,
    results,
)

# http/handler.go: on every answer. The version has a "v", as in the docs of /ping.
ALWAYS = ("X-Influxdb-Build: OSS", "X-Influxdb-Version: v2.7.12")
JSON = "Content-Type: application/json; charset=utf-8"
# kit/platform/errors/errors.go and kit/transport/http/error_handler.go: names and their statuses.
STATUSES = {
    "invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not found": 404,
    "request too large": 413,
    "unprocessable entity": 422,
    "too many requests": 429,
    "internal error": 500,
    "unavailable": 503,
}
# models/points.go, SafeCalcTime: what is none of these is taken for nanoseconds.
UNITS = {"us": 10**3, "ms": 10**6, "s": 10**9}
POLICY_COLUMNS = ["name", "duration", "shardGroupDuration", "replicaN", "default"]


class InfluxDB2(InfluxPeer):
    """An InfluxDB 2 with a bucket `db` (and `more` of them), a token, and users of its 1.x API.

    A bucket called db/rp is the retention policy rp of the database db. `rights` has for a token
    or user what it may: "r", "w" or "rw", which is the default. `retention` is in s, of every
    bucket; 0 is for ever. No body is larger than the `limit` by default (docs, "Troubleshoot
    issues writing data").
    """

    def __init__(
        self,
        db: str = "battery",
        *,
        more: Sequence[str] = (),
        token: str = "token-of-2",
        users: Mapping[str, str] | None = None,
        rights: Mapping[str, str] | None = None,
        retention: int = 0,
        limit: int | None = None,
    ) -> None:
        self.token = token
        self.retention = retention
        self._users = users or {}
        super().__init__(db, limit=limit, rights=rights or {})
        for name in (db, *more):
            self.buckets[name] = Bucket()

    def excuse(self, status: int) -> tuple[str, tuple[str, ...]]:
        """Return the body and the headers with which it is busy."""
        code = next((code for code, each in STATUSES.items() if each == status), "internal error")
        return _body(code, "try again later"), _headers(code)

    def reply(self, request: Request) -> bytes:
        """Return the answer to a request, or raise Refusal."""
        match request.method, request.path:
            case "GET" | "HEAD", "/ping":  # http/legacy/ping_handler.go: without a login
                return framed(204, "", *ALWAYS)
            case "POST", "/write":
                self._write_v1(request)
            case "POST", "/api/v2/write":
                self._write_v2(request)
            case "GET" | "POST", "/query":
                return self._query(request)
            case _:
                raise _error("not found", "path not found")  # http/router.go
        return framed(204, "", *ALWAYS)

    def _write_v1(self, request: Request) -> None:
        # http/legacy/write_handler.go, in its order.
        who = self._login_v1(request)
        self.refuse_if_busy()
        db, policy = request.parameters.get("db", ""), request.parameters.get("rp", "")
        if not db:
            raise _error("invalid", "missing db")
        # docs, "Database and retention policy mapping": a bucket has a virtual one by its name.
        # Only its name tells the default policy here, which the real one can be told.
        name = db if policy in ("", "autogen") else f"{db}/{policy}"
        if name not in self.buckets:
            raise _error("not found", "no dbrp mapping found")
        self._write(request, who, self.buckets[name])

    def _write_v2(self, request: Request) -> None:
        # http/write_handler.go and http/authentication_middleware.go
        scheme, token = request.authorization
        if scheme not in ("Token", "Bearer") or token != self.token:
            raise _error("unauthorized", "unauthorized access")
        self.refuse_if_busy()
        if request.parameters.get("precision", "ns") not in ("ns", *UNITS):
            text = "invalid precision; valid precision units are ns, us, ms, and s"
            raise _error("invalid", text)
        name = request.parameters.get("bucket", "")
        if name not in self.buckets:
            text = f'bucket "{name}" not found' if name else "bucket not found"
            raise _error("not found", text)
        self._write(request, token, self.buckets[name])

    def _write(self, request: Request, who: str, bucket: Bucket) -> None:
        if not self.may(who, "w"):
            raise _error("forbidden", "insufficient permissions for write")
        # http/points/points_parser.go: the size counts after unpacking; an empty body is no error.
        if self.limit is not None and len(request.body) > self.limit:
            text = "unable to read data: points batch is too large"
            raise _error("request too large", text)
        points, wrong = [], []
        for line in lines_of(request.body):
            try:
                points.append(parse(line))
            except LineError as error:
                wrong.append(f"unable to parse '{line}': {error}")
        if wrong:  # docs, "Troubleshoot issues writing data": all of it is rejected
            raise _error("invalid", "\n".join(wrong))
        unit = UNITS.get(request.parameters.get("precision", ""), 1)
        self._store(bucket, points, unit)

    def _store(self, bucket: Bucket, points: Sequence[Point], unit: int) -> None:
        now = time.time_ns()
        bound = now - (self.retention or 0) * 10**9
        stamped = [(now if p.time is None else p.time * unit, p) for p in points]
        late = [(at, p) for at, p in stamped if self.retention and at < bound]
        conflicts = []
        for at, point in stamped:
            if self.retention and at < bound:
                continue
            if conflict := bucket.conflict(point):
                conflicts.append((point.measurement, *conflict))
            else:
                bucket.add(point, at)
        if conflicts:  # tsdb/shard.go: the first is named, and points of both kinds are counted
            measurement, field, new, old = conflicts[0]
            raise _partial(
                f'field type conflict: input field "{field}" on measurement "{measurement}" is '
                f"type {new}, already exists as type {old} dropped={len(conflicts)}"
            )
        if late:  # the text: docs, "Troubleshoot rejected points"
            ends = ("oldest", min(late, key=_at)), ("newest", max(late, key=_at))
            why = f"because it violates a Retention Policy Lower Bound at {_moment(bound)}"
            points_dropped = ", ".join(
                f"{which} point {point.key} at {_moment(at)} dropped {why}"
                for which, (at, point) in ends
            )
            raise _partial(
                f"dropped {len(late)} points outside retention policy of duration "
                f"{_go_duration(self.retention)} - {points_dropped} dropped={len(late)} "
                "for database: 9f282d63c7d3a5c0 for retention policy: autogen"
            )

    def _query(self, request: Request) -> bytes:
        # v1/coordinator/statement_executor.go; an error of a statement comes with status 200.
        who = self._login_v1(request)
        words = request.parameters.get("q", "").strip(" ;").split()
        statement = " ".join(words).upper()
        if statement == "SHOW DATABASES":  # those that one may read
            readable = sorted({name.partition("/")[0] for name in self.buckets})
            series: dict[str, object] = {"name": "databases", "columns": ["name"]}
            if self.may(who, "r"):
                series["values"] = [[name] for name in readable]
            text = results(series=series)
        elif statement.startswith("SHOW RETENTION POLICIES"):
            db = words[4].strip('"') if len(words) > 4 else request.parameters.get("db", "")
            text = self._policies(db) if self.may(who, "r") else results(series={})
        else:  # "CREATE DATABASE", "SHOW USERS": the operation's first words
            several = 3 if "RETENTION" in statement or "CONTINUOUS" in statement else 2
            text = results(error=f"not implemented: {' '.join(statement.split()[:several])}")
        return framed(200, text, *ALWAYS, "Content-Type: application/json")

    def _policies(self, db: str) -> str:
        names = [name.partition("/")[2] for name in self.buckets if name.partition("/")[0] == db]
        rows = [[name or "autogen", "0s", "168h0m0s", 1, not name] for name in names]
        return results(series={"columns": POLICY_COLUMNS, **({"values": rows} if rows else {})})

    def _login_v1(self, request: Request) -> str:
        # http/legacy/influx1x_authentication_handler.go, then v1/authorization/auth.go: a user of
        # the 1.x API by password; otherwise the password is a token, whatever the user is called.
        scheme, credentials = request.authorization
        user, password = request.parameters.get("u", ""), request.parameters.get("p", "")
        if not (user and password):
            if scheme == "Token":
                user, password = "", credentials.partition(":")[2] or credentials
            elif basic := request.basic:
                user, password = basic
            else:  # nothing, or a scheme like Bearer, which this API does not know
                raise _error("unauthorized", "unauthorized access")
        if user in self._users and self._users[user] == password:
            return user
        if user not in self._users and password == self.token:
            return password
        raise _error("unauthorized", "Unauthorized")


def _body(code: str, text: str) -> str:
    return json.dumps({"code": code, "message": text}, separators=(",", ":"))


def _headers(code: str) -> tuple[str, ...]:
    return (*ALWAYS, JSON, f"X-Platform-Error-Code: {code}")


def _error(code: str, text: str) -> Refusal:
    return Refusal(framed(STATUSES[code], _body(code, text), *_headers(code)))


def _partial(text: str) -> Refusal:
    # http/legacy/write_handler.go, for a tsdb.PartialWriteError
    text = f"failure writing points to database: partial write: {text}"
    return _error("unprocessable entity", text)


def _at(late: tuple[int, Point]) -> int:
    return late[0]


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{ns % 10**9:09}Z")


def _go_duration(seconds: int) -> str:
    return f"{seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s"

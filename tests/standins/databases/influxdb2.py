"""A peer that answers as InfluxDB OSS 2.7 does to the daemon's possible requests.

Sources: "docs" is the documentation of InfluxDB OSS v2, docs.influxdata.com/influxdb/v2; files are
those of the source, influxdata/influxdb, branch main-2.x; `influx_peer` explains
"measured". Left out: in a real server a field may have another type in another week, because types
belong to a shard.
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

VERSION = "v2.7.12"  # with a "v", as in the docs of /ping
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
# models/points.go, SafeCalcTime: any other precision is interpreted as nanoseconds.
UNITS = {"us": 10**3, "ms": 10**6, "s": 10**9}
POLICY_COLUMNS = ["name", "duration", "shardGroupDuration", "replicaN", "default"]


class InfluxDB2(InfluxPeer):
    """An InfluxDB 2 with a bucket `db` (and `more` of them), a token, and users of its 1.x API.

    A bucket called db/rp is the retention policy rp of the database db, unless a mapping of `map`
    differs. `rights` has the rights of a token or user: "r", "w" or "rw", which is the default.
    `token` has access to every bucket; `narrow` has more tokens, and users, with access to the
    named buckets alone. `retention` is in s, of every bucket; 0 is for ever. Measured: there is no
    limit for a body by default (86 MB were accepted), and a self-built server calls its `version`
    "dev".
    """

    def __init__(
        self,
        db: str = "battery",
        *,
        more: Sequence[str] = (),
        token: str = "token-of-2",
        users: Mapping[str, str] | None = None,
        rights: Mapping[str, str] | None = None,
        narrow: Mapping[str, Sequence[str]] | None = None,
        retention: int = 0,
        limit: int | None = None,
        version: str = VERSION,
    ) -> None:
        self.token = token
        self.retention = retention
        # http/handler.go: on every answer
        self._always = ("X-Influxdb-Build: OSS", f"X-Influxdb-Version: {version}")
        self._users = users or {}
        self._mappings: dict[tuple[str, str], str] = {}
        self._default: dict[str, str] = {}  # of a database the policy
        super().__init__(db, limit=limit, rights=rights or {})
        for name in (db, *more):
            self.buckets[name] = Bucket()
        # A right is for a bucket's number, not for its name.
        self._reach = {
            who: [self.buckets[name] for name in names] for who, names in (narrow or {}).items()
        }

    def map(self, db: str, policy: str, bucket: str, *, default: bool = False) -> None:
        """Map database and policy to a bucket, created if missing (influx v1 dbrp create)."""
        with self._lock:
            self.buckets.setdefault(bucket, Bucket())
            self._mappings[db, policy] = bucket
            if default:
                self._default[db] = policy

    def recreate(self, bucket: str) -> None:
        """Delete and recreate a bucket: the rights of narrow tokens were for the old one."""
        with self._lock:
            self.buckets[bucket] = Bucket()

    def excuse(self, status: int) -> tuple[str, tuple[str, ...]]:
        """Return the body and the headers of the answer "busy"."""
        code = next((code for code, each in STATUSES.items() if each == status), "internal error")
        return _body(code, "try again later"), (*self._always, *_headers(code))

    def reply(self, request: Request) -> bytes:
        """Return the answer to a request, or raise Refusal."""
        match request.method, request.path:
            case "GET" | "HEAD", "/ping":  # http/legacy/ping_handler.go: without a login
                return framed(204, "", *self._always)
            case "POST", "/write":
                self._write_v1(request)
            case "POST", "/api/v2/write":
                self._write_v2(request)
            case "GET" | "POST", "/query":
                return self._query(request)
            case _:
                raise self._error("not found", "path not found")  # http/router.go
        return framed(204, "", *self._always)

    def _write_v1(self, request: Request) -> None:
        # http/legacy/write_handler.go, in its order.
        who = self._login_v1(request)
        self.refuse_if_busy()
        db, policy = request.parameters.get("db", ""), request.parameters.get("rp", "")
        if not db:
            raise self._error("invalid", "missing db")
        # Measured: a mapping to a bucket without access for the token counts as no mapping.
        name = self._mapped(db, policy)
        if name not in self.buckets or not self._reaches(who, name):
            raise self._error("not found", "no dbrp mapping found")
        self._write(request, who, self.buckets[name])

    def _mapped(self, db: str, policy: str) -> str:
        # docs, "Database and retention policy mapping", and dbrp/service.go: a bucket has a virtual
        # mapping by its name; it is not the default if a created mapping is the default.
        # Measured: so a default mapping "raw" hides values written before, under "autogen".
        policy = policy or self._default.get(db, "autogen")
        virtual = db if policy == "autogen" else f"{db}/{policy}"
        return self._mappings.get((db, policy), virtual)

    def _reaches(self, who: str, name: str) -> bool:
        return who not in self._reach or self.buckets[name] in self._reach[who]

    def _write_v2(self, request: Request) -> None:
        # http/write_handler.go and http/authentication_middleware.go
        scheme, token = request.authorization
        if scheme not in ("Token", "Bearer") or not self._is_token(token):
            raise self._error("unauthorized", "unauthorized access")
        self.refuse_if_busy()
        if request.parameters.get("precision", "ns") not in ("ns", *UNITS):
            text = "invalid precision; valid precision units are ns, us, ms, and s"
            raise self._error("invalid", text)
        name = request.parameters.get("bucket", "")
        if name not in self.buckets or not self._reaches(token, name):
            text = f'bucket "{name}" not found' if name else "bucket not found"
            raise self._error("not found", text)
        self._write(request, token, self.buckets[name])

    def _write(self, request: Request, who: str, bucket: Bucket) -> None:
        if not self.may(who, "w"):
            raise self._error("forbidden", "insufficient permissions for write")
        # http/points/points_parser.go: the size after decompression; an empty body is no error.
        if self.limit is not None and len(request.body) > self.limit:
            text = "unable to read data: points batch is too large"
            raise self._error("request too large", text)
        points, wrong = [], []
        for line in lines_of(request.body):
            try:
                points.append(parse(line))
            except LineError as error:
                wrong.append(f"unable to parse '{line}': {error}")
        if wrong:  # docs, "Troubleshoot issues writing data": all of it is rejected
            raise self._error("invalid", "\n".join(wrong))
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
        if conflicts:  # tsdb/shard.go: the text names the first, and counts points of both kinds
            measurement, field, new, old = conflicts[0]
            raise self._partial(
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
            raise self._partial(
                f"dropped {len(late)} points outside retention policy of duration "
                f"{_go_duration(self.retention)} - {points_dropped} dropped={len(late)} "
                "for database: 9f282d63c7d3a5c0 for retention policy: autogen"
            )

    def _query(self, request: Request) -> bytes:
        # v1/coordinator/statement_executor.go; an error of a statement comes with status 200.
        who = self._login_v1(request)
        words = request.parameters.get("q", "").strip(" ;").split()
        statement = " ".join(words).upper()
        if statement == "SHOW DATABASES":  # those with the right to read
            readable = sorted({db for db, _ in self._all_mappings(who)})
            series: dict[str, object] = {"name": "databases", "columns": ["name"]}
            if self.may(who, "r"):
                series["values"] = [[name] for name in readable]
            text = results(series=series)
        elif statement.startswith("SHOW RETENTION POLICIES"):
            db = words[4].strip('"') if len(words) > 4 else request.parameters.get("db", "")
            text = self._policies(db, who) if self.may(who, "r") else results(series={})
        else:  # "CREATE DATABASE", "SHOW USERS": the operation's first words
            several = 3 if "RETENTION" in statement or "CONTINUOUS" in statement else 2
            text = results(error=f"not implemented: {' '.join(statement.split()[:several])}")
        return framed(200, text, *self._always, "Content-Type: application/json")

    def _policies(self, db: str, who: str) -> str:
        # Measured: each duration is 0s here, whatever the bucket's.
        default = self._default.get(db, "autogen")
        found = [policy for name, policy in self._all_mappings(who) if name == db]
        rows = [[policy, "0s", "168h0m0s", 1, policy == default] for policy in found]
        return results(series={"columns": POLICY_COLUMNS, **({"values": rows} if rows else {})})

    def _all_mappings(self, who: str) -> list[tuple[str, str]]:
        # http/legacy, authorizer/dbrp.go: those whose bucket the login may read.
        virtual = [(db, policy or "autogen") for db, _, policy in map(_split, self.buckets)]
        found = dict.fromkeys([*virtual, *self._mappings])
        return [each for each in found if self._reaches(who, self._mapped(*each))]

    def _error(self, code: str, text: str) -> Refusal:
        headers = (*self._always, *_headers(code))
        return Refusal(framed(STATUSES[code], _body(code, text), *headers))

    def _partial(self, text: str) -> Refusal:
        # http/legacy/write_handler.go, for a tsdb.PartialWriteError
        text = f"failure writing points to database: partial write: {text}"
        return self._error("unprocessable entity", text)

    def _login_v1(self, request: Request) -> str:
        # http/legacy/influx1x_authentication_handler.go, then v1/authorization/auth.go: a user of
        # the 1.x API by password; otherwise the password is a token, whatever the user's name.
        scheme, credentials = request.authorization
        user, password = request.parameters.get("u", ""), request.parameters.get("p", "")
        if not (user and password):
            if scheme == "Token":
                user, password = "", credentials.partition(":")[2] or credentials
            elif basic := request.basic:
                user, password = basic
            else:  # nothing, or a scheme like Bearer, which this API does not know
                raise self._error("unauthorized", "unauthorized access")
        if user in self._users and self._users[user] == password:
            return user
        if user not in self._users and self._is_token(password):
            return password
        raise self._error("unauthorized", "Unauthorized")

    def _is_token(self, text: str) -> bool:
        return text == self.token or (text in self._reach and text not in self._users)


def _body(code: str, text: str) -> str:
    return json.dumps({"code": code, "message": text}, separators=(",", ":"))


def _headers(code: str) -> tuple[str, ...]:
    return (JSON, f"X-Platform-Error-Code: {code}")


def _split(bucket: str) -> tuple[str, str, str]:
    return bucket.partition("/")


def _at(late: tuple[int, Point]) -> int:
    return late[0]


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{ns % 10**9:09}Z")


def _go_duration(seconds: int) -> str:
    return f"{seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s"

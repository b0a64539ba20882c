"""A peer that answers as InfluxDB 3 Core does to the daemon's possible requests.

Sources: "docs" is the documentation of InfluxDB 3 Core, docs.influxdata.com/influxdb3/core; http.rs
is influxdb3_server/src/http.rs of the source, influxdata/influxdb; the other files named are of
influxdata/influxdb3_core; `influx_peer` explains "measured". Answers with errors have no
Content-Type, and answers to writes no version.
"""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Mapping

from tests.standins.databases.influx_lines import LineError, lines_of, parse
from tests.standins.databases.influx_peer import (
    Bucket,
    HangUp,
    InfluxPeer,
    Refusal,
    Request,
    framed,
    results,
)

VERSION, REVISION = "3.6.0", "bc0eba0c8b"
ANY_ORIGIN = "Access-Control-Allow-Origin: *"  # http.rs, route_request
# iox_http/src/write/params.rs; nanoseconds when there is none (iox_http/src/write/v1.rs).
UNITS = {"": 1, "ns": 1, "n": 1, "us": 10**3, "u": 10**3, "ms": 10**6, "s": 10**9}
DATABASES = 5  # maximum: docs, "Manage databases"
INTERNAL = "_internal"  # the server's internal database
SHOWN = 20  # bytes of a bad line
JSON = "Content-Type: application/json"
NO_DATABASE = "must specify a 'db' parameter, or provide the database in the InfluxQL query"
MALFORMED = (
    "Authorization header was malformed, the request was not in the form of "
    "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic"
)


class InfluxDB3(InfluxPeer):
    """An InfluxDB 3 Core; without a `token` it is one that was started without logins.

    `rights` has the rights of a token: "r", "w" or "rw", which is the default; listing databases
    needs both. `open_ping` is the server's --disable-authz ping. A body of more than `limit` bytes,
    10 MB by default, is rejected with `too_large` (measured: 500; its API for version 2 answers
    413). A write is acknowledged at the next tick of a clock whose period is `flush` (s); the real
    server's is 1.0, and 0 is at once. Values older than `retention` (s) are dropped without an
    error; 0 is for ever. With `version` the answers change as they did in 3.8 and 3.10.
    """

    def __init__(
        self,
        db: str = "battery",
        *,
        token: str | None = "apiv3_token-of-3",
        more_tokens: tuple[str, ...] = (),
        rights: Mapping[str, str] | None = None,
        open_ping: bool = False,
        limit: int | None = 10 * 2**20,
        too_large: int = 500,
        max_databases: int = DATABASES,
        flush: float = 0.0,
        retention: float = 0.0,
        version: str = VERSION,
    ) -> None:
        self.token = token
        self.too_large = too_large
        self.max_databases = max_databases
        self._tokens: tuple[str | None, ...] = (token, *more_tokens)
        self._open_ping = open_ping
        self._process = str(uuid.uuid4())
        self._flush, self._began = flush, time.monotonic()
        self._retention = retention
        self.version = version
        self._release = tuple(map(int, version.split(".")[:2]))
        super().__init__(db, limit=limit, rights=rights or {})

    def allow(self, token: str) -> None:
        """Accept one more token from now on."""
        self._tokens += (token,)

    def excuse(self, status: int) -> tuple[str, tuple[str, ...]]:
        """Return the body and the headers of the answer "busy"."""
        return "this service is overloaded, please try again later", ()  # http.rs, RequestLimit

    def delay(self, request: Request, reply: bytes) -> float:
        """Return the time until the log is flushed, for a write that is stored (s)."""
        stored = request.path.endswith("/write") and reply.startswith(b"HTTP/1.1 204")
        if not (self._flush and stored):
            return 0.0
        return self._flush - (time.monotonic() - self._began) % self._flush

    def reply(self, request: Request) -> bytes:
        """Return the answer to a request, or raise Refusal or HangUp."""
        # http.rs, route_request: the login is checked first, even for unknown paths.
        ping = request.path == "/ping"
        who = "" if self.token is None or (ping and self._open_ping) else self._login(request)
        if who != "" and who not in self._tokens:
            raise self._unauthenticated()
        match request.method, request.path:
            case "GET" | "POST", "/ping":
                return self._ping()
            case "POST", "/write":
                self.refuse_if_busy()
                self._write(request, who, self._database(request))
                return framed(204, "", ANY_ORIGIN)
            case "POST", "/api/v2/write":
                self.refuse_if_busy()
                self._write(request, who, request.parameters.get("bucket", ""), too_large=413)
                return framed(204, "", ANY_ORIGIN)
            case "GET" | "POST", "/query":
                return self._query(request)
            case "GET", "/api/v3/query_influxql":
                return self._query_v3(request)
            case "GET", "/api/v3/configure/database":
                return self._list(request, who)
        raise Refusal(framed(404, "not found"))

    def _ping(self) -> bytes:
        # http.rs, HttpApi::ping; docs, "Server information", have the same fields.
        told = {"version": self.version, "revision": REVISION, "process_id": self._process}
        number = uuid.uuid4()
        return framed(
            200,
            json.dumps(told, separators=(",", ":")),
            "Content-Type: application/json",
            f"Request-Id: {number}",
            "X-Influxdb-Build: Core",
            f"X-Influxdb-Version: {self.version}",
            f"X-Request-Id: {number}",
            ANY_ORIGIN,
        )

    def _write(self, request: Request, who: str, name: str, *, too_large: int = 0) -> None:
        if not self.may(who, "w"):  # http.rs, Error::ResourceAuthorization
            raise Refusal(framed(403))
        if self.limit is not None and len(request.body) > self.limit:
            text = f"max request size ({self.limit} bytes) exceeded"
            raise Refusal(framed(too_large or self.too_large, text))
        # influxdb3_write/src/write_buffer/validator.rs: first the database, within limits, then the
        # lines. Measured: so an empty write also creates the database, for ever.
        if name not in self.buckets:
            if len(self.buckets) >= self.max_databases:
                text = f"Adding a new database would exceed limit of {self.max_databases} databases"
                raise Refusal(framed(422, self._message(text)))
            self.buckets[name] = Bucket()
        lines = lines_of(request.body)
        if not lines:  # influxdb3_write/src/write_buffer/mod.rs, EmptyWrite
            raise Refusal(framed(400, "incoming write was empty"))
        unit = UNITS[request.parameters.get("precision", "")]
        self._store(self.buckets[name], lines, unit)

    def _store(self, bucket: Bucket, lines: list[str], unit: int) -> None:
        # Measured: all or nothing, and the error names the first bad line alone.
        now = time.time_ns()
        oldest = now - self._retention * 1e9 if self._retention else -math.inf
        trial, points = bucket.trial(), []
        for number, line in enumerate(lines, 1):
            try:
                point = parse(line)
            except LineError as error:
                raise self._bad_line(number, line, _in_its_words(str(error))) from None
            if conflict := trial.conflict(point):
                field, new, old = conflict
                kind = "iox::column_type::field::"
                why = f"invalid column type for column '{field}', expected {kind}{old}, got "
                raise self._bad_line(number, line, f"{why}{kind}{new}")
            trial.declare(point)
            points.append(point)
        for point in points:
            at = now if point.time is None else point.time * unit
            if at < oldest:  # measured: it is accepted, and no query finds it
                bucket.declare(point)
            else:
                bucket.add(point, at)

    def _bad_line(self, number: int, line: str, why: str) -> Refusal:
        what = "parsing failed for write_lp endpoint"
        if self._release >= (3, 10):
            what = "line protocol parsing error"
        # influxdb3_write/src/lib.rs: cut to so many bytes, at the border of a character
        original = line.encode()[:SHOWN].decode(errors="ignore")
        data = {"error_message": why, "line_number": number, "original_line": original}
        return Refusal(framed(400, _compact({"error": what, "data": data})))

    def _query(self, request: Request) -> bytes:
        statement = _statement(request)
        if not statement:
            text = "expected a query to be provided in the query string or body"
            raise Refusal(framed(400, _error(text)))
        if self._release >= (3, 8):
            text = self._answered_since_3_8(statement, request.parameters.get("db", ""))
            return framed(200, text, JSON, ANY_ORIGIN)
        if statement.upper().startswith(("SHOW DATABASES", "SHOW RETENTION POLICIES")):
            raise HangUp  # measured
        self._check_database(statement, request.parameters.get("db", ""))
        text = _compact({"results": [{"statement_id": 0, "series": []}]})  # http/v1.rs
        return framed(200, f"{text}\r\n", JSON, ANY_ORIGIN)

    def _answered_since_3_8(self, statement: str, db: str) -> str:
        # iox_v1_query_api/src/handler.rs: an error of a statement comes with status 200.
        if statement.upper() == "SHOW DATABASES":
            rows = [[name] for name in sorted(self.buckets)]
            return results(series={"name": "databases", "columns": ["name"], "values": rows})
        if not db:
            return results(error=NO_DATABASE)
        if db not in self.buckets:
            return results(error=f"database not found: {db}")
        # iox_query_influxql/src/plan/planner.rs
        operation = " ".join(statement.upper().split()[:2])
        return results(error=f"This feature is not implemented: {operation}")

    def _query_v3(self, request: Request) -> bytes:
        # http.rs, query_influxql; the form of the list: influxdb3/tests/server/query.rs
        statement = _statement(request)
        if not statement:
            raise Refusal(framed(400, "serde error: missing field `q`"))
        if statement.upper() == "SHOW DATABASES":
            return self._databases(deleted=True)
        self._check_database(statement, request.parameters.get("db", ""))
        return framed(200, "[]", JSON, ANY_ORIGIN)

    def _check_database(self, statement: str, db: str) -> None:
        # http.rs, by reading it: query_influxql_inner and IntoResponse. The database is checked
        # before the statement; every error without a special status is a 500.
        if not db:
            raise Refusal(framed(500, NO_DATABASE))
        if db not in (*self.buckets, INTERNAL):
            raise Refusal(framed(404, self._message(f"query error: database not found: {db}")))
        if not statement.upper().startswith("SELECT "):
            operation = " ".join(statement.upper().split()[:2])
            text = f"This feature is not implemented: {operation}"
            raise Refusal(framed(500, f"query error: error while planning query: {text}"))

    def _list(self, request: Request, who: str) -> bytes:
        # http.rs, show_databases, by reading it. A token without admin rights gets a 403.
        if not (self.may(who, "r") and self.may(who, "w")):
            raise Refusal(framed(403))
        if "format" not in request.parameters:
            raise Refusal(framed(400, "serde error: missing field `format`"))
        return self._databases(deleted=request.parameters.get("show_deleted") == "true")

    def _databases(self, *, deleted: bool) -> bytes:
        rows: list[dict[str, object]] = [
            {"iox::database": name, **({"deleted": False} if deleted else {})}
            for name in sorted([*self.buckets, INTERNAL])
        ]
        return framed(200, _compact(rows), JSON, ANY_ORIGIN)

    def _login(self, request: Request) -> str:
        # http.rs, extract_v1_auth_token and validate_auth_header: p= comes first, u= is ignored,
        # and with Basic the token is the password.
        if request.path in ("/write", "/query") and "p" in request.parameters:
            return request.parameters["p"]
        scheme, credentials = request.authorization
        if not scheme:
            raise self._unauthenticated()
        if scheme in ("Bearer", "Token") and credentials and " " not in credentials:
            return credentials
        if request.basic is None or ":" in request.basic[1]:  # measured: at /ping too
            raise Refusal(framed(400, _error(MALFORMED)))
        return request.basic[1]

    def _unauthenticated(self) -> Refusal:
        # Measured: an empty body; http.rs: a text from 3.8 on.
        text = _error("the request was not authenticated") if self._release >= (3, 8) else ""
        return Refusal(framed(401, text))

    def _database(self, request: Request) -> str:
        # iox_http/src/write/v1.rs and single_tenant/mod.rs: a policy other than the default one
        # creates another database, "battery/raw"; http.rs, validate_db_name.
        if "db" not in request.parameters:
            why = "missing field `db`"
        elif request.parameters.get("precision", "") not in UNITS:
            why = f"unknown variant `{request.parameters['precision']}`"
        else:
            policy = request.parameters.get("rp", "").lower()
            name = request.parameters["db"]
            if policy not in ("", "''", "autogen", "default"):
                name += f"/{policy}"
            if re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)?", name):
                return name
            text = "invalid character in database name: must be ASCII, containing only letters, "
            raise Refusal(framed(400, self._message(f"{text}numbers, underscores, or hyphens")))
        text = f"failed to deserialize db/rp/precision in request: {why}"
        raise Refusal(framed(400, self._message(text)))

    def _message(self, text: str) -> str:
        # http.rs, ErrorMessage
        return _compact({"error": text, **({} if self._release >= (3, 8) else {"data": None})})


def _statement(request: Request) -> str:
    return " ".join(request.parameters.get("q", "").strip(" ;").split())


def _error(text: str) -> str:
    return json.dumps({"error": text})


def _compact(told: object) -> str:
    return json.dumps(told, separators=(",", ":"))


def _in_its_words(reason: str) -> str:
    # influxdb_line_protocol/src/lib.rs, in short: the text after "found" is left out.
    if reason.startswith("unable to parse integer"):
        return f"Unable to parse integer value `{reason.split()[4].rstrip(':')}`"
    if "tag" in reason:
        return "Tag set malformed"
    if "timestamp" in reason or reason in ("point is invalid", "invalid number"):
        return "Could not parse entire line. Found trailing content"
    return "No fields were provided"

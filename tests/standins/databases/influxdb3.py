"""A peer that answers as InfluxDB 3 Core does to what the daemon may ask.

Sources: "docs" is the documentation of InfluxDB 3 Core, docs.influxdata.com/influxdb3/core; http.rs
is influxdb3_server/src/http.rs of the source, influxdata/influxdb; the other files named are of
influxdata/influxdb3_core. Errors come without a Content-Type, and writes without a version.
What is left out: values that are older than a database's retention period are taken, as there.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping

from tests.standins.databases.influx_lines import TYPES, LineError, Point, Value, lines_of, parse
from tests.standins.databases.influx_peer import (
    Bucket,
    InfluxPeer,
    Refusal,
    Request,
    framed,
    results,
)

VERSION, REVISION = "3.4.1", "bc0eba0c8b"
ANY_ORIGIN = "Access-Control-Allow-Origin: *"  # http.rs, route_request
# iox_http/src/write/params.rs; nanoseconds when there is none (iox_http/src/write/v1.rs).
UNITS = {"": 1, "ns": 1, "n": 1, "us": 10**3, "u": 10**3, "ms": 10**6, "s": 10**9}
NAMED = 100  # rejected lines at the most: docs, "Troubleshoot issues writing data"
DATABASES = 5  # at the most: docs, "Manage databases"


class InfluxDB3(InfluxPeer):
    """An InfluxDB 3 Core; without a `token` it was started so that it asks for none.

    `rights` has for a token what it may: "r", "w" or "rw", which is the default. `open_ping` is the
    server's --disable-authz ping. A body of more than `limit` bytes, 10 MB unless told otherwise,
    is refused with `too_large`: 500 as the source has it for this API, 413 as the documents do.
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
    ) -> None:
        self.token = token
        self.too_large = too_large
        self.max_databases = max_databases
        self._tokens: tuple[str | None, ...] = (token, *more_tokens)
        self._open_ping = open_ping
        self._process = str(uuid.uuid4())
        super().__init__(db, limit=limit, rights=rights or {})

    def allow(self, token: str) -> None:
        """Know one more token from now on."""
        self._tokens += (token,)

    def excuse(self, status: int) -> tuple[str, tuple[str, ...]]:
        """Return the body and the headers with which it is busy."""
        return "this service is overloaded, please try again later", ()  # http.rs, RequestLimit

    def reply(self, request: Request) -> bytes:
        """Return the answer to a request, or raise Refusal."""
        # http.rs, route_request: the login comes first, even for what is not there.
        ping = request.path == "/ping"
        who = "" if self.token is None or (ping and self._open_ping) else _login(request)
        if who != "" and who not in self._tokens:
            raise _unauthenticated()
        match request.method, request.path:
            case "GET" | "POST", "/ping":
                return self._ping()
            case "POST", "/write":
                self.refuse_if_busy()
                self._write(request, who)
                return framed(204, "", ANY_ORIGIN)
            case "GET" | "POST", "/query":
                return self._query(request)
        raise Refusal(framed(404, "not found"))

    def _ping(self) -> bytes:
        # http.rs, HttpApi::ping; docs, "Server information", have the same fields.
        told = {"version": VERSION, "revision": REVISION, "process_id": self._process}
        number = uuid.uuid4()
        return framed(
            200,
            json.dumps(told, separators=(",", ":")),
            "Content-Type: application/json",
            f"Request-Id: {number}",
            "X-Influxdb-Build: Core",
            f"X-Influxdb-Version: {VERSION}",
            f"X-Request-Id: {number}",
            ANY_ORIGIN,
        )

    def _write(self, request: Request, who: str) -> None:
        name = _database(request)
        if not self.may(who, "w"):  # http.rs, Error::ResourceAuthorization
            raise Refusal(framed(403))
        if self.limit is not None and len(request.body) > self.limit:
            # http.rs: RequestSizeExceeded is 413 for /api/v2/write, and here none of those named.
            raise Refusal(framed(self.too_large, f"max request size ({self.limit} bytes) exceeded"))
        lines = lines_of(request.body)
        if not lines:  # influxdb3_write/src/write_buffer/mod.rs, EmptyWrite
            raise Refusal(framed(400, "incoming write was empty"))
        if name not in self.buckets:  # influxdb3_catalog: the write creates it, within bounds
            if len(self.buckets) >= self.max_databases:
                text = f"Adding a new database would exceed limit of {self.max_databases} databases"
                raise Refusal(framed(422, _error(text)))
            self.buckets[name] = Bucket()
        unit = UNITS[request.parameters.get("precision", "")]
        rejected = self._store(self.buckets[name], lines, unit)
        if rejected:
            body = {"error": "partial write of line protocol occurred", "data": rejected[:NAMED]}
            raise Refusal(framed(400, json.dumps(body, separators=(",", ":"))))

    def _store(self, bucket: Bucket, lines: list[str], unit: int) -> list[dict[str, object]]:
        # influxdb3_write/src/write_buffer/validator.rs: line by line, the good ones are kept.
        now = time.time_ns()
        rejected: list[dict[str, object]] = []
        for number, line in enumerate(lines, 1):
            original, why = line, ""
            try:
                point = parse(line)
            except LineError as error:
                why = _in_its_words(str(error))
            else:
                if conflict := bucket.conflict(point):
                    field, new, old = conflict
                    original, kind = _rendered(point), "iox::column_type::field::"
                    why = f"invalid column type for column '{field}', expected {kind}{old}, got "
                    why += f"{kind}{new}"
                else:
                    bucket.add(point, now if point.time is None else point.time * unit)
            if why:
                told = {"original_line": original, "line_number": number, "error_message": why}
                rejected.append(told)
        return rejected

    def _query(self, request: Request) -> bytes:
        # iox_v1_query_api/src/handler.rs: an error of a statement comes with status 200.
        statement = " ".join(request.parameters.get("q", "").strip(" ;").split())
        db = request.parameters.get("db", "")
        if not statement:
            text = "expected a query to be provided in the query string or body"
            raise Refusal(framed(400, _error(text)))
        if statement.upper() == "SHOW DATABASES":
            rows = [[name] for name in sorted(self.buckets)]
            text = results(series={"name": "databases", "columns": ["name"], "values": rows})
        elif not db:
            text = "must specify a 'db' parameter, or provide the database in the InfluxQL query"
            text = results(error=text)
        elif db not in self.buckets:
            text = results(error=f"database not found: {db}")
        else:  # iox_query_influxql/src/plan/planner.rs
            operation = " ".join(statement.upper().split()[:2])
            text = results(error=f"This feature is not implemented: {operation}")
        return framed(200, text, "Content-Type: application/json", ANY_ORIGIN)


def _login(request: Request) -> str:
    # http.rs, extract_v1_auth_token and validate_auth_header: p= comes first, u= means nothing, and
    # with Basic the token is the password.
    if request.path in ("/write", "/query") and "p" in request.parameters:
        return request.parameters["p"]
    scheme, credentials = request.authorization
    if not scheme:
        raise _unauthenticated()
    if scheme in ("Bearer", "Token") and credentials and " " not in credentials:
        return credentials
    if request.basic is None or ":" in request.basic[1]:
        text = (
            "Authorization header was malformed, the request was not in the form of "
            "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and "
            "Basic"
        )
        raise Refusal(framed(400, _error(text)))
    return request.basic[1]


def _unauthenticated() -> Refusal:
    return Refusal(framed(401, _error("the request was not authenticated")))


def _database(request: Request) -> str:
    # iox_http/src/write/v1.rs and single_tenant/mod.rs: another policy than the default one makes
    # another database, "battery/raw"; http.rs, validate_db_name.
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
        text = "invalid character in database name: must be ASCII, containing only letters, numbers"
        raise Refusal(framed(400, _error(f"{text}, underscores, or hyphens")))
    text = f"failed to deserialize db/rp/precision in request: {why}"
    raise Refusal(framed(400, _error(text)))


def _error(text: str) -> str:
    return json.dumps({"error": text})


def _in_its_words(reason: str) -> str:
    # influxdb_line_protocol/src/lib.rs, in short: what follows "found" is left out.
    if reason.startswith("unable to parse integer"):
        return f"Unable to parse integer value `{reason.split()[4].rstrip(':')}`"
    if "tag" in reason:
        return "Tag set malformed"
    if "timestamp" in reason or reason in ("point is invalid", "invalid number"):
        return "Could not parse entire line. Found trailing content"
    return "No fields were provided"


def _rendered(point: Point) -> str:
    # As docs, "Use the v3 write_lp API", show it: a text has lost its quotes.
    fields = ",".join(f"{name}={_shown(value)}" for name, value in point.fields.items())
    stamp = "" if point.time is None else f" {point.time}"
    return f"{point.key} {fields}{stamp}"


def _shown(value: Value) -> str:
    match TYPES[type(value)]:
        case "float":
            return f"{value:.15g}"
        case "integer":
            return f"{value}i"
        case "boolean":
            return str(value).lower()
    return str(value)

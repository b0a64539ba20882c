"""The Trouble for an answer of a database that decides nothing about rows. Pure."""

from __future__ import annotations

from shlex import quote
from urllib.parse import urljoin, urlsplit

from bat2influx.config.settings import Influx
from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.answers import Answer, Kind
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.http import Reply
from bat2influx.influx.influxql import quote_name
from bat2influx.influx.lineprotocol import measurement_of
from bat2influx.influx.secrets import Mask, mask_of
from bat2influx.influx.transport import bracketed
from bat2influx.printable import plain

# Answers of servers in Go, such as InfluxDB, and of nginx (INFLUXDB, last section).
REQUIRES_TLS = (
    b"HTTP request to an HTTPS server",
    b"plain HTTP request was sent to HTTPS port",
    b"speaking plain HTTP to an SSL-enabled server port",  # Apache
)
_NO_SUCH_PATH = "unsupported path"  # with 400, from VictoriaMetrics and its cluster
_MALFORMED = "Authorization header was malformed"  # with 400, InfluxDB 3's answer to a bad token
MOVED = frozenset({301, 302, 303, 307, 308})
NO_ADMIN = "create admin user first"  # with auth-enabled, before there is a user
_LONGEST = 200  # characters of an address in a message
_PORTS = {"http": 80, "https": 443}


class Diagnosis:
    """Diagnoses answers of one database, which is configured in `influx`."""

    def __init__(self, influx: Influx, config: str, mask: Mask | None = None) -> None:
        """`config` is the file to name in messages; `mask` is that of the HttpClient."""
        self._influx = influx
        self._config = config
        self._mask = mask or mask_of(influx)

    def of_answer(
        self, reply: Reply, reason: str | None, server: Server, where: str, asked: str
    ) -> Trouble:
        """Return the Trouble for a reply; `reason` is the server's own, None without one.

        `asked` is the requested path: ping, write or query.
        """
        influx, config, status = self._influx, self._config, reply.status
        peer = f"{server.name} at {where}"
        text = reason or reply.reason
        if influx.tls is None and requires_tls(reply):
            return influx_errors.database_tls_required(peer, config)
        token = bool(influx.token)
        if status == 401 or (status == 400 and _MALFORMED.encode() in reply.body):
            if token and server.dialect is Dialect.INFLUXDB1:
                return influx_errors.no_tokens(peer, config)
            return influx_errors.database_login(peer, influx.user, text, config, token=token)
        if NO_ADMIN in text:
            return influx_errors.no_admin(peer)
        if status in (502, 504) and reason is None:
            return influx_errors.behind_proxy(where, status, reply.reason)
        if status == 403:
            buckets = server.dialect is Dialect.INFLUXDB2
            return influx_errors.database_right(
                peer, influx.user, influx.db, text, token=token, buckets=buckets
            )
        if status in MOVED and (location := reply.headers.get("Location")):
            target, lines = moved_to(influx, self._mask(location), asked)
            who = peer if server.known else f"the database at {where}"
            return influx_errors.moved(who, f"{status} {reply.reason}", target, lines, config)
        if "retention policy not found" in text:
            policy = influx.retention_policy
            return influx_errors.no_retention_policy(peer, influx.db, policy, config)
        own = reason is not None
        who = peer if own else f"the database at {where}"
        if _NO_SUCH_PATH in text or (influx.path and status == 404 and not own):
            return influx_errors.no_such_path(who, status, config)
        return influx_errors.database_answer(who, status, text, config, own=own)

    def of_unknown_server(self, reply: Reply, where: str, asked: str) -> Trouble:
        """Return the Trouble for an answer that does not identify its server as a database."""
        status = reply.status
        if status // 100 == 2:
            return influx_errors.not_a_database(where, status, self._config)
        why = self.of_answer(reply, None, Server(), where, asked)
        if why.cause == f"database {status}" or status == 403:
            return influx_errors.unknown_server(where, status, reply.reason, self._config)
        return why

    def advice(self, answer: Answer, line: bytes) -> str:
        """Return what to do about a rejected row; '' if unknown.

        In InfluxDB 1 only DROP MEASUREMENT resets the type of a field (tested on 1.6.7: neither
        DELETE nor DROP SERIES does), and it has no effect while the name of another measurement
        begins with this one's (tested, too).
        """
        if answer.kind is not Kind.TYPE:
            return ""
        found, ours = measurement_of(line), self._influx.measurement
        first = answer.dialect is Dialect.INFLUXDB1
        ways = []
        if found == ours:
            apart = f", whose name does not begin with {found}," if first else ""
            where = f"under [Influx] in {self._config}"
            ways.append(f"set another measurement {where}{apart} and reload")
        if first:
            drop = quote(f"DROP MEASUREMENT {quote_name(found)}")
            ways.append(
                f"to free this one, run influx -database {quote(self._influx.db)} -execute {drop},"
                " which deletes all of it, minutes and hours included (without effect while the"
                " name of another measurement begins with it), then"
                " bat2influx spool --retry-rejected"
            )
        return "; or, ".join(ways)

    def no_database(self, server: Server, where: str, answer: str) -> Trouble:
        """Return the Trouble for a database that does not exist and cannot be created."""
        influx, peer = self._influx, f"{server.name} at {where}"
        if NO_ADMIN in answer:
            return influx_errors.no_admin(peer)
        if server.may_create:
            return influx_errors.no_database(peer, influx.user, influx.db, answer)
        login = "token" if influx.token else "user"
        policy = influx.retention_policy
        return influx_errors.no_bucket(peer, influx.db, policy, answer, self._config, login=login)


def requires_tls(reply: Reply) -> bool:
    """Return whether an answer says that the port requires TLS."""
    return reply.status == 400 and any(words in reply.body for words in REQUIRES_TLS)


def moved_to(influx: Influx, location: str, asked: str) -> tuple[str, list[str]]:
    """Return the target of a redirect of a request to `asked`, and the lines that lead there.

    There are no lines if the target is another request. The target is without its query, which may
    contain a secret.
    """
    scheme = "http" if influx.tls is None else "https"
    host = bracketed(influx.address)
    base = f"{scheme}://{host}:{influx.port}{influx.path}/{asked}"
    try:
        there = urlsplit(urljoin(base, location))
        port = there.port or _PORTS.get(there.scheme, 0)
        address = there.hostname or ""
    except ValueError:  # an invalid port or IPv6 address
        return plain(location, _LONGEST), []
    shown = plain(f"{there.scheme}://{there.netloc.rpartition('@')[2]}{there.path}", _LONGEST)
    path, slash, last = there.path.rpartition("/")
    other_api = path.endswith(("/api/v2", "/api/v3"))  # not usable as `path`
    if not (port and address and slash and last == asked) or other_api:
        return shown, []
    if influx.tls is not None and there.scheme != "https":  # never suggest to disable TLS
        return shown, []
    lines = []
    if address != influx.address.lower():
        lines.append(f"address = {plain(address, _LONGEST)}")
    if port != influx.port:
        lines.append(f"port = {port}")
    if path.rstrip("/") != influx.path:
        lines.append(f"path = {plain(path, _LONGEST) or '/'}")
    if there.scheme != scheme:
        lines.append(f"tls = {'yes' if there.scheme == 'https' else 'no'}")
    return shown, lines

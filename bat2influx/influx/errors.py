"""Messages for failures of the database.

`peer` names the database, as in "InfluxDB at localhost:8086".
"""

from __future__ import annotations

from collections.abc import Sequence

from bat2influx.failure import Backoff, Trouble

_QUEUED = "values are queued"


def database_unreachable(peer: str, why: str, config: str) -> Trouble:
    """No connection to the database, or the connection broke."""
    return Trouble(
        "database",
        f"{peer} is unreachable ({why}); check that it is running, and address and port"
        f" under [Influx] in {config}",
        Backoff.DATABASE,
        _QUEUED,
    )


def database_slow(peer: str, seconds: float) -> Trouble:
    """The database accepted a request and did not answer in time."""
    return Trouble(
        "database slow",
        f"{peer} does not answer within {seconds:g} s",
        Backoff.DATABASE,
        _QUEUED,
    )


def database_login(
    peer: str, user: str, answer: str, config: str, *, token: bool = False
) -> Trouble:
    """Status 401."""
    if token:
        problem, what = "rejects the token", "token"
    elif user:
        problem, what = f"rejects the login of user {user!r}", "user and password"
    else:
        problem, what = "requires a login", "user and password, or token,"
    return Trouble(
        "database login",
        f"{peer} {problem} ({answer}); set {what} under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def database_right(
    peer: str, user: str, db: str, answer: str, *, token: bool = False, buckets: bool = False
) -> Trouble:
    """Status 403; with `buckets` from InfluxDB 2, which grants write access to buckets."""
    who = "the token" if token else f"user {user!r}" if user else "requests without a login"
    if buckets and token:
        how = (
            f"create one with write access to the bucket of {db!r}, with influx auth create"
            " --write-bucket ID, and set it under [Influx]"
        )
    elif buckets and user:
        how = (
            f"create one with write access to the bucket of {db!r}, with influx v1 auth create"
            " --write-bucket ID --username NAME, and set it under [Influx]"
        )
    elif token:
        how = f"grant it write access to {db!r}, or set another token"
    elif user:
        how = f'as administrator of the database, enter GRANT WRITE ON "{db}" TO "{user}"'
    else:
        how = "set user and password under [Influx]"
    return Trouble(
        "database right",
        f"{peer} does not allow {who} to write ({answer}); {how}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def no_retention_policy(peer: str, db: str, policy: str, config: str) -> Trouble:
    """Status 500 with InfluxDB 1.6.7, which reports "retention policy not found"."""
    return Trouble(
        "no retention policy",
        f"the database {db!r} of {peer} has no retention policy {policy!r}; create it,"
        f" or correct retention_policy in {config}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def no_bucket(
    peer: str, db: str, policy: str, answer: str, config: str, *, login: str = "token"
) -> Trouble:
    """Status 404 with InfluxDB 2, also for a bucket that the login has no access to (INFLUXDB)."""
    what = f"{db!r}, policy {policy!r}" if policy else repr(db)
    if login == "token":
        how = "influx auth create --write-bucket ID"
    else:
        how = "influx v1 auth create --write-bucket ID --username NAME"
    return Trouble(
        "no database",
        f"{peer} has no bucket for the database {what}, or the {login} has no access to it"
        f" ({answer}). If there is none, create it as 'bat2influx setup-db' prints, or correct db"
        f" and retention_policy in {config}. If there is one, the {login} is for another bucket, or"
        f" older than this one; create a new {login} with {how}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def no_admin(peer: str) -> Trouble:
    """InfluxDB 1 with auth-enabled, before its first user is created."""
    make = "CREATE USER admin WITH PASSWORD '…' WITH ALL PRIVILEGES"
    return Trouble(
        "database login",
        f"{peer} requires a login and has no administrator yet; create one with influx -execute"
        f' "{make}", then run bat2influx setup-db --admin admin',
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def no_tokens(peer: str, config: str) -> Trouble:
    """A token is set for InfluxDB 1, which has users instead."""
    return Trouble(
        "database login",
        f"{peer} has version 1, which supports no tokens; set user and password instead under"
        f" [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def behind_proxy(where: str, status: int, words: str) -> Trouble:
    """Status 502 or 504, from a proxy."""
    return Trouble(
        f"database {status}",
        f"a proxy at {where} cannot connect to the database behind it ({status} {words}); check"
        " that the database is running",
        Backoff.DATABASE,
        _QUEUED,
    )


def no_database(peer: str, user: str, db: str, answer: str) -> Trouble:
    """The database does not exist, and the user may not or the server cannot create it."""
    if "not authorized" in answer:
        what = f"and user {user!r} may not create it"
        how = f'enter CREATE DATABASE "{db}"; GRANT WRITE ON "{db}" TO "{user}"'
    else:
        what = f"and does not create it ({answer})"
        how = f'enter CREATE DATABASE "{db}"'
    return Trouble(
        "no database",
        f"{peer} has no database {db!r}, {what}; as administrator of the database, {how}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def database_tls(peer: str, what: str, config: str, *, trusted: bool = False) -> Trouble:
    """No TLS with the server; `what` is a TlsFault's text.

    With `trusted` the configuration names the trusted certificate, so that the message must not
    suggest tls = no.
    """
    if trusted:
        how = f"this may not be your database; check address and port under [Influx] in {config}"
    else:
        how = f"check port and tls under [Influx] in {config}"
    return Trouble(
        "database tls",
        f"{peer} {what}; {how}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def database_tls_required(peer: str, config: str) -> Trouble:
    """Status 400 "Client sent an HTTP request to an HTTPS server", or an answer in TLS."""
    return Trouble(
        "database tls",
        f"{peer} requires TLS; set tls = yes under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def database_certificate(peer: str, what: str, pin: str, config: str) -> Trouble:
    """The server's certificate is not trusted; the command `pin` prints the line that trusts it."""
    return Trouble(
        "database certificate",
        f"the certificate of {peer} {what}; this may not be your database. If you know that it is,"
        f" set ca_file to the certificate of its authority, or add the line that '{pin}' prints,"
        f" under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def database_certificate_changed(
    peer: str, shown: str, pinned: str, pin: str, config: str
) -> Trouble:
    """The server's certificate is not the pinned one."""
    return Trouble(
        "database certificate",
        f"{peer} shows a certificate other than the one pinned in {config}: {shown} instead of"
        f" {pinned}; this may not be your database. If you have a reason to trust it, replace the"
        f" line with the one that '{pin}' prints",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def client_certificate(peer: str, what: str, config: str) -> Trouble:
    """The server requires a client certificate, or does not trust the configured one."""
    return Trouble(
        "database certificate",
        f"{peer} {what}; set client_cert and client_key under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def trust_unreadable(what: str, why: str, config: str) -> Trouble:
    """A file with certificates or a key is missing or unusable since the configuration was read."""
    return Trouble(
        "database certificate",
        f"{what} under [Influx] in {config} cannot be used ({why}); correct the setting or the"
        " file",
        Backoff.DATABASE_LOGIN,
        _QUEUED,
    )


def no_such_path(peer: str, status: int, config: str) -> Trouble:
    """The server accepts values at another path only."""
    return Trouble(
        "database answer: path",
        f"{peer} accepts no values at that path (status {status}); check path under [Influx] in"
        f" {config}: it is empty for most databases, and insert/0/influx for a cluster of"
        " VictoriaMetrics",
        Backoff.DATABASE,
        _QUEUED,
    )


def database_answer(peer: str, status: int, answer: str, config: str, *, own: bool) -> Trouble:
    """Any other answer: of a failing database or, if not its `own`, of another program."""
    if own:
        what = f"{peer} answers {status} {answer}"
    else:
        what = (
            f"{peer} answers {status} {answer}, not as InfluxDB does; check address"
            f" and port under [Influx] in {config}"
        )
    return Trouble(f"database {status}", what, Backoff.DATABASE, _QUEUED)


def not_a_database(where: str, status: int, config: str) -> Trouble:
    """A server answers, even with success, but does not identify itself as a database."""
    return Trouble(
        "database answer: not a database",
        f"the server at {where} does not identify itself as a database (status {status}): it may be"
        " the login page of a network, or a proxy that blocks /ping; until it does, no value counts"
        f" as stored. Check address and port under [Influx] in {config}",
        Backoff.DATABASE,
        _QUEUED,
    )


def unknown_server(where: str, status: int, words: str, config: str) -> Trouble:
    """A server answers with an error and does not identify itself as a database."""
    return Trouble(
        f"database {status}",
        f"the database at {where} answers {status} {words}, not as InfluxDB does; check address and"
        f" port under [Influx] in {config}, and that a proxy in front of it passes /ping",
        Backoff.DATABASE,
        _QUEUED,
    )


def moved(peer: str, status: str, target: str, lines: Sequence[str], config: str) -> Trouble:
    """Status 301, 302, 303, 307 or 308; `lines` of the ini lead to the target, where they can."""
    if lines:
        what = f"set {', '.join(lines)} under [Influx] in {config}"
    else:
        what = (
            "which is another request, as with the login page of a network; check address and port"
            f" under [Influx] in {config}"
        )
    return Trouble(
        "database answer: moved",
        f"{peer} answers {status} and redirects to {target}{';' if lines else ','} {what}",
        Backoff.DATABASE,
        _QUEUED,
    )


def rejects_all(peer: str, reason: str) -> Trouble:
    """The server rejected lines as bad, and accepted none that would prove that it works."""
    return Trouble(
        "database answer: refuses all",
        f"{peer} rejects every value ({reason}); none is dropped{_disk(reason)}",
        Backoff.DATABASE,
        _QUEUED,
    )


def _disk(reason: str) -> str:
    return "; free space on its disk" if "no space left" in reason else ""


def rows_rejected(peer: str, count: int, reason: str) -> Trouble:
    """The server rejected lines with a reason that is not known as a fault of a line."""
    return Trouble(
        "database answer: refused",
        f"{peer} rejects {count} {'value' if count == 1 else 'values'} ({reason}), but the reason"
        " may not be in the values; they are sent again",
        Backoff.ROWS,
        _QUEUED,
    )


def too_large_alone(peer: str, size: int) -> Trouble:
    """Status 413, or its equivalent, to a body with one line."""
    return Trouble(
        "database answer: too large",
        f"{peer}, or a proxy in front of it, rejects even one value of {size} bytes as too large;"
        " allow larger requests, as with client_max_body_size of nginx",
        Backoff.ROWS,
        _QUEUED,
    )

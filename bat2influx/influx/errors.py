"""What can go wrong with the database, in the words that people read.

`peer` says which one it is, as in "InfluxDB at localhost:8086".
"""

from __future__ import annotations

from collections.abc import Sequence

from bat2influx.failure import Backoff, Trouble

_KEPT = "values are kept"


def database_unreachable(peer: str, why: str, config: str) -> Trouble:
    """No connection to the database, or it broke."""
    return Trouble(
        "database",
        f"{peer} cannot be reached ({why}); is it running, and are address and port"
        f" under [Influx] in {config} right?",
        Backoff.DATABASE,
        _KEPT,
    )


def database_slow(peer: str, seconds: float) -> Trouble:
    """The database took a request and did not end it in time."""
    return Trouble(
        "database slow",
        f"{peer} does not answer within {seconds:g} s",
        Backoff.DATABASE,
        _KEPT,
    )


def database_login(
    peer: str, user: str, answer: str, config: str, *, token: bool = False
) -> Trouble:
    """401."""
    if token:
        who, what = "the token", "token"
    elif user:
        who, what = f"user {user!r} or its password", "user and password"
    else:
        who, what = "us, for it wants a login", "user and password, or token,"
    return Trouble(
        "database login",
        f"{peer} refuses {who} ({answer}); set {what} under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def database_right(
    peer: str, user: str, db: str, answer: str, *, token: bool = False, buckets: bool = False
) -> Trouble:
    """403; with `buckets` it is InfluxDB 2, which gives rights to write to one of those."""
    who = "the token" if token else f"user {user!r}" if user else "us"
    if buckets and token:
        how = (
            f"make one that may write to the bucket of {db!r}, as by influx auth create"
            " --write-bucket ID, and set it under [Influx]"
        )
    elif buckets and user:
        how = (
            f"make one that may write to the bucket of {db!r}, as by influx v1 auth create"
            " --write-bucket ID --username NAME, and set it under [Influx]"
        )
    elif token:
        how = f"give it the right to write to {db!r}, or set another"
    elif user:
        how = f'as its administrator, enter GRANT WRITE ON "{db}" TO "{user}"'
    else:
        how = "set user and password under [Influx]"
    return Trouble(
        "database right",
        f"{peer} does not let {who} write ({answer}); {how}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def no_retention_policy(peer: str, db: str, policy: str, config: str) -> Trouble:
    """500 with InfluxDB 1.6.7, in whose words it is "not found"."""
    return Trouble(
        "no retention policy",
        f"the database {db!r} of {peer} has no retention policy {policy!r}; create it,"
        f" or correct retention_policy in {config}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def no_bucket(
    peer: str, db: str, policy: str, answer: str, config: str, *, login: str = "token"
) -> Trouble:
    """404 with InfluxDB 2, which says so of a bucket that the login is not for, too (INFLUXDB)."""
    what = f"{db!r}, policy {policy!r}" if policy else repr(db)
    if login == "token":
        how = "influx auth create --write-bucket ID makes one that may"
    else:
        how = "influx v1 auth create --write-bucket ID --username NAME makes one that may"
    return Trouble(
        "no database",
        f"{peer} knows no bucket for the database {what}, or the {login} may not see it ({answer})."
        " There is none: make it as 'bat2influx setup-db' prints, or correct db and"
        f" retention_policy in {config}. There is one: the {login} is for another, or from before"
        f" it was made anew; {how}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def no_admin(peer: str) -> Trouble:
    """InfluxDB 1 with auth-enabled, before its first user is made."""
    make = "CREATE USER admin WITH PASSWORD '…' WITH ALL PRIVILEGES"
    return Trouble(
        "database login",
        f"{peer} wants a login and has no administrator yet; make one, by influx -execute"
        f' "{make}", and then bat2influx setup-db --admin admin',
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def no_tokens(peer: str, config: str) -> Trouble:
    """A token for InfluxDB 1, which has users."""
    return Trouble(
        "database login",
        f"{peer} is of version 1, which takes no token; set user and password in its place under"
        f" [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def behind_proxy(where: str, status: int, words: str) -> Trouble:
    """502 or 504 of somebody else's."""
    return Trouble(
        f"database {status}",
        f"a proxy at {where} does not reach the database behind it ({status} {words}); is that"
        " running?",
        Backoff.DATABASE,
        _KEPT,
    )


def no_database(peer: str, user: str, db: str, answer: str) -> Trouble:
    """The database is not there and may not, or cannot, be created."""
    if "not authorized" in answer:
        what = f"and user {user!r} may not create it"
        how = f'enter CREATE DATABASE "{db}"; GRANT WRITE ON "{db}" TO "{user}"'
    else:
        what = f"and does not create it ({answer})"
        how = f'enter CREATE DATABASE "{db}"'
    return Trouble(
        "no database",
        f"{peer} has no database {db!r} {what}; as its administrator, {how}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def database_tls(peer: str, what: str, config: str, *, trusted: bool = False) -> Trouble:
    """No TLS with the server; `what` is what it does, or does not.

    With `trusted` the file says which certificate it has to show: nothing leads around that then.
    """
    if trusted:
        how = f"this may not be your database; are address and port under [Influx] in {config}"
    else:
        how = f"are port and tls under [Influx] in {config}"
    return Trouble(
        "database tls",
        f"{peer} {what}; {how} right?",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def database_tls_wanted(peer: str, config: str) -> Trouble:
    """400 with "Client sent an HTTP request to an HTTPS server", or nothing that is HTTP."""
    return Trouble(
        "database tls",
        f"{peer} wants TLS; write tls = yes under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def database_certificate(peer: str, what: str, pin: str, config: str) -> Trouble:
    """The server's certificate is not to be trusted; `pin` prints the line by which it would be."""
    return Trouble(
        "database certificate",
        f"the certificate of {peer} {what}; this may not be your database. If you know that it is,"
        f" write ca_file with who has signed it, or the line that '{pin}' prints, under [Influx] in"
        f" {config}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def database_certificate_changed(
    peer: str, shown: str, pinned: str, pin: str, config: str
) -> Trouble:
    """Not the certificate that is pinned."""
    return Trouble(
        "database certificate",
        f"{peer} shows another certificate than the one pinned in {config}: {shown} instead of"
        f" {pinned}; this may not be your database. If you have a reason to trust it, replace the"
        f" line by the one that '{pin}' prints",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def client_certificate(peer: str, what: str, config: str) -> Trouble:
    """It wants a certificate of ours, or has no trust in the one there is."""
    return Trouble(
        "database certificate",
        f"{peer} {what}; set client_cert and client_key under [Influx] in {config}",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def trust_unreadable(what: str, why: str, config: str) -> Trouble:
    """A file with certificates, or a key, is not there any more, or no longer one."""
    return Trouble(
        "database certificate",
        f"{what} under [Influx] in {config} cannot be used ({why}); put it right there",
        Backoff.DATABASE_LOGIN,
        _KEPT,
    )


def no_such_path(peer: str, status: int, config: str) -> Trouble:
    """It is there, and takes values at another address."""
    return Trouble(
        "database answer: path",
        f"{peer} takes no values at that path (status {status}); is path under [Influx] in {config}"
        " right? It is empty for most, and insert/0/influx for VictoriaMetrics' cluster",
        Backoff.DATABASE,
        _KEPT,
    )


def database_answer(peer: str, status: int, answer: str, config: str, *, own: bool) -> Trouble:
    """Any other answer: that of a server in trouble or, if not its `own`, of something else."""
    if own:
        what = f"{peer} answers {status} {answer}"
    else:
        what = (
            f"{peer} answers {status} {answer}, not as InfluxDB does; are address"
            f" and port under [Influx] in {config} right?"
        )
    return Trouble(f"database {status}", what, Backoff.DATABASE, _KEPT)


def not_a_database(where: str, status: int, config: str) -> Trouble:
    """Something answers, be it yes, and does not say that it is a database."""
    return Trouble(
        "database answer: not a database",
        f"what answers at {where} does not say that it is a database (status {status}), as the"
        " login page of a network, or a proxy that keeps /ping to itself; nothing counts as stored"
        f" before it does. Are address and port under [Influx] in {config} right?",
        Backoff.DATABASE,
        _KEPT,
    )


def nobody_known(where: str, status: int, words: str, config: str) -> Trouble:
    """Something answers, and neither to /ping nor otherwise says that it is a database."""
    return Trouble(
        f"database {status}",
        f"the database at {where} answers {status} {words}, not as InfluxDB does; are address and"
        f" port under [Influx] in {config} right, and does a proxy before it let /ping through?",
        Backoff.DATABASE,
        _KEPT,
    )


def moved(peer: str, status: str, target: str, lines: Sequence[str], config: str) -> Trouble:
    """301, 302, 303, 307 or 308; `lines` of the ini lead to where it points, if they do."""
    if lines:
        what = f"write {', '.join(lines)} under [Influx] in {config}"
    else:
        what = (
            "which is not the same request at another place, as with the login page of a network;"
            f" are address and port under [Influx] in {config} right?"
        )
    return Trouble(
        "database answer: moved",
        f"{peer} answers {status} and points to {target}{';' if lines else ','} {what}",
        Backoff.DATABASE,
        _KEPT,
    )


def refuses_all(peer: str, reason: str) -> Trouble:
    """Rows were refused as bad rows are, and none was taken that would prove that it takes any."""
    return Trouble(
        "database answer: refuses all",
        f"{peer} refuses every value ({reason}); none is given up{_disk(reason)}",
        Backoff.DATABASE,
        _KEPT,
    )


def _disk(reason: str) -> str:
    return "; free space on its disk" if "no space left" in reason else ""


def rows_refused(peer: str, count: int, reason: str) -> Trouble:
    """Rows were refused for what nobody knows as a fault of a row."""
    return Trouble(
        "database answer: refused",
        f"{peer} refuses {count} {'value' if count == 1 else 'values'} ({reason}), and it is not"
        " clear that these are what is wrong; they are tried again",
        Backoff.ROWS,
        _KEPT,
    )


def too_large_alone(peer: str, size: int) -> Trouble:
    """413, or its like, to a body with one row."""
    return Trouble(
        "database answer: too large",
        f"{peer}, or a proxy before it, finds even one value of {size} bytes too large; allow it"
        " larger requests, as by client_max_body_size of nginx",
        Backoff.ROWS,
        _KEPT,
    )

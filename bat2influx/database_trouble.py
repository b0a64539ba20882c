"""What can go wrong with the database, in the words that people read; the rest is in trouble.py."""

from __future__ import annotations

from bat2influx.backoff import Kind
from bat2influx.trouble import Trouble

_KEPT = "values are kept"


def database_unreachable(where: str, why: str, config: str) -> Trouble:
    """No connection to the database, or it broke."""
    return Trouble(
        "database",
        f"InfluxDB at {where} cannot be reached ({why}); is it running, and are address and port"
        f" under [Influx] in {config} right?",
        Kind.DATABASE,
        _KEPT,
    )


def database_slow(where: str, seconds: float) -> Trouble:
    """The database took a request and did not end it in time."""
    return Trouble(
        "database slow",
        f"InfluxDB at {where} does not answer within {seconds:g} s",
        Kind.DATABASE,
        _KEPT,
    )


def database_login(where: str, user: str, answer: str, config: str) -> Trouble:
    """401."""
    who = f"user {user!r} or its password" if user else "us, for it wants a user and a password"
    return Trouble(
        "database login",
        f"InfluxDB at {where} refuses {who} ({answer}); set user and password under [Influx] in"
        f" {config}",
        Kind.DATABASE_LOGIN,
        _KEPT,
    )


def database_right(where: str, user: str, db: str, answer: str) -> Trouble:
    """403."""
    if user:
        who, how = (
            f"user {user!r}",
            f'as its administrator, enter GRANT WRITE ON "{db}" TO "{user}"',
        )
    else:
        who, how = "us", "set user and password under [Influx]"
    return Trouble(
        "database right",
        f"InfluxDB at {where} does not let {who} write ({answer}); {how}",
        Kind.DATABASE_LOGIN,
        _KEPT,
    )


def no_retention_policy(where: str, db: str, policy: str, config: str) -> Trouble:
    """500 with InfluxDB 1.6.7, in whose words it is "not found"."""
    return Trouble(
        "no retention policy",
        f"the database {db!r} of InfluxDB at {where} has no retention policy {policy!r}; create it,"
        f" or correct retention_policy in {config}",
        Kind.DATABASE_LOGIN,
        _KEPT,
    )


def no_database(where: str, user: str, db: str, answer: str) -> Trouble:
    """The database is not there and may not, or cannot, be created."""
    if "not authorized" in answer:
        what = f"and user {user!r} may not create it"
        how = f'enter CREATE DATABASE "{db}" and GRANT WRITE ON "{db}" TO "{user}"'
    else:
        what = f"and does not create it ({answer})"
        how = f'enter CREATE DATABASE "{db}"'
    return Trouble(
        "no database",
        f"InfluxDB at {where} has no database {db!r} {what}; as its administrator, {how}",
        Kind.DATABASE_LOGIN,
        _KEPT,
    )


def database_answer(where: str, status: int, answer: str, config: str, *, own: bool) -> Trouble:
    """Any other answer: that of a server in trouble or, if not its `own`, of something else."""
    if own:
        what = f"InfluxDB at {where} answers {status} {answer}"
    else:
        what = (
            f"the database at {where} answers {status} {answer}, not as InfluxDB does; are address"
            f" and port under [Influx] in {config} right?"
        )
    return Trouble(f"database {status}", what, Kind.DATABASE, _KEPT)

"""Statements of InfluxQL 1, as texts.

Pure. Input from outside is always quoted. A secret is in a statement's text, never in its printed
form. Durations are whole seconds; 0 is for ever, as in InfluxDB.

Source: InfluxData, "InfluxQL reference" of InfluxDB 1; tested on 1.6.7.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from bat2influx.printable import without

HOUR = 3600
DAY = 24 * HOUR
FOREVER = 0
HIDDEN = "…"  # in place of a secret

_UNITS = {"s": 1, "m": 60, "h": HOUR, "d": DAY, "w": 7 * DAY}
_LONGEST_DURATION = 36_500 * DAY  # a century; InfluxDB counts in ns, and ends at 292 years
_GO_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)(?:\.[0-9]+)?s)?")
# The text after an unclosed quote is one token. Otherwise the pattern would search from each of its
# quotes to the end of the text. It never backtracks, for the same reason.
_TOKEN = re.compile(
    r""" "(?P<name>(?:\\.|[^"\\])*+)" | (?P<text>'(?:\\.|[^'\\])*+') | (?P<word>\w++)
        | ["'].*+ | \S """,
    re.VERBOSE | re.DOTALL,
)
_DURATION = re.compile(r"([0-9]{1,12})([smhdw])")  # of more digits int() may refuse


class StatementError(Exception):
    """The server rejected a statement; the text is the server's own."""


class Statement(NamedTuple):
    """A statement; `shown` is its printed form, with HIDDEN in place of a secret."""

    text: str
    shown: str

    def __repr__(self) -> str:
        return without(["text"], self)


def plain_statement(text: str) -> Statement:
    """Return a statement without a secret."""
    return Statement(text, text)


def quote_name(text: str) -> str:
    """Quote the name of a database, a policy, a measurement, a field or a user."""
    return '"' + _escaped(text).replace('"', '\\"') + '"'


def quote_string(text: str) -> str:
    """Quote a string."""
    return "'" + _escaped(text).replace("'", "\\'") + "'"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def duration(seconds: int) -> str:
    """Return a duration in the form of InfluxQL: 90d, 36h, INF."""
    if seconds == FOREVER:
        return "INF"
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def readable_duration(seconds: int) -> str:
    """Return how long values are kept, as the end of a sentence."""
    return "for ever" if seconds == FOREVER else f"for {duration(seconds)}"


def parse_duration(text: str, least: int = HOUR) -> int:
    """Read a duration of the command line, such as 90d or forever, in s.

    Raises ValueError, with a text for users, if it is invalid or shorter than `least`.
    """
    if text == "forever":
        return FOREVER
    match = _DURATION.fullmatch(text)
    if match is None or not text.isascii() or len(text) > 12:
        raise ValueError(
            f"{text[:40]!r} must be a number and s, m, h, d or w, as in 90d, or forever"
        )
    seconds = int(match[1]) * _UNITS[match[2]]
    if not least <= seconds <= _LONGEST_DURATION:
        raise ValueError(
            f"{text!r} must be from {duration(least)} to {duration(_LONGEST_DURATION)}, or forever"
        )
    return seconds


def server_duration(text: str) -> int:
    """Return a duration of SHOW RETENTION POLICIES, such as 2160h0m0s, in s; 0 is for ever.

    Raises ValueError.
    """
    match = _GO_DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration: {text!r}")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * HOUR + minutes * 60 + seconds


def create_database(db: str, policy: str, kept: int) -> Statement:
    """Create a database whose default policy keeps values for `kept` s."""
    return plain_statement(
        f"CREATE DATABASE {quote_name(db)} WITH DURATION {duration(kept)} REPLICATION 1"
        f" NAME {quote_name(policy)}"
    )


def create_policy(
    db: str, policy: str, kept: int, *, shard: int = 0, default: bool = False
) -> Statement:
    """Create a retention policy; with a `shard` of 0 s the server chooses the shard duration."""
    return plain_statement(
        f"CREATE RETENTION POLICY {quote_name(policy)} ON {quote_name(db)}"
        f" DURATION {duration(kept)} REPLICATION 1{_shard(shard)}{' DEFAULT' if default else ''}"
    )


def alter_policy(db: str, policy: str, kept: int, *, shard: int = 0) -> Statement:
    """Change how long a policy keeps values; a `shard` of 0 s keeps the shard duration."""
    return plain_statement(
        f"ALTER RETENTION POLICY {quote_name(policy)} ON {quote_name(db)} DURATION {duration(kept)}"
        f"{_shard(shard)}"
    )


def _shard(seconds: int) -> str:
    return f" SHARD DURATION {duration(seconds)}" if seconds else ""


def drop_query(db: str, query: str) -> Statement:
    """Remove a continuous query."""
    return plain_statement(f"DROP CONTINUOUS QUERY {quote_name(query)} ON {quote_name(db)}")


def create_user(user: str, password: str) -> Statement:
    """Create a user without any right."""
    return _with_secret(f"CREATE USER {quote_name(user)} WITH PASSWORD ", password)


def set_password(user: str, password: str) -> Statement:
    """Change the password of a user."""
    return _with_secret(f"SET PASSWORD FOR {quote_name(user)} = ", password)


def _with_secret(text: str, secret: str) -> Statement:
    return Statement(text + quote_string(secret), text + quote_string(HIDDEN))


def grant(right: str, db: str, user: str) -> Statement:
    """Give `user` a right, WRITE or ALL, which replaces its present right in `db`."""
    return plain_statement(f"GRANT {right} ON {quote_name(db)} TO {quote_name(user)}")


def tokens(statement: str, most: int | None = None) -> tuple[str, ...]:
    """Return the first `most` parts of a statement, or all, without their quotes, for comparison.

    A server prints a statement in its own form: 1d for 24h, a name without unnecessary quotes. Its
    text may be anything: the run time is linear in its length.
    """
    return tuple(map(_plain_token, islice(_TOKEN.finditer(statement), most)))


def _plain_token(match: re.Match[str]) -> str:
    if match["name"] is not None:
        return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), match["name"])
    if match["word"] and (found := _DURATION.fullmatch(match["word"])):
        return f"{int(found[1]) * _UNITS[found[2]]}s"
    return match[0]

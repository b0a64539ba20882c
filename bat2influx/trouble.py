"""What can go wrong with a peer, in the words that people read.

Every text says what is wrong, where, and what to do; the journal, STATUS= and the command line
take it from here, so that one cause has one name everywhere. No text ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bat2influx.backoff import Kind


class Trouble(NamedTuple):
    """A failure of a peer: `cause` is its short name, `text` is for people."""

    cause: str
    text: str
    kind: Kind = Kind.BROKER


def name_unknown(host: str, config: str) -> Trouble:
    """No address for `host`."""
    return Trouble("name", f"cannot resolve {host}; set address in {config}")


def refused(host: str, port: int) -> Trouble:
    """The host is there and nobody listens."""
    return Trouble(
        "refused",
        f"{host} refuses port {port}; switch on MQTT in the device's settings"
        ' (the security profile "Secured" closes port 1883)',
    )


def unreachable(host: str, port: int, why: str) -> Trouble:
    """No way to the host, or no answer from it."""
    return Trouble(
        "unreachable",
        f"cannot reach {host} port {port} ({why}); is the device on, and in this network?",
    )


def not_mqtt(host: str, port: int, what: str) -> Trouble:
    """Connected, and then nothing that is MQTT."""
    return Trouble(
        "protocol", f"{host} port {port} {what}; are address and port those of the device?"
    )


def closed(host: str, why: str) -> Trouble:
    """The connection was there and has ended."""
    return Trouble("closed", f"{host} ended the connection ({why})")


def login_refused(host: str, user: str, has_password: bool, config: str) -> Trouble:
    """CONNACK 4 or 5. VENUS: only the password counts; it comes after 1 to 6 s."""
    what = "the password was wrong" if has_password else "it wants a password"
    return Trouble(
        "login",
        f"{host} refused the login of {user!r}: {what}; set password in {config} to the device's"
        " (on it: Settings, General, Access & Security), then restart bat2influx",
        Kind.LOGIN,
    )


def connack_refused(host: str, what: str) -> Trouble:
    """Any other refusal by CONNACK."""
    return Trouble("connack", f"{host} refused the connection: {what}", Kind.LOGIN)


def no_portal(host: str, config: str) -> Trouble:
    """No retained Serial, so that the portal id is not known."""
    return Trouble("portal", f"no device has said its portal id at {host}; set serial in {config}")


def fields_missing(host: str, services: Sequence[str], silent: Sequence[str]) -> Trouble:
    """The device answers, but not for everything: services it has not, paths that stay silent."""
    parts = []
    if services:
        parts.append(f"has no {', '.join(services)}")
    if silent:
        parts.append(f"does not answer for {', '.join(silent)}")
    what = " and ".join(parts)
    return Trouble(f"missing: {what}", f"the device at {host} {what}; asking again now and then")


def device_silent(host: str, portal: str) -> Trouble:
    """The broker is there and the device behind it says nothing."""
    return Trouble(
        "silent",
        f"device {portal} at {host} is silent; is it on, and are serial and instance right?",
    )


def database_unreachable(where: str, why: str) -> Trouble:
    """No connection to the database, or it broke."""
    return Trouble(
        "database", f"InfluxDB at {where} cannot be reached ({why}); values are kept", Kind.DATABASE
    )


def database_slow(where: str, seconds: float) -> Trouble:
    """The database took a request and did not end it in time."""
    return Trouble(
        "database slow",
        f"InfluxDB at {where} does not answer within {seconds:g} s; values are kept",
        Kind.DATABASE,
    )


def database_login(where: str, user: str, answer: str, config: str) -> Trouble:
    """401 or 403."""
    who = f"user {user!r}" if user else "us, without a user"
    return Trouble(
        "database login",
        f"InfluxDB at {where} refuses {who} ({answer}); set user and password under [Influx] in"
        f" {config}, and give that user the right to write; values are kept",
        Kind.DATABASE_LOGIN,
    )


def no_database(where: str, db: str, answer: str) -> Trouble:
    """The database is not there and may not be created."""
    return Trouble(
        "no database",
        f"InfluxDB at {where} has no database {db!r} and does not create it ({answer});"
        " create it as an administrator; values are kept",
        Kind.DATABASE_LOGIN,
    )


def database_answer(where: str, status: int, answer: str) -> Trouble:
    """Any other answer: that of a server in trouble, or of something else."""
    return Trouble(
        f"database {status}",
        f"the database at {where} answers {status} {answer}; values are kept",
        Kind.DATABASE,
    )

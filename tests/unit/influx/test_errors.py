"""Messages for failures of the database: cause, delay, and fitting advice."""

from __future__ import annotations

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.influx import errors

PEER, INI, PIN = "InfluxDB at db:8086", "/etc/x.ini", "bat2influx pin db:8086"
SOON, LATER = Backoff.DATABASE, Backoff.DATABASE_LOGIN


@pytest.mark.parametrize(
    ("trouble", "cause", "backoff"),
    [
        (errors.database_unreachable(PEER, "x", INI), "database", SOON),
        (errors.database_slow(PEER, 8.0), "database slow", SOON),
        (errors.no_such_path(PEER, 404, INI), "database answer: path", SOON),
        (errors.database_answer(PEER, 503, "x", INI, own=True), "database 503", SOON),
        (errors.database_answer(PEER, 200, "x", INI, own=False), "database 200", SOON),
        (errors.database_login(PEER, "u", "x", INI), "database login", LATER),
        (errors.database_right(PEER, "u", "db", "x"), "database right", LATER),
        (errors.no_retention_policy(PEER, "db", "p", INI), "no retention policy", LATER),
        (errors.no_bucket(PEER, "db", "", "x", INI), "no database", LATER),
        (errors.no_database(PEER, "u", "db", "x"), "no database", LATER),
        (errors.no_admin(PEER), "database login", LATER),
        (errors.no_tokens(PEER, INI), "database login", LATER),
        (errors.behind_proxy("db:8086", 502, "Bad Gateway"), "database 502", SOON),
        (errors.not_a_database("db:8086", 204, INI), "database answer: not a database", SOON),
        (
            errors.moved(PEER, "301 Moved", "https://x/", ["tls = yes"], INI),
            "database answer: moved",
            SOON,
        ),
        (errors.rejects_all(PEER, "x"), "database answer: refuses all", SOON),
        (errors.rows_rejected(PEER, 2, "x"), "database answer: refused", Backoff.ROWS),
        (errors.too_large_alone(PEER, 99), "database answer: too large", Backoff.ROWS),
        (errors.unknown_server("db:8086", 403, "x", INI), "database 403", SOON),
        (errors.database_tls(PEER, "x", INI), "database tls", LATER),
        (errors.database_tls_required(PEER, INI), "database tls", LATER),
        (errors.database_certificate(PEER, "x", PIN, INI), "database certificate", LATER),
        (
            errors.database_certificate_changed(PEER, "a", "b", PIN, INI),
            "database certificate",
            LATER,
        ),
        (errors.client_certificate(PEER, "x", INI), "database certificate", LATER),
        (errors.trust_unreadable("f", "x", INI), "database certificate", LATER),
    ],
    ids=lambda value: value.cause if isinstance(value, Trouble) else "",
)
def test_each_failure_has_its_cause_and_its_delay(
    trouble: Trouble, cause: str, backoff: Backoff
) -> None:
    """The delay is long if a person must act; every text says that values are queued."""
    assert (trouble.cause, trouble.backoff) == (cause, backoff)
    assert trouble.text.endswith("; values are queued")


@pytest.mark.parametrize(
    ("user", "token", "words"),
    [
        ("", True, "rejects the token (no); set token under [Influx] in /etc/x.ini"),
        ("me", True, "rejects the token (no); set token under"),
        ("me", False, "rejects the login of user 'me' (no); set user and password under"),
        ("", False, "requires a login (no); set user and password, or token,"),
    ],
)
def test_a_rejected_login_names_what_was_used(user: str, token: bool, words: str) -> None:
    """A token takes precedence over a user."""
    assert words in errors.database_login(PEER, user, "no", INI, token=token).text


@pytest.mark.parametrize(
    ("user", "token", "words"),
    [
        ("", True, "allow the token to write (no); grant it write access to 'my db', or set"),
        (
            "me",
            False,
            "allow user 'me' to write (no); as administrator of the database, enter",
        ),
        ("me", False, 'GRANT WRITE ON "my db" TO "me"'),
        ("", False, "allow requests without a login to write (no); set user and password under"),
    ],
)
def test_a_missing_right_is_reported_with_advice(user: str, token: bool, words: str) -> None:
    """A statement for a user, another text for a token."""
    assert words in errors.database_right(PEER, user, "my db", "no", token=token).text


@pytest.mark.parametrize(
    ("answer", "words", "grants"),
    [
        ("error: not authorized to execute", "and user 'me' may not create it; as", True),
        ("no space left", "and does not create it (no space left); as", False),
    ],
)
def test_a_missing_database_is_reported_with_the_statement(
    answer: str, words: str, grants: bool
) -> None:
    """A user who may not create it gets the right to write, too."""
    text = errors.no_database(PEER, "me", "my db", answer).text
    assert f"has no database 'my db', {words} administrator of the database, enter" in text
    assert 'enter CREATE DATABASE "my db"' in text
    assert ('GRANT WRITE ON "my db" TO "me"' in text) is grants


@pytest.mark.parametrize(("own", "advice"), [(True, False), (False, True)])
def test_an_answer_of_another_program_has_advice_on_address_and_port(
    own: bool, advice: bool
) -> None:
    """The database's own answer has not."""
    text = errors.database_answer(PEER, 503, "busy", INI, own=own).text
    assert "answers 503 busy" in text
    assert ("check address and port under [Influx]" in text) is advice

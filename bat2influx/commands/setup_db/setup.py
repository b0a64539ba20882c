"""Sets InfluxDB 1 up: database, policies, downsampling and user, a line each.

It reads the existing state, makes a plan (plan.py), and carries it out, one statement after the
other. The first rejected statement ends it; what was done before stays, and a second run continues.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping

from bat2influx.commands.output import complain, say
from bat2influx.commands.setup_db.downsampling import (
    MINUTES,
    ClashError,
    Retention,
    named_by_instance,
)
from bat2influx.commands.setup_db.plan import DatabaseState, Policy, Task, plan, raw_policy
from bat2influx.commands.setup_db.rows import (
    OddAnswerError,
    QueryRow,
    column,
    moment,
    seconds,
    text,
)
from bat2influx.commands.steps import WRONG, Printer, Step
from bat2influx.config.settings import Settings
from bat2influx.influx import errors as influx_errors
from bat2influx.influx import influxql
from bat2influx.influx.diagnosis import NO_ADMIN
from bat2influx.influx.influxql import StatementError, quote_name
from bat2influx.influx.secrets import mask_of
from bat2influx.printable import plain

LONGEST = 500  # characters of an answer
LOOKING = "looking"  # the first line's label, where there is nothing above
_OF_RIGHTS = ("authori", "authenticat", "privilege", "admin", "credentials")

RunStatement = Callable[[str], list[QueryRow]]


def setup_db(
    settings: Settings,
    ask: RunStatement,
    wanted: Retention,
    environment: Mapping[str, str],
    *,
    dry_run: bool,
    change: bool,
    admin: str = "",
) -> int:
    """Set the database up; return the exit code. `admin` is the user given for that.

    `ask` runs one statement and returns its rows, each a dict of columns and tags; it raises
    StatementError for a rejected one; other exceptions, such as for a lost connection, pass
    through. A statement that fills in may take minutes. With `dry_run` nothing is changed: the
    statements are printed instead, and steps without one go to stderr.
    """
    show = Printer(sys.stderr if dry_run else sys.stdout, environment)
    label = LOOKING
    try:
        tasks = plan(settings, wanted, look(settings, ask), int(time.time()), change=change)
        for task in tasks:
            label = task.step.label
            if not task.statements:
                show(task.step)
            elif dry_run:
                for statement in task.statements:
                    say(statement.shown)
            else:
                show(_done(task, ask))
    except ClashError as error:
        complain(f"bat2influx setup-db: {settings.path}: {error}")
        return os.EX_CONFIG
    except StatementError as error:
        why = _refused(str(error), settings, admin, begun=label != LOOKING)
        show(Step(WRONG, label, why))
        return os.EX_UNAVAILABLE
    except OddAnswerError as error:
        why = f"unexpected answer of the server: {error}; check address and port under [Influx]"
        show(Step(WRONG, label, f"{why} in {settings.path}"))
        return os.EX_UNAVAILABLE
    return os.EX_OK


def look(settings: Settings, ask: RunStatement) -> DatabaseState:
    """Return the existing state. Raises StatementError."""
    influx, db = settings.influx, quote_name(settings.influx.db)
    admin, right = _user(influx.user, influx.db, ask)
    if influx.db not in {text(row, "name") for row in ask("SHOW DATABASES")}:
        return DatabaseState(admin=admin)
    policies = {
        text(row, "name"): Policy(
            seconds(row, "duration"),
            seconds(row, "shardGroupDuration"),
            column(row, "default", bool),
        )
        for row in ask(f"SHOW RETENTION POLICIES ON {db}")
    }
    source, minutes = raw_policy(settings, policies), MINUTES.policy
    apart = any(map(named_by_instance, settings.batteries))
    return DatabaseState(
        database=True,
        policies=policies,
        queries=_queries(influx.db, ask),
        first=_first(influx.db, source, influx.measurement, ask) if source in policies else None,
        first_minute=_first(influx.db, minutes, influx.measurement, ask)
        if minutes in policies
        else None,
        fields=_fields(influx.db, source, influx.measurement, ask) if apart else frozenset(),
        admin=admin,
        right=right,
    )


def _user(user: str, db: str, ask: RunStatement) -> tuple[bool | None, str]:
    # Queried in any case: only an administrator can see all of it.
    users = {text(row, "user"): column(row, "admin", bool) for row in ask("SHOW USERS")}
    if user not in users:
        return None, ""
    grants = ask(f"SHOW GRANTS FOR {quote_name(user)}")
    rights = {text(row, "database"): text(row, "privilege") for row in grants}
    return users[user], rights.get(db, "")


def _queries(db: str, ask: RunStatement) -> dict[str, str]:
    """Return the continuous queries of a database, which only their text names."""
    start = influxql.tokens(f"CREATE CONTINUOUS QUERY {quote_name('')} ON {quote_name(db)}")
    found = {}
    for row in ask("SHOW CONTINUOUS QUERIES"):
        query = text(row, "query")
        parts = influxql.tokens(query, len(start))
        if parts[:3] == start[:3] and parts[4:] == start[4:]:
            found[text(row, "name")] = query
    return found


def _fields(db: str, policy: str, measurement: str, ask: RunStatement) -> frozenset[str]:
    """Return the names of the stored fields that hold numbers."""
    table = ".".join(map(quote_name, (db, policy, measurement)))
    rows = ask(f"SHOW FIELD KEYS ON {quote_name(db)} FROM {table}")
    numbers = ("float", "integer")
    return frozenset(text(row, "fieldKey") for row in rows if text(row, "fieldType") in numbers)


def _first(db: str, policy: str, measurement: str, ask: RunStatement) -> int | None:
    """Return the time of a policy's oldest value in s; read shard by shard, because all is slow."""
    table = ".".join(map(quote_name, (db, policy, measurement)))
    spans = sorted(
        (moment(row, "start_time"), moment(row, "end_time"))
        for row in ask("SHOW SHARDS")
        if (text(row, "database"), text(row, "retention_policy")) == (db, policy)
    )
    for start, end in spans:
        where = f"time >= '{start}' AND time < '{end}'"
        for row in ask(f"SELECT * FROM {table} WHERE {where} ORDER BY time LIMIT 1"):
            return column(row, "time", int) // 10**9
    return None


def _done(task: Task, ask: RunStatement) -> Step:
    """Carry a task out; return its line."""
    start, written = time.monotonic(), 0
    for number, statement in enumerate(task.statements, 1):
        if number > 1 and sys.stderr.isatty():
            done = f"\r{task.step.label}: {number} of {len(task.statements)} \r"
            print(done, end="", file=sys.stderr, flush=True)  # noqa: T201 - it may take long
        written += sum(
            column(row, "written", int) for row in ask(statement.text) if "written" in row
        )
    if not written:
        return task.step
    took = time.monotonic() - start
    return task.step._replace(text=f"{task.step.text}: {written} rows, in {took:.1f} s")


def _refused(reason: str, settings: Settings, admin: str, *, begun: bool) -> str:
    """Return the text about a rejected statement; `admin` is the given user, '' without one."""
    reason = plain(mask_of(settings.influx)(reason), LONGEST)
    if NO_ADMIN in reason:
        return influx_errors.no_admin("the server").what
    message = f"the server rejected it: {reason}"
    if begun:
        message += "\nthe steps above are done; run the command again to continue from here"
    if not any(word in reason.lower() for word in _OF_RIGHTS):
        return message
    if admin:
        return (
            f"{message}\ncheck that {admin!r} is an administrator of the server, with that password"
        )
    message += "\nthis needs an administrator of the database server: --admin USER"
    return (
        message if settings.influx.token else f"{message}; or, with InfluxDB 3, a token in the file"
    )

"""The plan of `setup-db`: the wanted state compared with the existing one, as tasks in order.

Pure. Existing things stay unchanged without `change`, and a task reports each of them. The order
matters: downsampled values are filled before raw values are removed, energies before minutes are,
and the queries exist before that, so that no interval is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bat2influx.commands.setup_db import energies
from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    HOURS,
    MINUTES,
    SPAN,
    ClashError,
    Column,
    Grain,
    RawMeasurement,
    Retention,
    Run,
    as_stored,
    columns,
    continuous_query,
    difference,
    fill,
    named_by_instance,
)
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.config.settings import Settings
from bat2influx.influx import influxql
from bat2influx.influx.influxql import DAY, FOREVER, HOUR, Statement, readable_duration

RAW = "raw"  # the policy of raw values, by default


@dataclass(frozen=True, slots=True)
class Policy:
    """An existing retention policy; it keeps values for `kept` s, in shards of `shard` s."""

    kept: int
    shard: int
    default: bool


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The existing state: policies, and continuous queries with their texts, by name.

    `first` is the time of the oldest raw value in s, `first_minute` that of the oldest minute.
    `fields` are the names of numeric fields, read only if they are needed. `admin` is None if there
    is no such user, `right` its right to the database.
    """

    database: bool = False
    policies: Mapping[str, Policy] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)
    first: int | None = None
    first_minute: int | None = None
    fields: frozenset[str] = frozenset()
    admin: bool | None = None
    right: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A line that is true after the statements; often there are none."""

    step: Step
    statements: tuple[Statement, ...] = ()


def raw_policy(settings: Settings, policies: Mapping[str, Policy]) -> str:
    """Return the name of the policy that raw values are written to."""
    default = next((name for name, policy in policies.items() if policy.default), RAW)
    return settings.influx.retention_policy or default


def plan(
    settings: Settings, wanted: Retention, found: DatabaseState, now: int, *, change: bool
) -> list[Task]:
    """Return all tasks; `now` is the time in s. Raises ClashError."""
    return [*_SetupPlan(settings, wanted, found, now, change=change).tasks()]


class _SetupPlan:
    def __init__(
        self, settings: Settings, wanted: Retention, found: DatabaseState, now: int, *, change: bool
    ) -> None:
        influx = settings.influx
        self._influx = influx
        self._wanted = wanted
        self._found = found
        self._now = now
        self._change = change
        policy = raw_policy(settings, found.policies)
        self._source = RawMeasurement(influx.db, policy, influx.measurement)
        if policy in {grain.policy for grain in GRAINS}:
            raise ClashError(
                f"[Influx] retention_policy: raw values would be stored in {policy!r}, which is"
                " for the downsampled ones; name another one"
            )
        self._batteries = settings.batteries
        fields = [f for battery in settings.batteries for f in as_stored(battery, found.fields)]
        tags = [tag for tag, _ in influx.tags]
        self._columns: tuple[Column, ...] = columns(fields, tags)
        self._energies = energies.energies(fields, tags)
        self._unlike: set[str] = set()  # what differing queries compute

    def tasks(self) -> Iterator[Task]:
        yield from self._raw()
        for grain in GRAINS:
            if grain is not MINUTES or not self._minutes_to_give_up():
                yield self._grain(grain)
        yield from self._instances()
        for grain in GRAINS if self._columns else ():
            for run in grain.runs:
                made = continuous_query(grain, run, self._source, self._columns)
                yield self._query(grain.policy, run, made)
        for run in energies.RUNS if self._energies else ():
            made = energies.continuous_query(run, self._source, self._energies)
            yield self._query(energies.NAME, run, made)
        for grain in GRAINS if self._columns else ():
            yield from self._fill(grain)
        if self._energies:
            yield from self._fill_energies()
        if self._minutes_to_give_up():
            yield self._grain(MINUTES)
        yield from self._give_up_raw()
        yield from self._user()

    def _kept(self, grain: Grain) -> int:
        return {"minutes": self._wanted.minutes, "hours": self._wanted.hours}[grain.policy]

    def _grain(self, grain: Grain) -> Task:
        kept = self._kept(grain)
        shard = grain.shard if kept == FOREVER or kept >= 10 * grain.shard else 0
        return self._policy(grain.policy, grain.policy, kept, shard=shard)

    def _raw(self) -> Iterator[Task]:
        db, policy, kept = self._influx.db, self._source.policy, self._wanted.raw
        if not self._found.database:
            text = f"{db!r} created; raw values are in policy {policy!r},"
            text += f" kept {readable_duration(kept)}"
            yield Task(Step(OK, "database", text), (influxql.create_database(db, policy, kept),))
            return
        yield Task(Step(OK, "database", f"{db!r} exists"))
        if not self._to_give_up():
            yield self._policy("raw", policy, kept, default=not self._has_default())

    def _has_default(self) -> bool:
        return any(policy.default for policy in self._found.policies.values())

    def _to_give_up(self) -> bool:
        """Tell whether the policy of raw values will be altered, which comes last."""
        there = self._found.policies.get(self._source.policy)
        return self._change and there is not None and there.kept != self._wanted.raw

    def _minutes_to_give_up(self) -> bool:
        """Tell whether minutes will be kept for less time; energies are computed before that."""
        there, wanted = self._found.policies.get(MINUTES.policy), self._wanted.minutes
        if not self._change or there is None or wanted == FOREVER:
            return False
        return there.kept == FOREVER or there.kept > wanted

    def _give_up_raw(self) -> Iterator[Task]:
        if self._to_give_up():
            yield self._policy("raw", self._source.policy, self._wanted.raw)

    def _policy(
        self, label: str, policy: str, kept: int, *, shard: int = 0, default: bool = False
    ) -> Task:
        db, there = self._influx.db, self._found.policies.get(policy)
        long = readable_duration(kept)
        if there is None:
            made = influxql.create_policy(db, policy, kept, shard=shard, default=default)
            return Task(Step(OK, label, f"policy {policy!r} created, kept {long}"), (made,))
        if there.kept == kept:
            return Task(Step(OK, label, f"policy {policy!r} exists, kept {long}"))
        if not self._change:
            now = readable_duration(there.kept)
            text = f"policy {policy!r} unchanged, kept {now} and not {long}"
            return Task(Step(NOTE, label, f"{text}; --change alters it"))
        shard = _shard_within(kept) if kept != FOREVER and there.shard > kept else 0
        text = f"policy {policy!r} altered, kept {long} instead of {readable_duration(there.kept)}"
        text += self._lost(kept) if label == "raw" else ""
        return Task(Step(OK, label, text), (influxql.alter_policy(db, policy, kept, shard=shard),))

    def _lost(self, kept: int) -> str:
        first = self._found.first
        gone = self._now - kept - first if kept != FOREVER and first is not None else 0
        if gone <= 0:
            return ""
        return f"; the server removes {gone / DAY:.1f} days of raw values that are older"

    def _instances(self) -> Iterator[Task]:
        """Report which instances are downsampled, if only the device knows them."""
        if not any(map(named_by_instance, self._batteries)):
            return
        known: dict[str, set[int]] = {}
        for battery in self._batteries:
            for each in as_stored(battery, self._found.fields):
                if each.instance is not None and each not in battery.fields:
                    known.setdefault(each.service, set()).add(each.instance)
        if not known:
            text = "none is stored yet, so none is downsampled; once some are, run this again"
            yield Task(Step(NOTE, "instances", f"{text} with --change"))
            return
        listed = ", ".join(
            f"{service} {' and '.join(map(str, sorted(numbers)))}"
            for service, numbers in known.items()
        )
        text = f"the known ones are downsampled, {listed}; when there is another one, run"
        yield Task(Step(OK, "instances", f"{text} this again with --change"))

    def _query(self, what: str, run: Run, wanted: tuple[str, Statement]) -> Task:
        name, made = wanted
        label = f"into {what}"
        text = f"every {influxql.duration(run.every)}, of the last {influxql.duration(run.back)}"
        there = self._found.queries.get(name)
        if there is None:
            return Task(Step(OK, label, f"query {name!r} created, {text}"), (made,))
        differs = difference(there, made.text)
        if not differs:
            return Task(Step(OK, label, f"query {name!r} exists, {text}"))
        if self._change:
            drop = influxql.drop_query(self._influx.db, name)
            return Task(
                Step(OK, label, f"query {name!r} recreated, because it {differs}"), (drop, made)
            )
        self._unlike.add(what)
        text = f"query {name!r} unchanged; it {differs}; --change alters it. It is\n{there}"
        return Task(Step(NOTE, label, text))

    def _fill(self, grain: Grain) -> Iterator[Task]:
        label, first = f"fill {grain.policy}", self._found.first
        if grain.policy in self._unlike:
            text = "not filled, because the query above computes something else"
            yield Task(Step(NOTE, label, text))
            return
        if first is None:
            return
        first = self._back_to(first, grain, everything=self._to_give_up())
        yield from self._filled(
            label, "raw values", first, fill(grain, self._source, self._columns, first, self._now)
        )

    def _fill_energies(self) -> Iterator[Task]:
        label = f"fill {energies.NAME}"
        if self._unlike & {MINUTES.policy, energies.NAME}:
            text = "not filled, because a query above computes something else"
            yield Task(Step(NOTE, label, text))
            return
        known = [each for each in (self._found.first, self._found.first_minute) if each is not None]
        if not known:
            return
        everything = self._to_give_up() or self._minutes_to_give_up()
        first = self._back_to(min(known), HOURS, everything=everything)
        made = energies.fill(self._source, self._energies, first, self._now)
        yield from self._filled(label, "minutes", first, made)

    def _back_to(self, first: int, grain: Grain, *, everything: bool) -> int:
        """Return the time from which a policy is filled, if there are values from `first` on.

        A limit is at a full hour, otherwise its energy would be that of a part.
        """
        there = self._found.policies.get(grain.policy)
        kept = there.kept if there and not self._change else self._kept(grain)
        if kept != FOREVER:  # older values are rejected, and time passes while this runs
            first = max(first, (self._now - kept + SPAN) // HOUR * HOUR)
        if self._wanted.fill != FOREVER and not everything:
            first = max(first, (self._now - self._wanted.fill) // HOUR * HOUR)
        return first

    def _filled(
        self, label: str, source: str, first: int, made: Iterable[Statement]
    ) -> Iterator[Task]:
        if statements := tuple(made):
            days = (self._now - first) / DAY
            text = f"computed from {days:.1f} days of {source}"
            yield Task(Step(OK, label, text), statements)

    def _user(self) -> Iterator[Task]:
        user, password, admin = self._influx.user, self._influx.password, self._found.admin
        if not user:
            yield Task(Step(OK, "user", "the file names none in [Influx]; none is created"))
            return
        if admin is None and not password:
            text = f"{user!r} does not exist; not created, because the file has no password for it"
            yield Task(Step(NOTE, "user", text))
            return
        if admin is None:
            made = influxql.create_user(user, password)
            yield Task(Step(OK, "user", f"{user!r} created"), (made,))
        elif self._change and password:
            made = influxql.set_password(user, password)
            yield Task(
                Step(OK, "user", f"{user!r} exists, and now has the file's password"), (made,)
            )
        else:
            text = f"{user!r} exists; its password is unchanged"
            yield Task(Step(OK, "user", text))
        yield self._right(user)

    def _right(self, user: str) -> Task:
        db, right = self._influx.db, self._found.right
        if self._found.admin:
            text = f"{user!r} is an administrator, and may do more than write; unchanged"
            return Task(Step(NOTE, "right", text))
        if right in ("WRITE", "ALL PRIVILEGES"):
            more = "; it may read, too" if right != "WRITE" else ""
            return Task(Step(OK, "right", f"{user!r} may write to {db!r}{more}"))
        if right == "READ":  # a new right replaces the old one
            text = f"{user!r} may write to {db!r} now, and read as before"
            return Task(Step(OK, "right", text), (influxql.grant("ALL", db, user),))
        text = f"{user!r} may write to {db!r} now, and do nothing else there"
        return Task(Step(OK, "right", text), (influxql.grant("WRITE", db, user),))


def _shard_within(kept: int) -> int:
    """Return the size of a shard, in s, that the server would choose for a new policy."""
    if kept < 2 * DAY:
        return HOUR
    return DAY if kept <= 180 * DAY else 7 * DAY

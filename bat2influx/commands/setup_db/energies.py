"""Energies: the energy of each power in an hour, in kWh, above zero and below it.

Pure. A mean of an hour cancels charging against discharging, so that no day can be added up from
means. Hence two columns beside those of a power: NAME_plus_kWh of the minutes whose mean is
positive, NAME_minus_kWh of those whose mean is negative, both as amounts. They are sums over the
means of minutes; a minute without a value has no energy, and nothing fills a gap.

Hours and not days, because a continuous query has one fixed time zone (its tz() works on 1.6.7),
while hours add up to the days of any zone, also to days with a clock change. In a zone that is half
an hour off, a day is right to that half hour.

Minutes and not raw values, because minutes exist for years, so that energies reach back to where
raw values have been removed; and because 60 values an hour cost less than 3,600. A run may come
before that of the minutes: the next one looks back far enough to include them.

Each field has a separate sub-query. Each sum of the outer query runs a whole sub-query, so that
one for all fields would cost the square of their number. Measured on 1.6.7, CPU time for a day:
12 powers 0.07 s by 12 sub-queries and 0.46 s by one, 50 powers 0.29 s and 5.9 s. Without GROUP BY *
within it, a sub-query would lose the tags and add up all sites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bat2influx.commands.setup_db.downsampling import (
    HOURS,
    MINUTES,
    ClashError,
    RawMeasurement,
    Run,
    between,
    last_alone,
    spans,
)
from bat2influx.influx.influxql import DAY, HOUR, Statement, duration, plain_statement, quote_name
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import unit_of

NAME = "energies"  # in output lines and in the names of queries and tasks
PLUS, MINUS = "_plus_kWh", "_minus_kWh"
W_MINUTES = 60_000  # that are one kWh
# Each looks back an interval more than the minutes of the same hour or day need to be written.
RUNS = (Run("", HOUR, 3 * HOUR), Run("_late", DAY, 4 * DAY))
SPAN = 7 * DAY  # of one statement that fills in, 0.5 s of CPU time with 12 powers


@dataclass(frozen=True, slots=True)
class Energy:
    """The two columns of a power, by the name of its field."""

    field: str

    @property
    def names(self) -> tuple[str, str]:
        """The names of the columns."""
        return f"{self.field}{PLUS}", f"{self.field}{MINUS}"

    def minutes(self, table: str) -> str:
        """Return the sub-query for the kWh of every minute."""
        power, (plus, minus) = quote_name(self.field), map(quote_name, self.names)
        return (
            f"(SELECT ({power} + abs({power})) / {2 * W_MINUTES} AS {plus},"
            f" (abs({power}) - {power}) / {2 * W_MINUTES} AS {minus} FROM {table} GROUP BY *)"
        )


def powers(fields: Iterable[Field]) -> list[str]:
    """Return the names of those fields that are powers in W, each once.

    A name that is a power of one device and something else of another is left out.
    """
    found: dict[str, bool] = {}
    for field in fields:
        power = unit_of(field.service, field.path) == "W" and not last_alone(field)
        found[field.name] = power and found.get(field.name, True)
    return [name for name, power in found.items() if power]


def energies(fields: Iterable[Field], tags: Iterable[str] = ()) -> tuple[Energy, ...]:
    """Return the energies of all powers. Raises ClashError for a name that is taken."""
    fields = tuple(fields)
    own = dict.fromkeys((field.name for field in fields), "[Fields]")
    taken = {**dict.fromkeys(tags, "[Influx] tags"), **own}
    found = tuple(map(Energy, powers(fields)))
    for energy in found:
        for name in energy.names:
            if section := taken.get(name):
                raise ClashError(
                    f"{section}: {name} is also the name of the energy of {energy.field} among"
                    " the downsampled values; rename one of them"
                )
    return found


def continuous_query(
    run: Run, source: RawMeasurement, made: Iterable[Energy]
) -> tuple[str, Statement]:
    """Return the name of a continuous query and the statement that makes it."""
    called = f"bat2influx_{source.measurement}_{NAME}{run.suffix}"
    return called, plain_statement(
        f"CREATE CONTINUOUS QUERY {quote_name(called)} ON {quote_name(source.db)}"
        f" RESAMPLE EVERY {duration(run.every)} FOR {duration(run.back)}"
        f" BEGIN {_select(source, made)} END"
    )


def fill(
    source: RawMeasurement, made: Iterable[Energy], first: int, end: int
) -> Iterator[Statement]:
    """Yield the statements that compute the energies from `first` to before `end`, in s.

    Whole hours, from that of `first`; the continuous query computes the one that contains `end`.
    """
    made = tuple(made)
    for start, until in spans(HOUR, first, end, SPAN):
        yield plain_statement(_select(source, made, between(start, until)))


def _select(source: RawMeasurement, made: Iterable[Energy], where: str = "") -> str:
    made = tuple(made)
    names = (quote_name(name) for energy in made for name in energy.names)
    minutes = source.table(MINUTES.policy)
    return (
        f"SELECT {', '.join(f'sum({name}) AS {name}' for name in names)}"
        f" INTO {source.table(HOURS.policy)}"
        f" FROM {', '.join(energy.minutes(minutes) for energy in made)}{where}"
        f" GROUP BY time({duration(HOURS.seconds)}), *"
    )

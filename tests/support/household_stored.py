"""Which values of a house are stored at which moments.

Rules: pure. A minute has a value of each power wherever a dashboard computes energies of minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from bat2influx.reading import NOWHERE, NS, Origin
from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS, unit_of
from tests.support import household_fields
from tests.support.household import Household
from tests.support.household_device import ALL
from tests.support.household_weather import DAY, HOUR, MINUTE

NINE = frozenset(each.name for each in DEFAULT_FIELDS)
SELDOM = 10 * MINUTE
SOC_INTERVAL = 10  # s: what soc_interval is without a line in the ini
POWERS = frozenset(each.name for own in PRESETS.values() for each in own if each.unit == "W") | {
    each.name for each in DEFAULT_FIELDS if unit_of(each.service, each.path) == "W"
}


class Stored(NamedTuple):
    """A field of a house, as the Encoder takes it."""

    field: str
    origin: Origin = NOWHERE


class House:
    """A house in the databases: under which site, from which device, with which presets.

    Without presets it has the nine alone. It stops `silent` s before the others.
    """

    def __init__(
        self,
        household: Household,
        portal: str,
        *,
        site: str = "",
        presets: Sequence[str] = ALL,
        origin: Origin = NOWHERE,
        silent: int = 0,
    ) -> None:
        self.household, self.portal, self.site = household, portal, site
        self.presets, self.origin, self.silent = presets, origin, silent
        self.fields = NINE.union(each.name for name in presets for each in PRESETS[name])
        self._stored: dict[str, Stored] = {}
        self._latest: dict[bool, dict[str, float]] = {}
        self._soc_read = -SOC_INTERVAL

    def values(self, moment: float, *, whole: bool = True) -> dict[str, float]:
        """Return the stored values of a moment; unless it is `whole`, the nine and the powers."""
        if not self.presets:
            return household_fields.nine(self.household, moment)
        made_by = household_fields.values if whole else household_fields.powers
        made = made_by(self.household, moment)
        return {name: value for name, value in made.items() if name in self.fields}

    def rows(
        self, moment: int, *, whole: bool, again: bool = False
    ) -> list[tuple[Stored, float, int]]:
        """Return the lines of a second, which arrive one after the other in its middle.

        `again` repeats the values of the moment before. A state of charge is read every
        SOC_INTERVAL only.
        """
        if not (again and whole in self._latest):
            self._latest[whole] = self.values(moment, whole=whole)
        stored, own = self._stored, self._latest[whole]
        for name in own.keys() - stored.keys():
            stored[name] = Stored(name, self.origin)
        stamps = count(moment * NS + NS // 2 + 3_000_000, 40_000)
        read = moment >= self._soc_read + SOC_INTERVAL
        if read:
            self._soc_read = moment
        return [
            (stored[name], value, next(stamps))
            for name, value in own.items()
            if read or not name.endswith("Soc")
        ]

    def energies(self, hour: int) -> list[tuple[Stored, float, int]]:
        """Return the lines of an hour with its energies, above and below zero, in kWh.

        Their names are those of `setup-db`, which computes them from minutes.
        """
        moments = [self.values(hour + at) for at in range(SELDOM // 2, HOUR, SELDOM)]
        rows = []
        for name in sorted(POWERS.intersection(*moments)):
            watts = [each[name] for each in moments]
            for suffix, parts in (
                ("_plus_kWh", [max(0.0, each) for each in watts]),
                ("_minus_kWh", [max(0.0, -each) for each in watts]),
            ):
                kwh = round(sum(parts) / len(parts) / 1_000.0, 4)
                rows.append((Stored(name + suffix, self.origin), kwh, hour * NS))
        return rows


@dataclass(frozen=True)
class Density:
    """How many moments there are, counted back from the end.

    One per second in the last `seconds`, one every `every` s in the last day, and one per minute
    for so many `days`: the nine and the powers every minute, all else every ten minutes. Older
    moments are ten minutes apart. 90 days of every second would be 70 million values of the nine
    alone.

    `held` is how many moments share the same values: it saves time where only their number counts.
    """

    seconds: int = 300
    every: int = 30
    days: int = 8
    held: int = 1

    def times(self, first: int, end: int) -> Iterator[tuple[int, bool]]:
        """Yield (s since 1970, whether all is stored) from `first` to before `end`."""
        last_day, at_last = max(first, end - DAY), max(first, end - self.seconds)
        days = max(first, end - self.days * DAY)
        for moment in range(first + -first % SELDOM, days, SELDOM):
            yield moment, True
        for moment in range(days + -days % MINUTE, min(last_day, at_last), MINUTE):
            yield moment, moment % SELDOM == 0
        for moment in range(last_day, at_last, self.every):
            yield moment, True
        for moment in range(at_last, end):
            yield moment, True

"""Faults of all kinds, one after another for hours, on one daemon with real servers.

    /usr/bin/python3 -m tests.tools.soak [--hours H | --minutes M] [--seed N] [--interval 1.0]
                                   [--watchdog 120] [--only NAME ...] [--list]

The scenarios of tests/faults come in random order, each once before any is repeated, with pauses
between them; after each the stored values are compared with the device's. It prints a line for each
on stderr, and one with the result at the end. The first error ends the run, with exit code 1, and
prints the error, the seed, and the directory with all logs. The same seed makes the same order.

Rules: one house, one thread, and one fault at a time. Only logs grow with the hours.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults import table
from tests.faults.account import Account
from tests.faults.house import House
from tests.standins.network import apart
from tests.support import long_run
from tests.support.compare import NINE, published
from tests.support.long_run import progress
from tests.support.resources import descriptors, memory

SCENARIOS = table.scenarios()
PAUSE = 5, 30  # intervals, shortest and longest
FUTURE = 600 * 10**9  # ns
REPORTS = 100  # messages to the service manager, to keep
MOST_MEMORY = 60_000_000  # bytes
MORE_DESCRIPTORS = 10  # of the queue on disk, and of a connection that has just ended


class SoakError(Exception):
    """An error, with the fault under way and the seed."""


class Soak:
    """The faults of a house so far, and their results."""

    def __init__(self, house: House, seed: int) -> None:
        self.faults: Counter[str] = Counter()
        self.under_way = ""  # the fault whose values are not compared yet
        self.published = self.missing = self.twice = 0
        self._house = house
        self._random = random.Random(seed)
        self._account = Account(house)
        self._began = time.monotonic()
        self._pause()
        self._first = self._latest = self._figures()
        self._most = self._first[0]

    def run(self, names: Sequence[str], seconds: float) -> None:
        """Run scenarios for so long. Raises AssertionError."""
        for name in self._order(names):
            self.inflict(name)
            if time.monotonic() > self._began + seconds:
                return

    def inflict(self, name: str) -> None:
        """Run one, and compare the values. Raises AssertionError."""
        scenario, begun = SCENARIOS[name], time.monotonic()
        self.under_way = name
        windows = scenario.inflict(self._house)
        ended = time.monotonic()
        self._pause()
        tally = self._account.balance(windows, offsets=scenario.offsets)
        self._account.forget()
        if max(scenario.offsets) > 0.0:  # queries for the latest value must not find these
            tomorrow = f"DELETE FROM dc WHERE time > {time.time_ns() + FUTURE}"
            self._house.database.query(tomorrow, "battery")
        del self._house.notify.received[:-REPORTS]
        self.faults[name] += 1
        self.published += tally.published
        self.missing += tally.missing
        self._see_the_daemon()
        self.under_way = ""
        progress(
            f"{self.hours:7.3f} h  {name}: {ended - begun:.1f} s; {tally.published} values"
            f" published, {tally.missing} missing in its windows; {self._latest[0] / 1e6:.1f} MB,"
            f" {self._latest[1]} descriptors"
        )

    def finish(self) -> None:
        """Check all values at the end, and that none is stored twice."""
        self.under_way = "the end"
        self._house.more_reads(1)
        for field, leaf in NINE.items():
            rows = self._house.database.query(f"SELECT {field} FROM dc", "battery", timeout=60.0)
            self.twice += len(rows) - len({row[field] for row in rows})
            # A number that counts up always has the same hundredths.
            latest = max(value for _, value in published(self._house.device, leaf))
            others = [v for v in (row[field] for row in rows) if v > latest or _cents(v, latest)]
            assert not others, f"{field} has values that the device never published: {others[:5]}"
        assert not self.twice, f"{self.twice} values are stored twice"
        assert self._house.on_disk() == 0
        assert self._house.daemon.stop() == 0
        self.under_way = ""

    @property
    def hours(self) -> float:
        """The duration so far, in h."""
        return (time.monotonic() - self._began) / 3600.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        (size, opened), (last_size, last_opened) = self._first, self._latest
        return (
            f"{self.hours:.2f} h, {self.faults.total()} faults ({kinds}): {self.published:,} values"
            f" published, {self.published - self.missing:,} stored; {self.missing:,} missing in"
            f" windows, 0 others; {self.twice} stored twice; memory of the daemon: {size / 1e6:.1f}"
            f" MB at first, {last_size / 1e6:.1f} at the end, {self._most / 1e6:.1f} at most;"
            f" open file descriptors {opened} and {last_opened}"
        )

    def _order(self, names: Sequence[str]) -> Iterator[str]:
        while True:
            yield from self._random.sample(names, len(names))

    def _pause(self) -> None:
        self._house.more_reads(self._random.randint(*PAUSE))

    def _figures(self) -> tuple[int, int]:
        pid = self._house.daemon.pid
        return memory(pid), descriptors(pid)

    def _see_the_daemon(self) -> None:
        self._latest = size, opened = self._figures()
        self._most = max(self._most, size)
        assert size < MOST_MEMORY, f"the daemon has {size:,} bytes of memory"
        assert opened <= self._first[1] + MORE_DESCRIPTORS, f"{opened} descriptors are open"


def _cents(value: float, other: float) -> int:
    return round((value - other) * 100) % 100


def run(house: House, names: Sequence[str], seconds: float, seed: int) -> Soak:
    """Run for so long, and return the result. Raises SoakError."""
    soak = Soak(house, seed)
    try:
        soak.run(names, seconds)
        soak.finish()
    except KeyboardInterrupt:
        progress("interrupted")
    except Exception as error:
        traceback.print_exc()
        progress(house.daemon.tail(30))
        when = f"after {soak.faults.total()} faults and {soak.hours:.2f} h of seed {seed}"
        why = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
        raise SoakError(f"{soak.under_way}, {when}: {why}") from error
    return soak


def main(arguments: list[str]) -> int:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.soak", description=(__doc__ or "").splitlines()[0]
    )
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--hours", type=float, default=1.0)
    how_long.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--interval", type=float, default=1.0, help="s")
    parser.add_argument("--watchdog", type=float, default=120.0, help="s")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="NAME", help="only these")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(SCENARIOS))
        return 0
    if not apart.is_possible():
        print("namespaces need root")
        return 1
    seconds = given.hours * 3600.0 if given.minutes is None else given.minutes * 60.0
    names = given.only or list(SCENARIOS)
    progress(f"seed {given.seed}")
    with (
        long_run.directory("soak", SoakError) as directory,
        House(
            directory / "house",
            interval=given.interval,
            watchdog=given.watchdog,
            in_hand=any(SCENARIOS[name].clocks for name in names),
        ) as house,
    ):
        print(run(house, names, seconds, given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

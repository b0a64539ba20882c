"""A fleet on one daemon, and on two that share it, of which one is killed in the middle.

    /usr/bin/python3 -m tests.tools.fleet [--devices 1000] [--seconds 60]

Prints the numbers of published and stored values, the cost of each process, and the time until the
remaining daemon had taken over all devices: the inputs of docs/fleet.md. Exits 1 if values are
missing other than those that the broker had sent to the killed daemon, or if a device fell asleep.

Rules: the devices (tests/standins/venus/fleet.py) are separate processes with the same monotonic
clock. A value is missing if it was published and cannot be queried at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.fleet import portal_of
from tests.support import long_run
from tests.support.compare import NINE
from tests.support.daemon import Daemon, Setting, wait
from tests.support.long_run import progress
from tests.support.part import Part
from tests.support.process import Process
from tests.support.resources import memory, processor

# Mosquitto drops messages of QoS 0 for a client that is slower than the publisher, by default.
BROKER = "max_queued_messages 0\nmax_queued_bytes 0\nlog_type error\nlog_type notice\n"
FIRST = 1_000_000  # the first number of each device
HELD = 1.5  # s before a SIGKILL: their values may be only in the killed daemon's memory
SETTLED_WITHIN = 300.0  # s
QUIET = 3.0  # s without newly stored values
PERIOD = 30.0  # s between two keepalives, with the watchdog as shipped
TWICE = 5.0  # s; keepalives closer together were sent by both
ENDED = "closed its connection"  # in the broker's log
PER_MESSAGE = 1  # byte that MQTT 5 adds to a message of 3.1.1: the empty properties
MB = 1e6


class Cost:
    """The processor time of processes from now on, in µs per value."""

    def __init__(self, **processes: Process) -> None:
        self._processes = processes
        self._before = {name: processor(each.pid) for name, each in processes.items()}
        self._begun = time.monotonic()

    def lines(self, values: int) -> Iterator[str]:
        """Yield a line with the cost of each, for so many values in all."""
        seconds = time.monotonic() - self._begun
        yield f"  {values / seconds:,.0f} values/s for {seconds:.0f} s; processor, memory:"
        for name, each in self._processes.items():
            took = processor(each.pid) - self._before[name]
            yield (
                f"  {name:<12} {1e6 * took / values:5.1f} µs/value {100 * took / seconds:5.1f} %"
                f" of a core {memory(each.pid) / MB:6.1f} MB"
            )
        everything = sum(processor(each.pid) for each in self._processes.values())
        took = everything - sum(self._before.values())
        yield f"  {'all of them':<12} {1e6 * took / values:5.1f} µs/value"


class Devices:
    """The program with the devices; `end` stops their publishes, and reads their log."""

    def __init__(
        self,
        port: int,
        count: int,
        file: Path,
        module: str = "tests.standins.venus.fleet",
        more: Sequence[str] = (),
    ) -> None:
        where = [str(port), str(count), str(FIRST), str(file)]
        command = [sys.executable, "-m", module, *where, *more]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=TOP)
        self._file = file
        self.pid = self._child.pid
        self._expect("ready")

    def end(self) -> Published:
        """End them."""
        assert self._child.stdin
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        self._expect("done")
        return Published(**json.loads(self._file.read_text()))

    def kill(self) -> None:
        """Kill it if it still runs."""
        self._child.kill()
        self._child.wait()

    def _expect(self, word: str) -> None:
        assert self._child.stdout
        assert self._child.stdout.readline().strip() == word


@dataclass(frozen=True)
class Published:
    """The devices' publishes: the times of the n-th of each, in monotonic s."""

    said: dict[str, list[float]]
    keepalives: list[tuple[float, str, bool]]
    slept: int
    beats: int
    nine: int  # bytes
    beat: int  # bytes

    @property
    def values(self) -> int:
        """The number of published values."""
        return len(NINE) * sum(map(len, self.said.values()))

    def keepalives_in_words(self) -> str:
        """Return the number of keepalives and their intervals, as a text."""
        by_portal: dict[str, list[float]] = {}
        for when, portal, _ in self.keepalives:
            by_portal.setdefault(portal, []).append(when)
        full = Counter(portal for _, portal, in_full in self.keepalives if in_full)
        gaps = [b - a for own in by_portal.values() for a, b in pairwise(own)]
        apart = [gap for gap in gaps if gap > TWICE]
        far = f"{min(apart):.1f} to {max(apart):.1f} s apart" if apart else "no two of a device"
        return (
            f"{len(self.keepalives):,} keepalives, {far}, {len(gaps) - len(apart):,} of them sent"
            f" twice; at most {max(full.values())} in full to a device; {self.slept} fell asleep"
        )

    def traffic_in_words(self) -> str:
        """Return the traffic from the broker to a single daemon, without TCP's overhead."""
        values = self.values * (self.nine / len(NINE) + PER_MESSAGE)
        beats = self.beats * (self.beat + PER_MESSAGE)
        a_value = (values + beats) / self.values
        a_second = len(NINE) * a_value
        return f"broker to daemon: {a_value:.1f} bytes/value, {a_second:.0f} bytes/s of a device"


class Run(Part):
    """One fleet: a broker, a database, devices and daemons."""

    def __init__(self, setting: Setting, count: int, db: str, watchdog: float) -> None:
        self.setting, self.count, self.db = setting, count, db
        setting.influxdb.query(f"CREATE DATABASE {db}")
        self.watchdog = watchdog
        port = setting.mosquitto.port
        self.devices = Devices(port, count, setting.directory / f"{db}.json")

    def close(self) -> None:
        """End the devices."""
        self.devices.kill()

    def daemon(self, number: int, **battery: str) -> Daemon:
        """Start a daemon."""
        daemon = self.setting.daemon(
            Battery={"serial": "*", "mode": "notify", "max_memory": "1GB", **battery},
            Influx={"db": self.db},
            watchdog=self.watchdog,
            environment={"STATE_DIRECTORY": str(self.setting.directory / f"{self.db}-{number}")},
        )
        daemon.wait_for_log("receiving changes")
        return daemon

    def awake(self) -> None:
        """Wait until a value of each device is stored."""
        query = "SELECT count(Voltage) FROM dc GROUP BY portal"
        wait(
            "all devices",
            lambda: len(self.setting.influxdb.query(query, self.db, timeout=60)) == self.count,
        )

    def stored(self) -> int:
        """Return how many values are stored, repeated ones included."""
        rows = self.setting.influxdb.query("SELECT count(*) FROM dc", self.db, timeout=60)
        return sum(count for name, count in rows[0].items() if name != "time") if rows else 0

    def settle(self, told: Published) -> None:
        """Wait until all is stored, or no more comes."""
        deadline, before, since = time.monotonic() + SETTLED_WITHIN, -1, 0.0
        while (now := self.stored()) < told.values and time.monotonic() < deadline:
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() > since + QUIET:
                break
            time.sleep(0.2)

    def missing(self, told: Published) -> list[float]:
        """Return the publish times of values that are not stored."""
        lost: list[float] = []
        for number in range(self.count):
            portal = portal_of(number)
            found: dict[str, set[float]] = {field: set() for field in NINE}
            query = f"SELECT * FROM dc WHERE portal = '{portal}'"
            for row in self.setting.influxdb.query(query, self.db, timeout=60):
                for field in NINE:
                    if row[field] is not None:
                        found[field].add(row[field])
            for place, field in enumerate(NINE):
                for nth, when in enumerate(told.said[portal]):
                    if round(FIRST + nth + place / 100, 4) not in found[field]:
                        lost.append(when)
        return sorted(lost)


def by_one(run: Run, options: argparse.Namespace) -> bool:
    """Run one daemon; return whether all values are stored."""
    setting, count = run.setting, run.count
    daemon = run.daemon(0)
    progress("one daemon: waiting for all devices")
    begun = time.monotonic()
    run.awake()
    print(f"One daemon, {count:,} devices, all awake after {time.monotonic() - begun:.0f} s")
    costs = Cost(daemon=daemon, broker=setting.mosquitto, database=setting.influxdb)
    before = run.stored()
    time.sleep(options.seconds)
    lines = list(costs.lines(run.stored() - before))
    told = run.devices.end()
    print(*lines, sep="\n")
    run.settle(told)
    lost = run.missing(told)
    print(
        f"  {told.traffic_in_words()}\n"
        f"  {told.values:,} values published, {run.stored():,} stored, {len(lost):,} missing\n"
        f"  {told.keepalives_in_words()}",
        flush=True,
    )
    assert daemon.stop() == 0
    return not lost and not told.slept


def by_two(run: Run, options: argparse.Namespace) -> bool:
    """Run two, and kill one; return whether all is stored except values sent to that one."""
    setting, count = run.setting, run.count
    progress("two daemons: waiting for all devices")
    begun = time.monotonic()
    one, other = (run.daemon(number, share_group="store") for number in range(2))
    run.awake()
    print(f"Two daemons, {count:,} devices, all awake after {time.monotonic() - begun:.0f} s")
    costs = Cost(one=one, other=other, broker=setting.mosquitto, database=setting.influxdb)
    before = run.stored()
    time.sleep(options.seconds)
    lines = list(costs.lines(run.stored() - before))
    killed, noticed = _killed(other, setting.mosquitto)
    print(*lines, sep="\n")
    progress("one of them is killed")
    time.sleep(options.after)
    told = run.devices.end()
    run.settle(told)
    lost = run.missing(told)
    otherwise = [when for when in lost if not killed - HELD <= when <= noticed]
    print(
        f"  {told.values:,} values published, {run.stored():,} stored, {len(lost):,} lost with the"
        f" killed daemon{_when(lost, killed)}, and {len(otherwise):,} otherwise\n"
        f"  the broker detected the kill after {noticed - killed:.2f} s\n"
        f"  {told.keepalives_in_words()}",
        flush=True,
    )
    assert one.stop() == 0
    return not otherwise and not told.slept


def _killed(daemon: Daemon, broker: Mosquitto) -> tuple[float, float]:
    """Kill a daemon; return when, and when the broker detected it (monotonic s)."""
    ends = broker.log.read_text().count(ENDED)
    killed = time.monotonic()
    daemon.kill()
    wait("the broker to detect it", lambda: broker.log.read_text().count(ENDED) > ends)
    return killed, time.monotonic()


def _when(lost: Sequence[float], killed: float) -> str:
    if not lost:
        return ""
    return f" (said from {lost[0] - killed:+.2f} to {lost[-1] - killed:+.2f} s of its end)"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tests.tools.fleet")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of each of two runs")
    parser.add_argument("--after", type=float, default=40.0, help="seconds after the kill")
    parser.add_argument("--watchdog", type=float, default=4 * PERIOD, help="interval in seconds")
    options = parser.parse_args()
    with long_run.directory("fleet") as directory:
        good = [_carry_out(each, directory / each.__name__, options) for each in (by_one, by_two)]
    return 0 if all(good) else 1


def _carry_out(
    what: Callable[[Run, argparse.Namespace], bool], directory: Path, options: argparse.Namespace
) -> bool:
    directory.mkdir()
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(directory / "mosquitto", config=BROKER))
        database = stack.enter_context(InfluxDB(directory / "influxdb"))
        setting = stack.enter_context(Setting(directory, broker, database))
        run = stack.enter_context(Run(setting, options.devices, "fleet", options.watchdog))
        return what(run, options)


if __name__ == "__main__":
    sys.exit(main())

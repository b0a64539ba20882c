"""Minutes without the database, in real time; the daemon is killed or stopped three times.

    /usr/bin/python3 -m tests.tools.outage [--minutes 10] [--signal KILL] [--interval 1.0]
    /usr/bin/python3 -m tests.tools.outage --healthy [--minutes 60] [--interval 1.0]

Prints one line. Exits 1 if more values are missing than those of the last second before each
SIGKILL, or any with SIGTERM, or if a value is stored twice. With --healthy the database runs and
the daemon is not stopped; it exits 1 if the daemon has touched the state directory.

Rules: the device's answers have to be stored. Its notifications, while it is kept alive for the
daemon's discovery, need not be.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import steady_unix_time
from tests.support import long_run
from tests.support.changes import Changes
from tests.support.compare import LATEST, NINE, answered, missing_values, published, stored_values
from tests.support.daemon import Daemon, Setting, wait
from tests.support.long_run import progress
from tests.support.resources import written
from tests.support.stalls import Stalls

PORTAL = "c0619ab1c2d3"
ENDS = 3
LAST = 1.0  # s: half a second in which values are only in memory, and the time of the disk
WHILE_ENDING = 0.05  # s before a stop: values of that time are under way
DRAINED_WITHIN = 120.0  # s
FORGIVEN = 20  # permitted stalls of a machine per hour
OF_THE_DEVICE = {"devices.json", "devices.new"}


@dataclass(frozen=True)
class Outcome:
    """Numbers of missing values by cause; `oldest` is in s before the kill."""

    published: int
    stored: int
    last: int  # published just before a kill
    oldest: float
    ending: int  # published during the daemon's exit
    otherwise: int
    twice: int

    def __str__(self) -> str:
        return (
            f"{self.published:,} values published, {self.stored:,} stored; missing: {self.last} of"
            f" the last second before a kill (at most {self.oldest:.2f} s before), {self.ending} of"
            f" the time of its exit, {self.otherwise} others; {self.twice} stored twice"
        )


class Plant:
    """A device, the broker, the database, and the daemon that is started and stopped."""

    def __init__(self, setting: Setting, interval: float, *, given: bool) -> None:
        """With `given` the ini has the device's ids, and the daemon needs no discovery."""
        self.setting = setting
        self.device = Device(PORTAL, counted=True)
        self.ends: list[tuple[float, bool]] = []  # Unix time in s, and whether by SIGKILL
        setting.ini["Battery"] |= {"interval": interval, "soc_interval": interval}
        if given:
            setting.ini["Battery"] |= {"serial": PORTAL, "instance": 275}
        setting.venus(self.device)

    def start(self) -> Daemon:
        """Start the daemon, and wait until it reads the device."""
        before = self.reads()
        daemon = self.setting.daemon()
        wait("an answer", lambda: self.reads() > before)
        return daemon

    def end(self, daemon: Daemon, signal: str) -> None:
        """Stop it by SIGKILL or SIGTERM."""
        self.ends.append((steady_unix_time(), signal == "KILL"))
        daemon.kill() if signal == "KILL" else daemon.stop()

    def reads(self) -> int:
        """Return how many reads of the battery's voltage the device has answered."""
        return len(answered(self.device, NINE["Voltage"]))

    def complete(self, timeout: float) -> None:
        """Wait until all answers are stored, or for `timeout` s."""
        with suppress(AssertionError):
            wait("all", lambda: not self.compare().otherwise, timeout)

    def compare(self) -> Outcome:
        """Compare published with stored values.

        Messages of a device during the discovery, before the first read, need not be stored.
        """
        total = stored = otherwise = twice = ending = 0
        before: list[float] = []
        for field, leaf in NINE.items():
            uttered = {value: when for when, value in published(self.device, leaf)}
            spoken = answered(self.device, leaf)
            rows = stored_values(self.setting, field)
            values = [value for _, value in rows]
            for stamp, value in rows:
                off = stamp / 1e9 - uttered[value]
                assert -0.1 < off < LATEST, f"{field} {value}: the time is {off:.3f} s off"
            assert values == sorted(values), f"{field} is out of order"
            total += len(spoken)
            stored += len({value for _, value in spoken} & set(values))
            twice += len(values) - len(set(values))
            for when, _ in missing_values(spoken, rows):
                at, killed = min(self.ends, key=lambda end: abs(end[0] - when), default=(0, False))
                if -WHILE_ENDING < when - at < 1.0:
                    ending += 1
                elif killed and 0.0 < at - when <= LAST:
                    before.append(at - when)
                else:
                    otherwise += 1
        oldest = max(before, default=0.0)
        return Outcome(total, stored, len(before), oldest, ending, otherwise, twice)


@contextmanager
def plant(directory: Path, interval: float, *, given: bool) -> Iterator[Plant]:
    """Start all parts except the daemon."""
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as setting,
    ):
        yield Plant(setting, interval, given=given)


def outage(
    directory: Path, seconds: float, signal: str, interval: float
) -> tuple[Outcome, float, float]:
    """Stop the database for so long.

    Return the missing values, the bytes per second that were written to disks in that time, and the
    seconds until the queue was stored.
    """
    with plant(directory, interval, given=True) as all_of_it:
        setting = all_of_it.setting
        daemon = all_of_it.start()
        wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
        setting.influxdb.stop()
        begun = time.monotonic()
        on_disks = -written(daemon.pid)
        for number in range(1, ENDS + 1):
            at = begun + number * seconds / (ENDS + 1) + random.uniform(-0.5, 0.5) * interval
            time.sleep(max(0.0, at - time.monotonic()))
            on_disks += written(daemon.pid)
            all_of_it.end(daemon, signal)
            progress(f"{time.monotonic() - begun:.1f} s: stopped by SIG{signal}")
            daemon = all_of_it.start()
            daemon.wait_for_log("values are queued on disk, from an earlier start")
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        on_disks += written(daemon.pid)
        all_of_it.device.silence()
        setting.influxdb.start()
        back = time.monotonic()
        progress(f"{back - begun:.1f} s: the database is up again")
        all_of_it.complete(DRAINED_WITHIN)
        took = time.monotonic() - back
        assert daemon.stop() == 0
        return all_of_it.compare(), on_disks / seconds, took


def healthy(directory: Path, seconds: float, interval: float, *, forgiven: int = 0) -> str:
    """Run without faults for so long; return a text with the result.

    Some stalls of the machine, so long that values are queued for a second, are permitted: the time
    does not count until the file that this creates is removed. Raises AssertionError, and
    UnhealthyError after too many stalls.
    """
    state = directory / "state"
    state.mkdir()
    with (
        plant(directory, interval, given=False) as all_of_it,
        Changes(state) as changes,
        Stalls(all_of_it.setting.influxdb) as stalls,
    ):
        setting = all_of_it.setting
        setting.influxdb.query("CREATE DATABASE battery")
        daemon = all_of_it.start()
        wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
        wait("the file of discovered ids", (state / "devices.json").exists)
        done = [each for each in changes.new() if each.rpartition(" ")[2] not in OF_THE_DEVICE]
        on_disks, left, begun = written(daemon.pid), round(seconds), forgiven
        while left > 0:
            if done:
                longest = stalls.lately(10.0)
                assert longest, f"in the state directory: {done}\n{daemon.tail()}"
                if not forgiven:
                    raise UnhealthyError(f"the machine stood still for {longest:.1f} s")
                forgiven -= 1
                progress(f"{left} s are left; the machine stalled for {longest:.1f} s")
                wait("the removal of its file", lambda: _names(state) == {"devices.json"}, 1200.0)
                changes.new()
                on_disks = written(daemon.pid)
            if left % 60 == 0:
                progress(f"{left} s are left")
            time.sleep(1.0)
            left -= 1
            done = changes.new()
        more = written(daemon.pid) - on_disks
        assert not more, f"{more} bytes were written elsewhere"
        all_of_it.device.silence()
        all_of_it.complete(DRAINED_WITHIN)
        assert daemon.stop() == 0
        assert _names(state) == {"devices.json"}
        outcome = all_of_it.compare()
        assert not (outcome.otherwise or outcome.twice), outcome
        return (
            f"{outcome.stored:,} values stored; nothing was done in the state directory, and"
            " nothing written to any disk; moments at which the machine stood still so long that"
            f" values went to disk: {begun - forgiven}"
        )


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


class UnhealthyError(AssertionError):
    """A fault of the environment, and not of the daemon."""


def main(arguments: list[str]) -> None:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.outage", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, help="10, or 60 with --healthy")
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    parser.add_argument("--interval", type=float, default=1.0, help="s")
    parser.add_argument("--healthy", action="store_true", help="with a running database")
    given = parser.parse_args(arguments)
    minutes = given.minutes or (60.0 if given.healthy else 10.0)
    if given.healthy:
        with long_run.directory("healthy") as directory:
            what = healthy(directory, minutes * 60.0, given.interval, forgiven=FORGIVEN)
        print(f"{minutes:g} healthy minutes at {given.interval:g} s: {what}")
    else:
        with long_run.directory("outage") as directory:
            outcome, rate, took = outage(directory, minutes * 60.0, given.signal, given.interval)
            print(
                f"{minutes:g} min without the database, {ENDS} times SIG{given.signal}:"
                f" {outcome}; {rate / 1e3:.1f} kB/s written to disk; stored {took:.1f} s after its"
                " start"
            )
            assert not (outcome.otherwise or outcome.twice)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Minutes without the database, in real time, with the daemon ended three times meanwhile.

    /usr/bin/python3 -m tests.tools.outage [--minutes 10] [--signal KILL] [--interval 1.0]
    /usr/bin/python3 -m tests.tools.outage --healthy [--minutes 60] [--interval 1.0]

Prints one line. Exits 1 if more is missing than the last second before each SIGKILL, or anything
at all with SIGTERM, or something is there twice; with --healthy, when nothing is ended and the
database is there, if anything has been done in the state directory.

Rules: what the device answers is what the daemon is owed. What it says unasked, because it is kept
alive for a minute where the daemon has to find it, is not.
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
from tests.support.compare import LATEST, NINE, answered, kept, lacking, said
from tests.support.daemon import Daemon, Setting, wait
from tests.support.long_run import tell
from tests.support.resources import written
from tests.support.stalls import Stalls

PORTAL = "c0619ab1c2d3"
ENDS = 3
LAST = 1.0  # s: half of one, in which values are in memory alone, and the time that a disk takes
WHILE_ENDING = 0.05  # s before an end, of what is said then: it is on its way
DRAINED_WITHIN = 120.0  # s
FORGIVEN = 20  # times that a machine stands still in an hour
OF_THE_DEVICE = {"devices.json", "devices.new"}


@dataclass(frozen=True)
class Outcome:
    """What is missing and why, in numbers of values; `oldest` is in s before the kill."""

    said: int
    stored: int
    last: int  # said in the last moments before a kill
    oldest: float
    ending: int  # said while the daemon ended, to nobody
    otherwise: int
    twice: int

    def __str__(self) -> str:
        return (
            f"{self.said:,} values said, {self.stored:,} stored; missing in the last second before"
            f" a kill {self.last} (said at most {self.oldest:.2f} s before), said while it ended"
            f" {self.ending}, otherwise {self.otherwise}; twice {self.twice}"
        )


class Plant:
    """A device, the broker, the database, and the daemon that is started and ended."""

    def __init__(self, setting: Setting, interval: float, *, given: bool) -> None:
        """With `given` the daemon knows the device from its ini, and has nothing to find out."""
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
        """End it by SIGKILL or SIGTERM."""
        self.ends.append((steady_unix_time(), signal == "KILL"))
        daemon.kill() if signal == "KILL" else daemon.stop()

    def reads(self) -> int:
        """Return how often the battery's voltage has been answered."""
        return len(answered(self.device, NINE["Voltage"]))

    def complete(self, timeout: float) -> None:
        """Wait until all is stored that is owed, or for `timeout` s."""
        with suppress(AssertionError):
            wait("all", lambda: not self.compare().otherwise, timeout)

    def compare(self) -> Outcome:
        """Compare what was said with what is stored.

        What a device says while it is being found out about, before it is read, is nobody's.
        """
        total = stored = otherwise = twice = ending = 0
        before: list[float] = []
        for field, leaf in NINE.items():
            uttered = {value: when for when, value in said(self.device, leaf)}
            spoken = answered(self.device, leaf)
            rows = kept(self.setting, field)
            values = [value for _, value in rows]
            for stamp, value in rows:
                off = stamp / 1e9 - uttered[value]
                assert -0.1 < off < LATEST, f"{field} {value}: the stamp is {off:.3f} s off"
            assert values == sorted(values), f"{field} is out of order"
            total += len(spoken)
            stored += len({value for _, value in spoken} & set(values))
            twice += len(values) - len(set(values))
            for when, _ in lacking(spoken, rows):
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
    """Have all that there is, but for the daemon."""
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as setting,
    ):
        yield Plant(setting, interval, given=given)


def outage(
    directory: Path, seconds: float, signal: str, interval: float
) -> tuple[Outcome, float, float]:
    """Take the database away for so long.

    Return what is missing, the bytes that were written to disks in each second meanwhile, and the
    seconds in which all drained.
    """
    with plant(directory, interval, given=True) as all_of_it:
        setting = all_of_it.setting
        daemon = all_of_it.start()
        wait("values", lambda: len(kept(setting, "Soc")) >= 3)
        setting.influxdb.stop()
        begun = time.monotonic()
        on_disks = -written(daemon.pid)
        for number in range(1, ENDS + 1):
            at = begun + number * seconds / (ENDS + 1) + random.uniform(-0.5, 0.5) * interval
            time.sleep(max(0.0, at - time.monotonic()))
            on_disks += written(daemon.pid)
            all_of_it.end(daemon, signal)
            tell(f"{time.monotonic() - begun:.1f} s: ended by SIG{signal}")
            daemon = all_of_it.start()
            daemon.wait_for_log("values are queued on disk, from an earlier start")
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        on_disks += written(daemon.pid)
        all_of_it.device.silence()
        setting.influxdb.start()
        back = time.monotonic()
        tell(f"{back - begun:.1f} s: the database is back")
        all_of_it.complete(DRAINED_WITHIN)
        took = time.monotonic() - back
        assert daemon.stop() == 0
        return all_of_it.compare(), on_disks / seconds, took


def healthy(directory: Path, seconds: float, interval: float, *, forgiven: int = 0) -> str:
    """Have nothing go wrong for so long; return what it was.

    A machine that stands still so long that values wait for a second is forgiven so often: the time
    does not count until the file that is made then has gone. Raises AssertionError, and
    UnhealthyError if it did so more often.
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
        wait("values", lambda: len(kept(setting, "Soc")) >= 3)
        wait("what was found", (state / "devices.json").exists)
        done = [each for each in changes.new() if each.rpartition(" ")[2] not in OF_THE_DEVICE]
        on_disks, left, begun = written(daemon.pid), round(seconds), forgiven
        while left > 0:
            if done:
                longest = stalls.lately(10.0)
                assert longest, f"in the state directory: {done}\n{daemon.tail()}"
                if not forgiven:
                    raise UnhealthyError(f"the machine stood still for {longest:.1f} s")
                forgiven -= 1
                tell(f"{left} s are left; the machine stood still for {longest:.1f} s")
                wait("its file to go", lambda: _names(state) == {"devices.json"}, 1200.0)
                changes.new()
                on_disks = written(daemon.pid)
            if left % 60 == 0:
                tell(f"{left} s are left")
            time.sleep(1.0)
            left -= 1
            done = changes.new()
        more = written(daemon.pid) - on_disks
        assert not more, f"{more} bytes are written elsewhere"
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
    """Something that is not the daemon's part was not as it should be."""


def main(arguments: list[str]) -> None:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.outage", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, help="10, or 60 with --healthy")
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    parser.add_argument("--interval", type=float, default=1.0, help="s")
    parser.add_argument("--healthy", action="store_true", help="with the database there")
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
                f" {outcome}; {rate / 1e3:.1f} kB/s written to disk; drained {took:.1f} s after its"
                " return"
            )
            assert not (outcome.otherwise or outcome.twice)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Run the benchmarks and print the table; exits 1 if a figure misses its target.

    /usr/bin/python3 -m tests.tools.bench [--json FILE] [--parts fleet,queue]
        [--old REVISION] [--peers DIR]

With --old another version of this repository is measured too, and with --peers other programs, in
turns with this one; docs/performance.md describes the measurements and their results.
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.support import long_run
from tests.support.daemon import Setting
from tests.tools.bench import backlog, burst, default_queue, delay, fleet, life, ordinary, peers
from tests.tools.bench.contenders import Version, before, present
from tests.tools.bench.table import Figure, as_json, commit, filled, lines, load, machine
from tests.tools.bench.targets import aimed

# Mosquitto drops messages of QoS 0 for a client that is slower than the publisher, by default.
BROKER = "max_queued_messages 0\nmax_queued_bytes 0\nlog_type error\nlog_type subscribe\n"
MB = 1e6


@dataclass
class Bench:
    """A run: its directory, its contenders, and its results so far; peaks are in bytes."""

    setting: Setting
    options: argparse.Namespace
    versions: Sequence[Version]
    peers: Sequence[peers.Kind]
    figures: list[Figure] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    @property
    def ours(self) -> str:
        """The name of this version."""
        return self.versions[0].name

    def start(self) -> None:
        """Measure starts."""
        self.figures += life.start(self.setting, self.options.starts, self.versions)

    def ordinary(self) -> None:
        """Measure nine values per second."""
        found = ordinary.measure(self.setting, self.options.seconds, self.versions, self.peers)
        self.figures += found[0]
        self.peaks.append(found[1])

    def flood(self) -> None:
        """Measure delays, floods, and memory over time, with daemons that run all the time."""
        setting, options = self.setting, self.options
        listeners = [delay.Listener(self.ours, burst.OURS, "battery")]
        if len(self.versions) > 1:
            listeners.append(delay.Listener(self.versions[1].name, burst.OLD, "battery_old"))
        with ExitStack() as stack:
            daemons = []
            for version, each in zip(self.versions, listeners, strict=True):
                setting.influxdb.query(f"CREATE DATABASE {each.db}")
                instance = str(burst.INSTANCE)
                device = burst.reference("device", setting.mosquitto.port, each.portal, instance)
                stack.callback(device.wait)
                stack.callback(device.kill)
                daemons.append(version.start(setting, each.db, each.portal))
                stack.callback(daemons[-1].kill)
            daemon, old = daemons[0], daemons[1] if len(daemons) > 1 else None
            floods = burst.Floods(setting, daemon, options.values, old)
            stack.callback(floods.close)
            long_run.progress(f"{options.singles} values one by one, and nine at once")
            self.figures += delay.measure(setting, options.singles, options.thousands, listeners)
            floods.into_ours(options.values)  # warm-up
            if old:
                floods.into_old(options.values)
            for number in range(options.rounds):
                long_run.progress(f"flood {number + 1} of {options.rounds}")
                floods.round()
            self.figures += floods.figures()
            long_run.progress(f"{options.million:,} values")
            grown, peak = life.age(floods, daemon, options.million)
            self.figures.append(grown)
            self.peaks.append(peak)
            for running in daemons:
                assert running.stop() == 0

    def queue(self) -> None:
        """Measure floods larger than a broker's default queue."""
        options = self.options
        figures, peaks = default_queue.measure(
            self.setting.directory,
            self.setting,
            [*self.versions, *self.peers],
            options.values,
            options.queue_rounds,
        )
        self.figures += figures
        self.peaks.append(peaks[self.ours])

    def fleet(self) -> None:
        """Measure a fleet, in both shapes, at a broker without other devices."""
        options, where = self.options, self.setting.directory
        with (
            Mosquitto(where / "fleet", config=BROKER) as broker,
            Setting(where, broker, self.setting.influxdb) as own,
        ):
            runs = fleet.Runs(own, options.devices, options.fleet_seconds, options.fleet_watched)
            for _ in range(options.fleet_rounds):
                for shape in fleet.SHAPES:
                    for contender in (*self.versions, *self.peers):
                        runs.turn(shape, contender)
        self.figures += runs.figures(self.ours)
        self.peaks.append(runs.peaks[self.ours])

    def backlog(self) -> None:
        """Measure the queue on disk."""
        self.figures += backlog.figures(self.versions, self.options.waiting)


PARTS: dict[str, Callable[[Bench], None]] = {
    "start": Bench.start,
    "ordinary": Bench.ordinary,
    "flood": Bench.flood,
    "queue": Bench.queue,
    "fleet": Bench.fleet,
    "backlog": Bench.backlog,
}


def main() -> int:
    """Run the command line."""
    options = _options()
    about = [f"commit {commit()}", machine(), f"load average at the start {load()}"]
    if options.old:
        about.append(f"the version before is {commit(options.old)}")
    found = peers.found(options.peers) if options.peers else []
    if options.peers:
        about.append(f"peers: {', '.join(each.name for each in found) or 'none found'}")
    long_run.progress("\n".join(about))
    with long_run.directory("bench") as directory, ExitStack() as stack:
        versions = [present()]
        if options.old:
            versions.append(before(options.old, directory / "before"))
        as_installed(directory / "bytecode", [version.root for version in versions])
        broker = stack.enter_context(Mosquitto(directory / "mosquitto", config=BROKER))
        database = stack.enter_context(InfluxDB(directory / "influxdb"))
        setting = stack.enter_context(Setting(directory, broker, database))
        bench = Bench(setting, options, versions, found)
        for part in options.parts:
            long_run.progress(f"part {part}")
            PARTS[part](bench)
    figures = bench.figures
    if bench.peaks:
        figures.append(Figure("memory at any load", max(bench.peaks) / MB, "MB"))
    figures = aimed(figures)
    print(*about, "", *lines(figures), sep="\n")
    if options.page:
        made = [f"{'; '.join(about)}.", "", *lines(figures)]
        options.page.write_text(filled(options.page.read_text(), made))
    if options.json:
        options.json.write_text(as_json(figures, about) + "\n")
    return 0 if all(each.met for each in figures) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.tools.bench")
    parser.add_argument("--old", metavar="REVISION", help="also measure this version, in turns")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="folder with other programs")
    parser.add_argument(
        "--parts", type=_parts, default=[*PARTS], help=f"some of {','.join(PARTS)}; default: all"
    )
    parser.add_argument("--values", type=int, default=100_000, help="number of values in a flood")
    parser.add_argument("--rounds", type=int, default=4, help="number of floods")
    parser.add_argument("--queue-rounds", type=int, default=3, help="floods, default queue")
    parser.add_argument("--million", type=int, default=1_000_000, help="values of the long run")
    parser.add_argument("--singles", type=int, default=100, help="values published one by one")
    parser.add_argument("--thousands", type=float, default=10.0, help="seconds of 1,000 values/s")
    parser.add_argument("--starts", type=int, default=5, help="number of starts")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of normal operation")
    parser.add_argument("--devices", type=int, default=1000, help="devices of a fleet")
    parser.add_argument("--fleet-seconds", type=float, default=10.0, help="seconds of its load")
    parser.add_argument("--fleet-watched", type=float, default=8.0, help="seconds of delays")
    parser.add_argument("--fleet-rounds", type=int, default=1, help="rounds in each shape")
    parser.add_argument("--waiting", type=int, default=540_000, help="values of a backlog")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="insert the table into this page")
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := [each for each in parts if each not in PARTS]:
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}")
    return parts


def as_installed(directory: Path, roots: Sequence[Path]) -> None:
    """Compile the daemon's modules, as the package does; a checkout may not have that."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(directory)
    for root in roots:
        assert compileall.compile_dir(root / "bat2influx", quiet=1)


if __name__ == "__main__":
    sys.exit(main())

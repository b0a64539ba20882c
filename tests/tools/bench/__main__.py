"""Run the measurements and print the table; 1 if a figure is not as it is to be.

/usr/bin/python3 -m tests.tools.bench [--json FILE]
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.support import long_run
from tests.support.daemon import Setting
from tests.tools.bench import burst, delay, life, ordinary
from tests.tools.bench.table import Figure, as_json, lines

# Mosquitto drops messages of QoS 0 for a client that is slower than the publisher, by default.
BROKER = "max_queued_messages 0\nmax_queued_bytes 0\nlog_type error\nlog_type subscribe\n"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tests.tools.bench")
    parser.add_argument("--values", type=int, default=100_000, help="in a flood")
    parser.add_argument("--rounds", type=int, default=6, help="of floods")
    parser.add_argument("--million", type=int, default=1_000_000, help="values to grow old by")
    parser.add_argument("--singles", type=int, default=100, help="values said one by one")
    parser.add_argument("--seconds", type=float, default=60.0, help="of what is ordinary")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures for a comparison")
    options = parser.parse_args()
    figures: list[Figure] = []
    with long_run.directory("bench") as directory, ExitStack() as stack:
        as_installed(directory / "bytecode")
        broker = stack.enter_context(Mosquitto(directory / "mosquitto", config=BROKER))
        database = stack.enter_context(InfluxDB(directory / "influxdb"))
        setting = stack.enter_context(Setting(directory, broker, database))
        long_run.tell("starts")
        figures += life.start(setting, 5)
        long_run.tell(f"{options.seconds:g} ordinary seconds")
        figures += ordinary.measure(setting, options.seconds)
        database.query("CREATE DATABASE battery")
        # Where it is polled, what nobody asked for is not stored.
        known = {"serial": burst.OURS, "instance": burst.INSTANCE, "mode": "notify"}
        device = burst.reference("device", setting.mosquitto.port, burst.OURS, str(burst.INSTANCE))
        stack.callback(device.wait)
        stack.callback(device.kill)
        daemon = setting.daemon(Battery=known)
        daemon.wait_for_log("hearing of changes from ")
        floods = burst.Floods(setting, daemon, options.values)
        stack.callback(floods.close)
        long_run.tell(f"{options.singles} values one by one")
        figures += delay.measure(setting, options.singles, 10.0)
        floods.into_ours(options.values)  # to warm up
        for number in range(options.rounds):
            long_run.tell(f"flood {number + 1} of {options.rounds}")
            floods.round()
        figures += floods.figures()
        long_run.tell(f"{options.million:,} values")
        figures += life.age(floods, daemon, options.million)
        assert daemon.stop() == 0
    print(*lines(figures), sep="\n")
    if options.json:
        options.json.write_text(as_json(figures) + "\n")
    return 0 if all(each.met for each in figures) else 1


def as_installed(directory: Path) -> None:
    """Have the daemon find itself compiled, as the package installs it; a checkout may not be."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(directory)
    assert compileall.compile_dir(TOP / "bat2influx", quiet=1)


if __name__ == "__main__":
    sys.exit(main())

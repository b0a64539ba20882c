"""docs/pictures/watch.svg: `bat2influx watch` in a terminal, while the daemon runs.

Real are `watch`, the daemon, Mosquitto, InfluxDB and the terminal, which is a pane of tmux. The
picture has the pane's content when the graphs are full, letter by letter and colour by colour.

Simulated is the battery: the stand-in in a house of tests/support/house.py, in which every second
is a minute, so that the graphs of two minutes have a shape.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.support.daemon import Setting, wait
from tests.support.long_run import progress
from tests.support.tmux import Tmux
from tests.tools.pictures.standin import Lived, Prompt, device

COLUMNS, LINES = 100, 18
BEGIN = int(datetime(2026, 4, 18, 9, tzinfo=UTC).timestamp())
SEED = 19
FASTER = 60
PATIENCE = 600.0  # s, for the graphs to be full
TITLE = "bat2influx watch in a terminal"
BARS = "▁▂▃▄▅▆▇█"


def watched(directory: Path) -> list[str]:
    """Run `watch` and the daemon, and return the terminal's lines when its graphs are full."""
    begun = int(time.time())
    house = device(Lived(BEGIN, seed=SEED), lambda now: BEGIN + (now - begun) * FASTER)
    environment = {"RUNTIME_DIRECTORY": str(directory), "STATE_DIRECTORY": str(directory / "state")}
    with (
        Mosquitto(directory / "mosquitto", port=_usual(1883)) as broker,
        InfluxDB(directory / "influxdb", port=_usual(8086)) as database,
        Setting(directory, broker, database) as made,
        Prompt("127.0.0.1", broker.port, house),
        Tmux(directory) as tmux,
    ):
        daemon = made.daemon(environment=environment)
        wait("values", made.stored)
        given = [f"{name}={value}" for name, value in environment.items()]
        ini = directory / "bat2influx.ini"
        command = [sys.executable, "-m", "bat2influx", "--config", ini, "watch"]
        pane = tmux.pane(["env", "-u", "NO_COLOR", *given, *command], COLUMNS, LINES)
        progress("the graphs of watch become full")
        wait("full graphs", lambda: _is_full(pane.text.splitlines()), PATIENCE)
        shown = pane.drawn.split("\n")[:LINES]
        pane.press("q")
        assert daemon.stop() == 0
    return shown


def _usual(port: int) -> int:
    """Return a well-known port, if it is free, so that pictures are equal; else 0."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return port
    return 0


def _is_full(lines: list[str]) -> bool:
    """Return whether the graphs of all nine fields have reached the left end."""
    graphs = [line for line in lines if line.endswith(tuple(BARS))]
    width = max((len(line) - len(line.rstrip(BARS)) for line in graphs), default=0)
    heads = [line.find("the last ") for line in lines if "the last " in line]
    return len(graphs) == 9 and bool(heads) and width >= COLUMNS - heads[0]

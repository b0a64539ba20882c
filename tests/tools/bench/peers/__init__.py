"""Other programs that write MQTT values to InfluxDB, run from a folder of the caller.

    make bench PEERS=DIR

The programs are in DIR alone: an executable `telegraf`, `go-mqtt-to-influx` or `mqtt2influxdb`;
existing ones are run. The configurations beside this file belong to this project, with comments; in
them `$mqtt_port`, `$influx_port`, `$api_v2_port`, `$db`, `$portal` and `$directory` are replaced.
Start with the table `PEERS`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from string import Template

from tests import TOP
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait
from tests.support.process import Process
from tests.tools.bench.contenders import Schema

HERE = Path(__file__).parent
LAST = [*NINE][-1]
_numbers = count(1)


class Peer(Process):
    """A running peer, with the relay of its writes, if it needs one."""

    def __init__(self, name: str, command: list[str], log: Path, cwd: Path) -> None:
        # The user's environment must not change the configuration.
        names = ("INFLUX", "MQTT", "BUFFER", "TELEGRAF")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(names)}
        super().__init__(name, command, log, environment=kept, cwd=cwd)
        self.behind: subprocess.Popen[str] | None = None

    def stop(self, timeout: float = 10.0) -> int | None:
        """End it, by force if necessary: a peer's exit is not measured."""
        self.kill()
        return 0

    def kill(self) -> None:
        """End both."""
        super().kill()
        if self.behind is not None:
            self.behind.kill()
            self.behind.wait()


@dataclass(frozen=True)
class Kind:
    """The command of a program; `config` is a file beside this one, `arguments` are templates."""

    name: str
    program: str
    arguments: tuple[str, ...]
    schema: Schema
    config: str = ""
    topic: str = "N/$portal/vebus/#"
    flush: float = 0.1
    telemetry: bool = False
    folder: Path = field(default=Path())
    asks_nothing: bool = True

    def start(self, setting: Setting, db: str, portal: str) -> Peer:
        """Start it, and wait until it has subscribed. Raises AssertionError with its log."""
        own = setting.directory / f"peer-{next(_numbers)}"
        own.mkdir()
        behind = _api_v2(setting.influxdb.port) if self.telemetry else None
        names = {
            "mqtt_port": str(setting.mosquitto.port),
            "influx_port": str(setting.influxdb.port),
            "api_v2_port": behind[1] if behind else "",
            "db": db,
            "portal": portal,
            "directory": str(own),
        }
        if self.config:
            text = Template((HERE / self.config).read_text()).substitute(names)
            names["config"] = str(own / self.config)
            Path(names["config"]).write_text(text)
        arguments = [Template(each).substitute(names) for each in self.arguments]
        peer = Peer(self.name, [str(self.folder / self.program), *arguments], own / "log", own)
        peer.behind = behind[0] if behind else None
        log, topic = setting.mosquitto.log, Template(self.topic).substitute(names)
        before = log.read_text().count(topic)

        def subscribed() -> bool:
            assert peer.running, f"{self.name} has ended\n{peer.tail(30)}"
            return log.read_text().count(topic) > before

        try:
            peer.start()
            wait(f"{self.name} to subscribe", subscribed, 30.0)
        except BaseException:
            peer.kill()
            raise
        return peer


_TELEGRAF = Schema(
    "dc",
    ("value",),
    ("portal", "instance", "field"),
    "value",
    f"portal = '{{portal}}' AND \"field\" = '{LAST}'",
)
PEERS = (
    Kind(
        name="Telegraf, large batches",
        program="telegraf",
        arguments=("--config", "$config"),
        schema=_TELEGRAF,
        config="telegraf.conf",
        flush=10.0,
    ),
    Kind(
        name="Telegraf, each 0.1 s",
        program="telegraf",
        arguments=("--config", "$config"),
        schema=_TELEGRAF,
        config="telegraf-soon.conf",
    ),
    Kind(
        name="go-mqtt-to-influx",
        program="go-mqtt-to-influx",
        arguments=("--config=$config",),
        schema=Schema(
            "telemetry",
            ("floatValue",),
            ("device", "field"),
            "floatValue",
            f"device = '{{portal}}' AND \"field\" = '{LAST}'",
        ),
        config="go-mqtt-to-influx.yaml",
        telemetry=True,
        topic="tele/go-iotdevice/$portal/state",
    ),
    Kind(
        name="mqtt2influxdb",
        program="mqtt2influxdb",
        arguments=(
            "--influx-host=http://127.0.0.1:$influx_port/",
            "--influx-database=$db",
            "--mqtt-broker=127.0.0.1",
            "--mqtt-port=$mqtt_port",
            "--buffer-amount=1000",
            "--buffer-seconds=0.1",
            "N/$portal/vebus/#",
        ),
        schema=Schema(
            "measurement",
            ("value",),
            ("topic",),
            "value",
            f"topic = 'N/{{portal}}/{NINE[LAST]}'",
        ),
    ),
)


def found(folder: Path) -> list[Kind]:
    """Return those whose programs are in a folder and are executable."""
    return [
        replace(kind, folder=folder.resolve())
        for kind in PEERS
        if os.access(folder / kind.program, os.X_OK)
    ]


def _api_v2(database_port: int) -> tuple[subprocess.Popen[str], str]:
    module = "tests.tools.bench.peers.api_v2"
    command = [sys.executable, "-m", module, str(database_port)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TOP)
    assert child.stdout
    return child, child.stdout.readline().strip()

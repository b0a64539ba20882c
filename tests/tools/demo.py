"""`make demo`: the daemon between a simulated battery and a database, all on this machine.

Rules: everything is on free ports of 127.0.0.1 and in one temporary folder; installed programs and
running services are not touched, and no process or file is left, however the demo ends. The values
are read back with InfluxDB's own client; if a part fails, its log is printed.
"""

import itertools
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB, InfluxDBError
from tests.standins.network.mosquitto import Mosquitto
from tests.support.process import PartError, Process
from tests.support.programs import ProgramMissingError, find

# Another python3 on the PATH would not have Debian's libraries.
PYTHON_MODULE = ("/usr/bin/python3", "-m")
DB = "battery"
MEASUREMENT = "dc"
FIELDS = ("Current", "Voltage", "Power", "Soc", "I", "V", "P", "S", "F")
NO_CLOSER = 0.5  # s between two values of a field; normal is 1 s
MOST_OF = 0.9  # of the seconds have one, on a machine that may stall
WINDOW = f"FROM {MEASUREMENT} WHERE time > now()-5s"
MEANS = ", ".join(f'mean("{field}") AS {field}' for field in FIELDS)
RAW_QUERY = f"SELECT * {WINDOW}"
MEANS_QUERY = f"SELECT {MEANS} {WINDOW} GROUP BY time(1s)"

CONFIGURATION = f"""\
[Battery]
address = 127.0.0.1
port = {{broker}}
soc_interval = 1

[Influx]
address = 127.0.0.1
port = {{database}}
db = {DB}
measurement = {MEASUREMENT}
"""


class DemoError(RuntimeError):
    """The demo failed; the text has the reason."""


@dataclass(frozen=True)
class Parts:
    """All processes of the demo."""

    broker: Mosquitto
    device: Process
    database: InfluxDB
    daemon: Process

    def check(self) -> None:
        """Raise DemoError, with its log, when a part has ended by itself."""
        for part in (self.broker, self.device, self.database, self.daemon):
            if not part.running:
                raise DemoError(f"{part.name} exited with {part.exit_code}\n{part.tail()}")


def main() -> int:
    """Run the demo; return 0 when all nine fields arrived and the daemon exited with 0."""
    try:
        seconds = float(os.environ.get("DEMO_SECONDS") or 15)
    except ValueError:
        print("DEMO_SECONDS must be a number of seconds; 0 runs until Ctrl-C")
        return 64
    _raise_on_signals()
    try:
        with tempfile.TemporaryDirectory(prefix="bat2influx-demo-") as folder:
            _run(Path(folder), seconds)
    except (DemoError, InfluxDBError, PartError, ProgramMissingError, OSError) as error:
        print(f"\nThe demo failed: {error}")
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. All processes are stopped, all files removed.")
        return 130
    print("\nSuccess: all nine fields were stored, and the daemon exited with 0.")
    print("All processes are stopped, all files removed.")
    return 0


def _run(folder: Path, seconds: float) -> None:
    with ExitStack() as stack:
        parts = _start(folder, stack)
        if seconds > 0:
            _watch(parts, seconds)
        else:
            _explain_access(parts)
            with suppress(KeyboardInterrupt):
                _watch(parts, math.inf)
            _raise_on_signals()
        _show(parts.database, RAW_QUERY)
        _show(parts.database, MEANS_QUERY)
        _check_fields(parts)
        _check_one_a_second(parts)
        _stop_daemon(parts.daemon)


def _start(folder: Path, stack: ExitStack) -> Parts:
    broker = stack.enter_context(Mosquitto(folder / "mosquitto"))
    _tell(f"Mosquitto, the broker, on 127.0.0.1:{broker.port}")

    device = Process(
        "the Venus stand-in",
        [*PYTHON_MODULE, "tests.standins.venus.mqtt", "--host=127.0.0.1", f"--port={broker.port}"],
        folder / "venus.log",
        environment=_environment(),
        cwd=TOP,
    )
    stack.enter_context(device)
    _tell("a simulated Venus device with a battery, connected to that broker")

    database = stack.enter_context(InfluxDB(folder / "influxdb"))
    _tell(f"InfluxDB on 127.0.0.1:{database.port}, still without a database")

    configuration = folder / "bat2influx.ini"
    configuration.write_text(CONFIGURATION.format(broker=broker.port, database=database.port))
    (folder / "state").mkdir()
    daemon = Process(
        "bat2influx",
        [*PYTHON_MODULE, "bat2influx", "--config", configuration],
        folder / "bat2influx.log",
        environment={**_environment(), "STATE_DIRECTORY": str(folder / "state")},
        cwd=TOP,
    )
    stack.enter_context(daemon)
    _tell("bat2influx, from this checkout")
    return Parts(broker, device, database, daemon)


def _watch(parts: Parts, seconds: float) -> None:
    start = time.monotonic()
    for second in itertools.count(1):
        now = time.monotonic() - start
        if now >= seconds:
            return
        time.sleep(max(0.0, min(second, seconds) - now))
        parts.check()
        print(f"{min(second, seconds):4g} s  {_progress(parts.database)}", flush=True)


def _progress(database: InfluxDB) -> str:
    if not any(row["name"] == DB for row in database.query("SHOW DATABASES")):
        return "waiting for the daemon to create its database"
    counts = database.query(f"SELECT count(*) FROM {MEASUREMENT}", DB)
    if not counts:
        return "waiting for the first values"
    points = sum(count for name, count in counts[0].items() if name != "time")
    last = database.query(f"SELECT last(Voltage), last(Power) FROM {MEASUREMENT}", DB)
    if not last:
        return f"{points} values stored"
    voltage, power = last[0]["last"], last[0]["last_1"]
    return f"{points} values stored; latest: Voltage {voltage} V, Power {power} W"


def _show(database: InfluxDB, query: str) -> None:
    print(f"\n> {query}")
    influx = find("influx")
    arguments = [*_influx_arguments(database), "-execute", query]
    # With another HOME it writes no history file in the user's.
    environment = {**influx.environment, "HOME": str(database.directory)}
    answer = subprocess.run(
        [influx.path, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(answer.stdout, end="", flush=True)
    if answer.returncode != 0:
        raise DemoError(f"influx exited with {answer.returncode}")


def _check_fields(parts: Parts) -> None:
    for query in (RAW_QUERY, MEANS_QUERY):
        rows = parts.database.query(query, DB)
        missing = [name for name in FIELDS if all(row.get(name) is None for row in rows)]
        if missing:
            raise DemoError(f"no value of {', '.join(missing)} in 5 s\n{parts.daemon.tail()}")


def _check_one_a_second(parts: Parts) -> None:
    """Each field that is read every second has one value per second, from the first one on."""
    for name in FIELDS:
        if name == "Soc":  # which is read every 10 s
            continue
        rows = parts.database.query(f'SELECT "{name}" FROM {MEASUREMENT}', DB)
        times = [row["time"] / 1e9 for row in rows]
        apart = [later - sooner for sooner, later in itertools.pairwise(times)]
        if min(apart, default=1.0) < NO_CLOSER:
            raise DemoError(
                f"{name} has two values {min(apart):.3f} s apart\n{parts.daemon.tail()}"
            )
        seconds = round(times[-1] - times[0]) + 1
        if len(times) < MOST_OF * seconds:
            raise DemoError(f"{name} has {len(times)} values in {seconds} s\n{parts.daemon.tail()}")
    print(f"\nEach of {len(FIELDS) - 1} fields has one value per second, from the first second on.")


def _stop_daemon(daemon: Process) -> None:
    code = daemon.stop(timeout=10)
    if code != 0:
        raise DemoError(f"the daemon exited with {code} after SIGTERM, not with 0\n{daemon.tail()}")


def _explain_access(parts: Parts) -> None:
    influx = " ".join([str(find("influx").path), *_influx_arguments(parts.database)])
    print(f"""
Until Ctrl-C you can query it yourself:
  influx    {influx}
  Grafana   data source InfluxDB, language InfluxQL, URL {parts.database.url},
            database {DB}, no user; measurement {MEASUREMENT}
  MQTT      mosquitto_sub -h 127.0.0.1 -p {parts.broker.port} -v -t 'N/#'
""")


def _influx_arguments(database: InfluxDB) -> list[str]:
    where = ["-host", "127.0.0.1", "-port", str(database.port)]
    return [*where, "-database", DB, "-precision", "rfc3339"]


def _environment() -> dict[str, str]:
    # Without variables of a service manager that may have started this terminal, and without byte
    # code in a checkout of another user.
    theirs = ("NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    return {**ours, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _tell(text: str) -> None:
    print(f"Started {text}", flush=True)


def _raise_on_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Only once: a second Ctrl-C must not interrupt the cleanup.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""The package in a tree of another processor: installed, checked, run, with an outage, measured.

Rules: the daemon, the broker and the database are those of the tree, emulated; the stand-in of the
device is native, so that delays are theirs. The daemon is the installed program with its own user,
ini and state directory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.support.compare import FAST, stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait
from tests.support.long_run import progress
from tests.support.process import Process, Server
from tests.tools.arm.account import Result, covered, emulated
from tests.tools.arm.machine import ENVIRONMENT, Machine
from tests.tools.outage import Outcome, Plant

USER = "bat2influx"
PROGRAM = "/usr/bin/bat2influx"
INI = "/etc/bat2influx/bat2influx.ini"
STATE = "/var/lib/bat2influx"
SECONDS = 60
AWAY = 30.0  # s without the database; the daemon is stopped after half of them
PATIENCE = 300.0  # s; under emulation, on a shared machine, all takes long


class InTree(Setting):
    """A broker and a database of the tree, and the installed daemon between them."""

    def __init__(self, machine: Machine, mosquitto: Mosquitto, influxdb: InfluxDB) -> None:
        super().__init__(machine.directory, mosquitto, influxdb)
        self.machine = machine
        self.notify: NotifySocket | None = None

    def daemon(self, **_: object) -> Daemon:  # type: ignore[override]
        """Start the installed daemon as its unit does."""
        self.configure()
        if self.notify is None:
            self.notify = self.notify_socket()
            self.notify.path.chmod(0o666)
        self._daemons += 1
        daemon = Daemon(Path(INI), self.directory / f"daemon-{self._daemons}.log")
        daemon.command = self.machine.command(PROGRAM, "--config", INI, "run", user=USER)
        daemon.environment = {
            **ENVIRONMENT,
            "STATE_DIRECTORY": STATE,
            "NOTIFY_SOCKET": str(self.notify.path),
            "WATCHDOG_USEC": "120000000",
        }
        daemon.cwd = None
        daemon.start()
        self._stack.callback(daemon.kill)
        return daemon

    def configure(self) -> None:
        """Overwrite the installed ini; owner and mode stay."""
        self.machine.inside(INI).write_text(self.write_ini().read_text())


def _inside(machine: Machine, server: Server, program: str) -> None:
    # The programs of the tests' servers, from the tree instead.
    server.command = machine.command(program, *server.command[1:])
    server.environment = {**ENVIRONMENT, "HOME": str(machine.directory)}


@contextmanager
def plant(machine: Machine) -> Iterator[Plant]:
    """Start broker, database and device, without the daemon."""
    directory = machine.directory
    broker, database = Mosquitto(directory / "mosquitto"), InfluxDB(directory / "influxdb")
    _inside(machine, broker, "/usr/sbin/mosquitto")
    _inside(machine, database, "/usr/bin/influxd")
    with broker, database, InTree(machine, broker, database) as setting:
        yield Plant(setting, 1.0, given=False)


def prove(machine: Machine, package: Path, tree: str, unit_tests: list[str]) -> Result:
    """Run all steps. Raises AssertionError, or the error of a part."""
    began = time.monotonic()
    machine.install(package)
    machine.run("install", "-d", "-o", USER, "-g", USER, "-m", "700", STATE)  # as systemd does
    progress(f"{tree}: installed, {machine.run(PROGRAM, '--version').strip()}")
    with plant(machine) as all_of_it:
        _check(all_of_it, tree)
    with plant(machine) as all_of_it:  # the device has no other client
        seconds, memory = _every_second(all_of_it, tree)
        outcome, spooled = _outage(all_of_it, tree)
    bare = _bare(machine)
    progress(f"{tree}: {outcome}; {len(unit_tests)} files of unit tests")
    summary = "none"
    if unit_tests:
        summary, printed = machine.unit_tests(unit_tests)
        if "failed" in summary or "error" in summary:
            progress(printed)
    return Result(
        tree,
        seconds,
        SECONDS,
        outcome.published,
        outcome.stored,
        outcome.last + outcome.otherwise,
        outcome.twice,
        spooled,
        memory,
        bare,
        summary,
        time.monotonic() - began,
    )


def _check(all_of_it: Plant, tree: str) -> None:
    setting = all_of_it.setting
    assert isinstance(setting, InTree)
    setting.configure()
    checked = setting.machine.run(PROGRAM, "--config", INI, "check", user=USER)
    progress(f"{tree}: check:\n{checked.rstrip()}")


def _every_second(all_of_it: Plant, tree: str) -> tuple[int, int]:
    # The daemon is stopped after it.
    setting = all_of_it.setting
    assert isinstance(setting, InTree)
    daemon = all_of_it.start()
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3, PATIENCE)
    assert setting.notify is not None
    assert setting.notify.values("READY") == ["1"]
    first = int(time.time()) + 1
    time.sleep(first + SECONDS + 2 - time.time())
    stored = {field: [when for when, _ in stored_values(setting, field)] for field in FAST}
    memory = emulated_memory(daemon.pid)
    assert setting.notify.times("WATCHDOG"), "the watchdog got no ping"
    all_of_it.end(daemon, "TERM")
    seconds = covered(stored, first, SECONDS)
    progress(f"{tree}: {seconds} of {SECONDS} seconds, {memory / 1e6:.1f} MB")
    return seconds, memory


def _outage(all_of_it: Plant, tree: str) -> tuple[Outcome, int]:
    # The database is stopped; during the outage the daemon is stopped and started.
    setting = all_of_it.setting
    assert isinstance(setting, InTree)
    daemon = all_of_it.start()
    setting.influxdb.stop(PATIENCE)
    time.sleep(AWAY / 2)
    all_of_it.end(daemon, "TERM")
    export = setting.machine.run(PROGRAM, "--config", INI, "spool", "--export")
    spooled = sum(line.startswith("dc") for line in export.splitlines())
    daemon = all_of_it.start()
    daemon.wait_for_log("values are queued on disk, from an earlier start", PATIENCE)
    time.sleep(AWAY / 2)
    all_of_it.device.silence()
    setting.influxdb.start()
    progress(f"{tree}: the database is up again; {spooled} values were on disk")
    all_of_it.complete(PATIENCE)
    code = daemon.stop(PATIENCE)
    assert code == 0, f"the daemon exited with {code}\n{daemon.tail()}"
    return all_of_it.compare(), spooled


def emulated_memory(pid: int) -> int:
    """Return the bytes in memory of an emulated program, without the emulator's own."""
    emulator = Path(f"/proc/{pid}/exe").readlink().name
    return emulated(Path(f"/proc/{pid}/smaps").read_text(), emulator)


def _bare(machine: Machine) -> int:
    # A python3 of the tree that only starts.
    ready = machine.directory / "bare.log"
    script = "print('ready', flush=True); import signal; signal.pause()"
    command = machine.command("/usr/bin/python3", "-c", script)
    with Process("python3", command, ready, environment=ENVIRONMENT) as bare:
        wait("python3", lambda: "ready" in ready.read_text(), PATIENCE)
        memory = emulated_memory(bare.pid)
        bare.kill()
    return memory

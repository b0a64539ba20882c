"""`bat2influx watch` in a real terminal and in a pipe, with real servers and their faults."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import TOP
from tests.standins.venus.device import Device
from tests.standins.venus.large import large
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait
from tests.support.process import free_port
from tests.support.tmux import UTF8, Pane, Tmux

P = "c0619ab1c2d3"
W = 16.0  # s
GIVEN = {"serial": P, "instance": 275}
ENVIRONMENT = {"TERM": "tmux-256color", "LC_ALL": UTF8, "WATCHDOG_USEC": str(round(W * 1e6))}
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-7]|38;|9[0-7])")
BARS = re.compile("[▁▂▃▄▅▆▇█]{2}")


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    """A separate tmux server for the test."""
    with Tmux(tmp_path) as server:
        yield server


def command(setting: Setting, ini: Path, **environment: str) -> list[str]:
    """Return the command to run it, with `environment` added to the usual one."""
    state = {"STATE_DIRECTORY": str(setting.directory / "state"), "XDG_RUNTIME_DIR": ""}
    variables = {**ENVIRONMENT, **state, **environment}
    return [
        *("env", *(f"{name}={value}" for name, value in variables.items())),
        *(sys.executable, "-m", "bat2influx", "--config", str(ini), "watch"),
    ]


def in_shell(command: list[str], before: str = "echo before") -> list[str]:
    """Return the command to run it in a shell that prints its exit code, and then waits."""
    after = 'code=$?; stty -a | grep -q -w -- -echo || echo "ended with $code, restored"; sleep 600'
    return ["sh", "-c", f'{before}; "$@"; {after}', "sh", *command]


def fields_shown(text: str) -> set[str]:
    """Return the first word of each line of the table."""
    return {line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.strip()}


def test_values_and_faults_in_a_terminal(setting: Setting, tmux: Tmux) -> None:
    """Without a database, after its stop, after the device's stop; and `q` quits."""
    device = Device(P)
    setting.venus(device)
    device.set_value("vebus", "/Dc/0/Voltage", 52.625)
    ini = setting.write_ini(Battery=GIVEN)
    pane = tmux.pane(in_shell(command(setting, ini)), 80, 24)
    text = pane.wait_for("'battery' does not", "Voltage 52.62 V 0 s", "connected, polling")
    assert "on disk     nothing queued" in text
    assert "daemon      not running here" in text
    assert "before" not in text
    wait("every field", lambda: fields_shown(pane.text) >= NINE.keys())
    wait("a graph", lambda: BARS.search(pane.text))
    setting.influxdb.stop()
    where = f"127.0.0.1:{setting.influxdb.port}"
    pane.wait_for(f"database ! InfluxDB at {where} is unreachable (connection refused); check")
    device.silence()
    text = pane.wait_for(
        f"! device {P} at 127.0.0.1 does not respond", "! Voltage 52.62 V", "stale"
    )
    device.speak()
    setting.influxdb.start()
    pane.wait_for(f" at {where} answers", "connected, polling", " Voltage 52.6")
    wait("fresh values", lambda: "stale" not in pane.text)
    pane.press("q")
    assert "Voltage" not in pane.wait_for("before", "ended with 0, restored")
    assert not (setting.directory / "state").exists()


def test_beside_the_daemon(setting: Setting, tmux: Tmux) -> None:
    """It shows the daemon's status and the queue on disk, and its reads follow the daemon's."""
    run = setting.directory / "run"
    run.mkdir()
    runtime = {"RUNTIME_DIRECTORY": str(run)}
    device = Device(P)
    setting.venus(device)
    setting.daemon(watchdog=W, environment=runtime, Battery=GIVEN)
    ini = run / "bat2influx.ini"  # of the same name, with a field that is read last
    given = (setting.directory / "bat2influx.ini").read_text()
    ini.write_text(f"{given}[Fields]\nState = vebus/State\n")
    pane = tmux.pane(command(setting, ini, **runtime), 200, 50)
    text = pane.wait_for("daemon healthy: ", " values/s, 0 queued", "Voltage", "'battery', answers")
    assert len(re.findall("Voltage", text)) == 1

    def lead() -> int:
        """Return in how many more seconds the daemon's read came first than second."""
        ticks: dict[int, list[str]] = {}
        for request in list(device.log.requests):
            ticks.setdefault(int(request.time), []).append(request.topic.rpartition("/")[2])
        both = [asked for asked in ticks.values() if len(asked) >= 5 and "State" in asked]
        return sum(1 if asked[-1] == "State" else -1 for asked in both)

    wait("reads", lambda: lead() >= 4)
    setting.influxdb.stop()
    pane.wait_for(
        "values queued, the oldest from",
        "values are queued; ",
        f"database ! InfluxDB at 127.0.0.1:{setting.influxdb.port} is unreachable (connection"
        " refused); check that it is running, and address and port under [Influx] in"
        f" {ini}",
    )


def test_colours_and_their_replacements(setting: Setting, tmux: Tmux) -> None:
    """A fault is red, or has a mark if NO_COLOR or the terminal permits no colours."""
    setting.venus(Device(P))
    setting.influxdb.stop()
    ini = setting.write_ini(Battery=GIVEN)

    def start(**environment: str) -> Pane:
        return tmux.pane(command(setting, ini, **environment), 80, 24)

    many, none = start(), start(NO_COLOR="1")
    mono, ascii_ = start(TERM="xterm-mono"), start(LC_ALL="C")
    for pane in (many, none, mono, ascii_):
        pane.wait_for("database ! InfluxDB at 127.0.0.1:", "Voltage", " V 0 s")
    wait("red", lambda: re.search(r"\x1b\[31m(?:\x1b\[[0-9;]*m)*! InfluxDB at", many.drawn))
    wait("graphs", lambda: all(BARS.search(pane.text) for pane in (many, none, mono)))
    for pane in (none, mono):
        assert not COLOUR.search(pane.drawn)
        assert re.search(r"\x1b\[(?:0;)?1m(?:\x1b\[[0-9;]*m)*! InfluxDB at", pane.drawn)
    wait("a graph", lambda: re.search("V .* s .*[-_.:=+*#]{2}", ascii_.text))
    assert ascii_.text.isascii()
    assert COLOUR.search(ascii_.drawn)


def test_more_fields_than_lines(setting: Setting, tmux: Tmux) -> None:
    """It scrolls, adapts to a new size at once, and restores the terminal at SIGTERM."""
    setting.venus(large(P))
    fields = {"presets": "battery, phases, system", "instances": "tag"}
    ini = setting.write_ini(Battery={"serial": P}, Fields=fields)
    recorded = setting.directory / "pid"
    before = f'echo before; sh -c \'echo $$ >{recorded}; exec "$@"\' sh "$@"; set -- true'
    pane = tmux.pane(in_shell(command(setting, ini), before), 80, 24)
    text = pane.wait_for("Voltage/275", "more below: arrow keys")
    assert "InverterError" not in text
    pane.press("End")
    text = pane.wait_for("InverterError/289", "more above: arrow keys")
    assert "more below" not in text
    pane.press("PageUp", "PageUp", "Up", "k", "Home")
    pane.wait_for("Voltage/275", "more below: arrow keys")
    pane.resize(120, 40)
    wait("the new size", lambda: "from" in pane.text and len(pane.text.splitlines()) > 30)
    pane.resize(40, 12)
    wait("the new size", lambda: "Voltage" in pane.text and "the last" not in pane.text)
    assert max(map(len, pane.text.splitlines())) <= 40
    os.kill(int(recorded.read_text()), signal.SIGTERM)
    pane.wait_for("before", "ended with 0, restored")


def started(
    setting: Setting, ini: Path, environment: Mapping[str, str] = ENVIRONMENT
) -> subprocess.Popen[str]:
    """Return it, started with a pipe for its output."""
    return subprocess.Popen(
        command(setting, ini, **environment),
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_lines_for_a_pipe_until_its_reader_ends(setting: Setting) -> None:
    """One line per second, with all values, at once; it ends without an error, with code 0."""
    setting.venus(Device(P))
    with started(setting, setting.write_ini(Battery=GIVEN)) as watch:
        assert watch.stdout and watch.stderr
        lines = [watch.stdout.readline() for _ in range(8)]
        watch.stdout.close()
        assert watch.wait(60) == 0
        said = watch.stderr.read().splitlines()
    time = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2} "
    assert all(re.match(time, line) for line in lines)
    assert re.fullmatch(
        time + r"Voltage [0-9.]+ V, Current [0-9.-]+ A, Power [0-9.-]+ W, Soc [0-9.]+ %,"
        r" I [0-9.-]+ A, V [0-9.]+ V, P [0-9.-]+ W, S [0-9.-]+ VA, F [0-9.]+ Hz\n",
        lines[-1],
    )
    assert said == [f"INFO: reading 127.0.0.1, portal id {P}, vebus 275 every 1 s"]


def test_faults_have_separate_lines(setting: Setting) -> None:
    """At the beginning and at the end of each; Ctrl-C is no error."""
    runner = setting.venus(Device(P))
    setting.influxdb.stop()
    watch = setting.daemon(
        environment={**ENVIRONMENT, "TERM": "dumb"}, options=("watch",), Battery=GIVEN
    )
    watch.wait_for_log(" problem: database: InfluxDB at 127.0.0.1:[0-9]+ is unreachable")
    watch.wait_for_log(" Voltage [0-9.]+ V, Current ")
    setting.mosquitto.stop()
    watch.wait_for_log(" problem: device: .*127.0.0.1 ")
    setting.mosquitto.start()
    assert runner.wait_attached()
    setting.influxdb.start()
    watch.wait_for_log(" resolved: device: .*127.0.0.1 ")
    watch.wait_for_log(" resolved: database: InfluxDB at ")
    os.kill(watch.pid, signal.SIGINT)
    assert watch.wait_for_end() == 0
    assert len(watch.logged("problem: database")) == 1
    assert not watch.logged("Traceback|WARNING|ERROR")


def test_a_wrong_file_is_reported_as_by_check(setting: Setting) -> None:
    """Before anything else, and with its exit code."""
    done = setting.daemon(options=("watch",), Battery={"interval": "often", "port": free_port()})
    assert done.wait_for_end() == 78
    assert done.logged(r"bat2influx\.ini, line [0-9]+: \[Battery\] interval = often: must be")

"""When a report is written, of what, for which target, and what a reload does to it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx import __version__
from bat2influx.clock import Now
from bat2influx.config import settings as config_settings
from bat2influx.daemon import self_report
from bat2influx.daemon.self_report import EVERY, SelfReport
from bat2influx.delivery.delivery import Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.figures import Figures
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.spool import Spool
from bat2influx.device.device_clock import DeviceClock
from bat2influx.device.source import Census
from bat2influx.reading import NS
from bat2influx.venus.protocol import NoValue
from tests.support.node_exporter import samples
from tests.support.writing import writer

TIME = 1_767_225_610 * NS


def settings(
    folder: Path, *, own: str = "", textfile: str = "no", name: str = "bat2influx", tags: str = ""
) -> config_settings.Settings:
    """Return what an ini says."""
    ini = folder / f"{name}.ini"
    ini.write_text(
        f"[Influx]\nself_measurement = {own}\ntags = {tags}\n[Metrics]\ntextfile = {textfile}\n"
    )
    return config_settings.load(ini)


def look(seconds: float) -> Now:
    """Return the clocks, so many seconds after a start."""
    return Now(TIME + round(seconds * NS), 100.0 + seconds, round((200 + seconds) * NS))


def idle(folder: Path) -> Delivery:
    """Return a delivery that was not started."""
    spool = Spool(MemoryQueue(10**6), DiskQueue(folder, 10**6))
    return Delivery(spool, writer(1), idle=1.0, wake=lambda: None)


def device(name: str = "", **changes: Any) -> Any:
    """Return the attributes of a device that a report uses."""
    known = {
        "battery": SimpleNamespace(name=name),
        "clock": DeviceClock(),
        "clock_wanted": False,
        "census": None,
        "messages": 5,
        "no_values": {NoValue.NULL: 2},
        "reconnects": 1,
        "connected": True,
        "without_value": {"Soc": "null"},
        "missing_services": {},
        "last_value_ns": TIME - NS,
    }
    return SimpleNamespace(**known | changes)


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory, as a unit has it."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    return tmp_path / "run"


def test_a_report_is_written_at_once_and_then_every_ten_seconds(tmp_path: Path) -> None:
    """Nothing happens in between; after a delay there is one report, not several."""
    made = SelfReport(settings(tmp_path, own="self"), look(0))
    delivery = idle(tmp_path)
    assert EVERY == 10.0
    for at, wait in ((0.0, 10.0), (10.0, 10.0), (35.5, 10.0)):
        lines = made.report(look(at), (), delivery)
        assert b"self uptime=%r %d" % (at, TIME + at * NS) in lines
        assert made.timeout(look(at).mono) == wait
        assert not made.report(look(at + 9.9), (), delivery)


def test_nothing_is_reported_unless_configured(tmp_path: Path) -> None:
    """Without either setting there is no report, and no timeout."""
    made = SelfReport(settings(tmp_path), look(0))
    assert made.timeout(1e9) == math.inf
    assert made.report(look(1e6), (), idle(tmp_path)) == []


def test_a_missing_runtime_directory_is_logged_once_with_advice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else works; a reload without a change does not log it again."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    asked = settings(tmp_path, textfile="yes")
    made = SelfReport(asked, look(0))
    made.use(asked)
    assert made.timeout(1e9) == math.inf
    assert [record.getMessage() for record in caplog.records] == [
        "[Metrics] textfile = yes: there is no directory for the file; add"
        " RuntimeDirectory=bat2influx to the unit, or set RUNTIME_DIRECTORY"
    ]


def test_the_memory_is_the_kernels_number(tmp_path: Path) -> None:
    """Resident, in bytes; None if it cannot be read."""
    status = Path("/proc/self/status").read_text()
    told = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    assert self_report.resident(self_report.STATM) == pytest.approx(told, rel=0.1)
    assert self_report.resident(tmp_path / "statm") is None


@pytest.mark.parametrize("content", [b"", b"100", b"100 x 3"])
def test_memory_is_unknown_without_the_kernels_number(tmp_path: Path, content: bytes) -> None:
    """An invented number would mislead."""
    (tmp_path / "statm").write_bytes(content)
    assert self_report.resident(tmp_path / "statm") is None


@pytest.mark.parametrize(
    ("own", "textfile", "lines", "file"),
    [
        ("self", "no", True, False),
        ("", "yes", False, True),
        ("self", "yes", True, True),
        ("", "no", False, False),
    ],
)
def test_each_target_gets_what_the_settings_request(
    tmp_path: Path, run: Path, own: str, textfile: str, lines: bool, file: bool
) -> None:
    """Lines for the database, a file for the node exporter, both, or nothing."""
    made = SelfReport(settings(tmp_path, own=own, textfile=textfile), look(0))
    assert (made.timeout(look(3).mono) == math.inf) is not (lines or file)
    assert bool(made.report(look(3), [device()], idle(tmp_path))) is lines
    assert run.joinpath("bat2influx.prom").exists() is file
    made.close()
    assert not run.joinpath("bat2influx.prom").exists()


def test_both_have_the_numbers_of_the_parts(tmp_path: Path, run: Path) -> None:
    """A device's have its name, the daemon's have none."""
    asked = settings(tmp_path, own="self", textfile="yes", name="boat", tags="where:home")
    made = SelfReport(asked, look(0))
    fleet = device("fleet", census=Census(1000, ("a", "b", "c")), connected=False)
    figures = Figures(
        accepted=11,
        queued=12,
        rejected=13,
        dropped=14,
        rejected_dropped=15,
        fullness=0.5,
        database_up=False,
    )
    delivery: Any = SimpleNamespace(figures=figures, pop_delay=lambda: 1.25)
    lines = made.report(look(20), [device(messages=7), fleet], delivery)
    stamp = TIME + 20 * NS
    for text in (
        "self,where=home received=7.0",
        "self,where=home reconnects=1.0",
        "self,where=home without_value=1.0",
        "self,site=fleet,where=home received=5.0",
        "self,site=fleet,where=home devices=1000.0",
        "self,site=fleet,where=home devices_silent=3.0",
        "self,where=home stored=11.0",
        "self,where=home waiting=12.0",
        "self,where=home rejected=13.0",
        "self,where=home dropped=14.0",
        "self,where=home rejected_dropped=15.0",
        "self,where=home spool_used=0.5",
        "self,where=home delay=1.25",
        "self,where=home uptime=20.0",
    ):
        assert f"{text} {stamp}".encode() in lines
    assert b"self,where=home devices=" not in b"\n".join(lines)
    found = samples(run.joinpath("boat.prom").read_text())
    assert found[f'bat2influx_info{{config="boat",version="{__version__}"}}'] == 1
    assert found['bat2influx_broker_up{config="boat",site="fleet"}'] == 0
    assert found['bat2influx_broker_up{config="boat"}'] == 1
    assert found['bat2influx_database_up{config="boat"}'] == 0
    assert found['bat2influx_values_stored_total{config="boat"}'] == 11


def test_time_in_which_the_machine_slept_is_uptime(tmp_path: Path) -> None:
    """Uptime includes it; the next report is due by the clock that stops during sleep."""
    made = SelfReport(settings(tmp_path, own="self"), look(0))
    slept = Now(TIME + 5000 * NS, 103.0, 5200 * NS)
    assert b"self uptime=5000.0 %d" % slept.wall_ns in made.report(slept, (), idle(tmp_path))
    assert made.timeout(103.0) == EVERY


def test_counts_continue_over_each_reload_that_replaces_a_device(tmp_path: Path) -> None:
    """Another device has separate counts; one that returns continues its old counts."""
    made = SelfReport(settings(tmp_path, own="self"), look(0))
    made.left(device("boat", messages=100))
    made.left(device("van", messages=1000))
    made.left(device("boat", messages=20))

    def received(at: float, *devices: Any) -> list[bytes]:
        lines = made.report(look(at), devices, idle(tmp_path))
        return [line.rpartition(b" ")[0] for line in lines if b" received=" in line]

    assert received(0, device("boat", messages=3), device("van", messages=4)) == [
        b"self,site=boat received=123.0",
        b"self,site=van received=1004.0",
    ]
    assert received(10, device("van", messages=5)) == [b"self,site=van received=1005.0"]
    assert received(10 + EVERY / 2, device("boat")) == []
    assert received(20, device("boat", messages=4)) == [b"self,site=boat received=124.0"]


@pytest.mark.parametrize(
    ("before", "after"), [("no", "no"), ("no", "yes"), ("yes", "no"), ("yes", "yes")]
)
def test_a_reload_starts_keeps_or_removes_the_file(
    tmp_path: Path, run: Path, before: str, after: str
) -> None:
    """It is removed at once, and starts with the next report."""
    made = SelfReport(settings(tmp_path, own="self", textfile=before), look(0))
    made.report(look(0), (), idle(tmp_path))
    assert run.joinpath("bat2influx.prom").exists() is (before == "yes")
    made.use(settings(tmp_path, own="self", textfile=after))
    assert run.joinpath("bat2influx.prom").exists() is (before == after == "yes")
    made.report(look(10), (), idle(tmp_path))
    assert run.joinpath("bat2influx.prom").exists() is (after == "yes")


def test_a_reload_changes_the_measurement_and_not_the_time(tmp_path: Path) -> None:
    """The next report is due at the same time as before."""
    made = SelfReport(settings(tmp_path, own="self"), look(0))
    made.report(look(0), (), idle(tmp_path))
    made.use(settings(tmp_path, own="daemon", tags="a:b"))
    assert made.timeout(look(4).mono) == 6.0
    lines = made.report(look(10), (), idle(tmp_path))
    assert lines
    assert all(line.startswith(b"daemon,a=b ") for line in lines)
    made.use(settings(tmp_path))
    assert made.timeout(look(10).mono) == math.inf


def test_the_difference_of_clocks_is_in_the_report(tmp_path: Path, run: Path) -> None:
    """By this machine's clock, in tenths of a second, until it is synchronised."""
    beating = DeviceClock()
    for seconds in (0, 3, 6):
        payload = b'{"value":%d}' % (TIME // NS + seconds + 3600)
        beating.heartbeat(payload, look(seconds + 0.123).boot_ns)
    assert beating.distance is not None
    known = device(clock=beating, clock_wanted=True)
    made = SelfReport(settings(tmp_path, textfile="yes"), look(0))
    for now in (look(10), look(20).by(beating.distance)):
        made.report(now, (known,), idle(tmp_path))
        found = samples((run / "bat2influx.prom").read_text())
        assert found["bat2influx_clock_difference_seconds"] == -3600.4
    made.left(known)
    known.clock_wanted = False
    made.report(look(30), (known,), idle(tmp_path))
    assert "clock" not in (run / "bat2influx.prom").read_text()

"""What the daemon tells about itself: the numbers, their two formats, and the file."""

from __future__ import annotations

import logging
import math
import os
import re
import resource
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bat2influx.clock import Now
from bat2influx.config import settings as config_settings
from bat2influx.config.paths import runtime_file
from bat2influx.daemon import metrics, self_report
from bat2influx.daemon.metrics import DeviceReport, Report
from bat2influx.daemon.self_report import EVERY, SelfReport
from bat2influx.daemon.textfile import PROMETHEUS, TextFile
from bat2influx.delivery.delivery import Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.spool import Spool
from bat2influx.influx.lineprotocol import stamp_of
from bat2influx.reading import NS
from bat2influx.venus.protocol import NoValue
from tests.support.node_exporter import NodeExporter, samples
from tests.support.writing import writer

TIME = 1_767_225_610 * NS
CELLAR = DeviceReport("", 4711, {NoValue.NULL: 3}, 2, True, 1, TIME - NS // 2)
FLEET = replace(CELLAR, devices=1000, silent=3)
REPORT = Report(
    time_ns=TIME,
    uptime=86_400.25,
    devices=(CELLAR,),
    stored=4_700,
    waiting=11,
    rejected=5,
    dropped=6,
    spool_used=0.125,
    delay=1.23456,
    memory=40_000_000,
    database_up=True,
)
NUMBERS = {
    "messages_received_total": 4711,
    "broker_reconnects_total": 2,
    "fields_without_value": 1,
    "devices": 1000,
    "devices_silent": 3,
    "broker_up": 1,
    "last_value_timestamp_seconds": TIME / NS - 0.5,
    "values_stored_total": 4700,
    "values_waiting": 11,
    "values_rejected": 5,
    "values_dropped_total": 6,
    "spool_used_ratio": 0.125,
    "delay_seconds": 1.23456,
    "database_up": 1,
    "memory_bytes": 40_000_000,
    "uptime_seconds": 86_400.25,
    "report_timestamp_seconds": TIME / NS,
}


def stored(report: Report) -> dict[tuple[str, str], float]:
    """Return what goes to InfluxDB, by site and field."""
    return {(each.site, each.field): each.value for each in metrics.readings(report)}


def test_a_report_becomes_a_float_for_each_field_at_one_time() -> None:
    """Every number is a float under its name, and all have the time of the report."""
    made = metrics.readings(REPORT)
    assert {each.time_ns for each in made} == {TIME}
    assert all(type(each.value) is float for each in made)
    assert {(each.site, each.field): each.value for each in made} == {
        ("", "received"): 4711,
        ("", "reconnects"): 2,
        ("", "without_value"): 1,
        ("", "stored"): 4700,
        ("", "waiting"): 11,
        ("", "rejected"): 5,
        ("", "dropped"): 6,
        ("", "spool_used"): 0.125,
        ("", "delay"): 1.2346,
        ("", "memory"): 40_000_000,
        ("", "uptime"): 86_400.25,
    }


def test_what_is_not_known_is_absent() -> None:
    """No delay where nothing was stored, no state of a database that was not tried."""
    report = replace(
        REPORT,
        delay=None,
        memory=None,
        database_up=None,
        devices=(replace(CELLAR, last_value_ns=None),),
    )
    assert not {("", "delay"), ("", "memory")} & stored(report).keys()
    for name in ("delay_seconds", "memory_bytes", "database_up", "last_value_timestamp_seconds"):
        assert name not in metrics.prometheus_text(report, "1.0.0")


def test_a_fleet_tells_how_many_devices_it_has() -> None:
    """And how many of them are silent; a single device tells neither."""
    told = stored(replace(REPORT, devices=(FLEET,)))
    assert (told["", "devices"], told["", "devices_silent"]) == (1000, 3)
    assert "devices" not in metrics.prometheus_text(replace(REPORT, devices=(CELLAR,)), "1.0.0")


def test_each_device_has_its_own_numbers() -> None:
    """Under the name of its section: the tag `site` there, the label `site` here."""
    house, boat = (replace(CELLAR, site=site, received=n) for n, site in enumerate(("house", "b")))
    report = replace(REPORT, devices=(house, boat))
    assert stored(report)["house", "received"] == 0
    assert stored(report)["b", "received"] == 1
    assert stored(report)["", "stored"] == 4700
    found = samples(metrics.prometheus_text(report, "1.0.0"))
    assert found['bat2influx_messages_received_total{site="b"}'] == 1
    assert found['bat2influx_messages_without_value_total{site="b",reason="null"}'] == 3


def test_counts_go_on_when_a_reload_replaces_a_device() -> None:
    """What was counted before is added; how things are is what is now."""
    now = DeviceReport("", 10, {NoValue.NULL: 1, NoValue.TEXT: 1}, 1, False, 0, None)
    both = now.after(CELLAR)
    assert both.no_values == {NoValue.NULL: 4, NoValue.TEXT: 1}
    assert (both.received, both.reconnects) == (4721, 3)
    assert (both.connected, both.without_value, both.last_value_ns) == (
        False,
        0,
        CELLAR.last_value_ns,
    )


def test_every_field_of_a_report_is_told() -> None:
    """What a report holds more is in the table, and has a number above."""
    assert len(NUMBERS) == len(metrics.OF_DEVICE) + len(metrics.OF_DAEMON)
    assert {each.name for each in fields(Report)} - {"time_ns", "devices"} <= {
        *(quantity.field for quantity in metrics.OF_DAEMON),
        "database_up",
    }


# Prometheus' format


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeExporter]:
    """A node exporter and its directory, which each test leaves empty."""
    directory = tmp_path_factory.mktemp("textfile")
    with NodeExporter(directory, directory.with_suffix(".log")) as started:
        yield started
        assert not list(directory.iterdir())


def test_the_node_exporter_reads_every_number(exporter: NodeExporter) -> None:
    """Its own parser finds all that was put in, with help and type, and no error."""
    file = TextFile(exporter.directory / "bat2influx.prom")
    file.write(metrics.prometheus_text(replace(REPORT, devices=(FLEET,)), "1.2.3"), 0.0)
    text = exporter.scrape()
    found = samples(text)
    assert found["node_textfile_scrape_error"] == 0
    for name, number in NUMBERS.items():
        assert found[f"bat2influx_{name}"] == number, name
        kind = "counter" if name.endswith("_total") else "gauge"
        assert f"# TYPE bat2influx_{name} {kind}\n" in text
        assert re.search(f"# HELP bat2influx_{name} [A-Z].*[.]\n", text)
    assert found['bat2influx_info{version="1.2.3"}'] == 1
    for reason in NoValue:
        name = f'bat2influx_messages_without_value_total{{reason="{reason.value}"}}'
        assert found[name] == CELLAR.no_values.get(reason, 0)
    ours = [name for name in found if name.startswith("bat2influx_")]
    assert len(ours) == len(NUMBERS) + 1 + len(NoValue)
    file.remove()
    assert not [name for name in exporter.samples() if name.startswith("bat2influx_")]


def test_two_daemons_are_read_side_by_side(exporter: NodeExporter) -> None:
    """The second one's file has another label on everything, or the exporter would refuse it."""
    files = [TextFile(exporter.directory / f"{name}.prom") for name in ("bat2influx", "boat")]
    files[0].write(metrics.prometheus_text(REPORT, "1.2.3"), 0.0)
    files[1].write(metrics.prometheus_text(replace(REPORT, waiting=12), "1.2.3", "boat"), 0.0)
    found = exporter.samples()
    assert found["bat2influx_values_waiting"] == 11
    assert found['bat2influx_values_waiting{config="boat"}'] == 12
    assert found['bat2influx_info{config="boat",version="1.2.3"}'] == 1
    ours = [name for name in found if name.startswith("bat2influx_")]
    assert len([name for name in ours if 'config="boat"' in name]) * 2 == len(ours)
    for file in files:
        file.remove()


def test_a_label_may_hold_anything(exporter: NodeExporter) -> None:
    """Quotes and backslashes in a name come out as they went in."""
    file = TextFile(exporter.directory / "odd.prom")
    odd = 'in the "cellar" \\ or é, {so}'
    file.write(metrics.prometheus_text(REPORT, "1.2.3", odd), 0.0)
    found = exporter.samples()
    assert found["node_textfile_scrape_error"] == 0
    escaped = odd.replace("\\", r"\\").replace('"', r"\"")
    assert found[f'bat2influx_values_waiting{{config="{escaped}"}}'] == 11
    file.remove()


# The file


def test_the_file_can_be_read_by_everybody_whatever_the_umask(tmp_path: Path) -> None:
    """The service has a umask that would keep the node exporter out."""
    before = os.umask(0o077)
    try:
        TextFile(tmp_path / "bat2influx.prom").write("x 1\n", 0.0)
    finally:
        os.umask(before)
    (made,) = tmp_path.iterdir()
    assert made.stat().st_mode & 0o777 == 0o644


def test_a_reader_sees_the_old_text_or_the_new(tmp_path: Path) -> None:
    """What is open while the file is replaced stays as it was, to its end."""
    file = TextFile(tmp_path / "bat2influx.prom")
    file.write("old 1\n" * 1000, 0.0)
    with (tmp_path / "bat2influx.prom").open() as reader:
        assert reader.readline() == "old 1\n"
        file.write("new 2\n", 0.0)
        assert set(reader) == {"old 1\n"}
    assert (tmp_path / "bat2influx.prom").read_text() == "new 2\n"
    file.remove()
    file.remove()
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_is_told_once_and_so_is_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends nothing, is tried again, and the message says what to do."""
    directory = tmp_path / "run" / "bat2influx"
    file = TextFile(directory / "bat2influx.prom")
    with caplog.at_level(logging.INFO, "bat2influx"):
        for second in range(0, 60, 10):
            file.write("x 1\n", second)
        file.remove()
        directory.parent.mkdir()
        file.write("x 1\n", 60.0)
        file.write("x 2\n", 70.0)
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot write {directory}/bat2influx.prom for the node exporter (No such file or"
        " directory); make its directory writable and have room there, or write textfile = no",
        f"{directory}/bat2influx.prom is written again, after 60 s",
    ]
    assert (directory / "bat2influx.prom").read_text() == "x 2\n"


def test_what_finds_no_room_leaves_the_old_text_and_nothing_beside(tmp_path: Path) -> None:
    """What could not be written wholly is not shown, and takes no room."""
    file = TextFile(tmp_path / "bat2influx.prom")
    file.write("x 1\n", 0.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        file.write("x 2\n" * 1000, 10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "x 1\n"
    file.write("x 3\n", 20.0)
    assert left.read_text() == "x 3\n"


def test_the_place_is_that_of_the_service_manager_or_of_the_session() -> None:
    """The file is named after the ini; where there is no place, there is none."""
    ini = Path("/etc/bat2influx/boat.ini")
    session = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    unit = {**session, "RUNTIME_DIRECTORY": "/run/bat2influx-boat:/run/more"}
    assert runtime_file(ini, unit, PROMETHEUS) == Path("/run/bat2influx-boat/boat.prom")
    assert runtime_file(ini, session, PROMETHEUS) == Path("/run/user/1000/bat2influx/boat.prom")
    assert runtime_file(ini, {"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": ""}, PROMETHEUS) is None


# When


def settings(folder: Path, *, own: str = "", textfile: str = "no") -> config_settings.Settings:
    """Return what an ini says."""
    ini = folder / "bat2influx.ini"
    ini.write_text(f"[Influx]\nself_measurement = {own}\n[Metrics]\ntextfile = {textfile}\n")
    return config_settings.load(ini)


def look(seconds: float) -> Now:
    """Return the clocks, so many seconds after a start."""
    return Now(TIME + round(seconds * NS), 100.0 + seconds, round((200 + seconds) * NS))


def idle(folder: Path) -> Delivery:
    """Return a delivery that was not started."""
    spool = Spool(MemoryQueue(10**6), DiskQueue(folder, 10**6))
    return Delivery(spool, writer(1), idle=1.0, wake=lambda: None)


def test_a_report_is_made_at_once_and_then_each_ten_seconds(tmp_path: Path) -> None:
    """Between them there is nothing to do; a machine that was too busy has one and no more."""
    made = SelfReport(settings(tmp_path, own="self"), look(0))
    delivery = idle(tmp_path)
    assert EVERY == 10.0
    for at, wait in ((0.0, 10.0), (10.0, 10.0), (35.5, 10.0)):
        lines = made.report(look(at), (), delivery)
        assert b"self uptime=%r %d" % (at, TIME + at * NS) in lines
        assert made.timeout(look(at).mono) == wait
        assert not made.report(look(at + 9.9), (), delivery)


def test_nothing_is_told_unless_it_is_asked_for(tmp_path: Path) -> None:
    """Without either setting there is no report, and nothing to wake up for."""
    made = SelfReport(settings(tmp_path), look(0))
    assert made.timeout(1e9) == math.inf
    assert made.report(look(1e6), (), idle(tmp_path)) == []


def test_a_file_without_a_place_is_told_once_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest goes on; a reload that leaves it as it is does not tell it again."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    asked = settings(tmp_path, textfile="yes")
    made = SelfReport(asked, look(0))
    made.use(asked)
    assert made.timeout(1e9) == math.inf
    assert [record.getMessage() for record in caplog.records] == [
        "[Metrics] textfile = yes: there is no directory for the file; write"
        " RuntimeDirectory=bat2influx in the unit, or set RUNTIME_DIRECTORY"
    ]


def test_a_stamp_is_read_from_every_line_that_has_one() -> None:
    """What a damaged file has left of a line may have none, and ends nothing."""
    assert stamp_of(b"dc,house=in\\ blue V=53.2 1767225610000000001") == 1_767_225_610_000_000_001
    for damaged in (
        b"",
        b"dc V=53.2",
        b"dc V=53.2 17672x",
        b"dc V=53.2 \xb2",
        b"dc V=1 " + b"9" * 20,
    ):
        assert stamp_of(damaged) is None


def test_the_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    """Resident, in bytes; where that is not to be read, it is not known."""
    status = Path("/proc/self/status").read_text()
    told = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    assert self_report.resident(self_report.STATM) == pytest.approx(told, rel=0.1)
    assert self_report.resident(tmp_path / "statm") is None

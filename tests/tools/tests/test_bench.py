"""The table of `make bench`, and a small run of all its measurements."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.support.compare import NINE
from tests.support.resources import processor
from tests.tools.bench import backlog, clock, default_queue, delay, devices, fleet, ordinary, peers
from tests.tools.bench.compare import compared
from tests.tools.bench.peers import api_v2
from tests.tools.bench.table import BEGIN, Figure, as_json, filled, lines
from tests.tools.bench.targets import BEFORE, BUNCHED, EVEN, QUEUE, TARGETS, aimed, start_within
from tests.tools.fleet import Published

SMALL = {
    "values": 2000,
    "rounds": 1,
    "queue-rounds": 1,
    "million": 4000,
    "singles": 3,
    "thousands": 1,
    "starts": 1,
    "seconds": 4,
    "devices": 20,
    "fleet-seconds": 1,
    "fleet-watched": 1,
    "waiting": 900,
}
# A checkout without its history has no other version.
OLD = ("--old=HEAD",) if (TOP / ".git").exists() else ()


def test_a_ratio_is_compared_if_there_is_one() -> None:
    """Speeds depend on the machine; ratios to a reference of the same run do not."""
    assert Figure("rate", 80.0, "/s", 100.0, "alone", least=0.75).met
    assert not Figure("rate", 70.0, "/s", 100.0, "alone", least=0.75).met
    assert not Figure("memory", 37.0, "MB", most=36.0).met
    table = lines([Figure("memory", 37.0, "MB", most=36.0), Figure("age", 1234.5, "s")])
    assert table[0].split("|")[1:6] == [
        "        ",
        " bat2influx ",
        " beside ",
        " ratio ",
        " wanted ",
    ]
    assert "| memory | 37 MB      |        |       | ≤ 36   | NOT MET |" in table
    assert "| age    | 1,234 s    |        |       |        |         |" in table


def test_two_runs_are_compared_by_ratio_or_value() -> None:
    """By the ratio if there is one; figures of only one run are left out."""
    before, after = (
        json.loads(
            as_json(
                [
                    Figure("rate", rate, "/s", 100.0, "alone"),
                    Figure("memory", 30.0, "MB"),
                    Figure(new, 1.0, "s"),
                ]
            )
        )
        for rate, new in ((50.0, "age"), (75.0, "youth"))
    )
    named, also, *table = compared(before, after)
    assert named.startswith("before: ")
    assert also.startswith("after: ")
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in table[2:]] == [
        ["rate", "0.5 of alone", "0.75 of alone", "+50%"],
        ["memory", "30 MB", "30 MB", "+0%"],
    ]


def test_a_target_is_met_or_not_and_a_figure_without_one_has_no_text() -> None:
    """For a figure with a reference its ratio has to meet it, without one the value."""
    aims = {(f.what, f.beside): f for f in aimed(_examples())}
    assert aims["memory at rest", ""].most == TARGETS["memory at rest", ""].most
    assert aims["delay, p99", BEFORE].most == 1.5
    verdicts = [line.split("|")[-2].strip() for line in lines([*aims.values()])[2:]]
    assert verdicts == ["met", "met", "NOT MET", ""]


def _examples() -> list[Figure]:
    return [
        Figure("memory at rest", 26.0, "MB"),
        Figure("delay, p99", 14.0, "ms", 10.0, BEFORE),
        Figure("a flood, stored", 79.0, "values/s", 100.0, "mosquitto_sub"),
        Figure("memory at rest", 26.0, "MB", 20.0, "somebody"),
    ]


def test_every_target_belongs_to_an_existing_figure() -> None:
    """A renamed figure needs its target renamed."""
    took = ordinary.Took(1.0, 0.003, 0, 1, 1)
    queue = default_queue.Took(10, 10, 1.0, 1.0)
    made = ordinary.figures({"ours": took, BEFORE: took}, "ours", 0.01, 1, 1.0)[0]
    made += default_queue.figures({"mosquitto_sub": queue, "ours": queue}, "ours")
    for shape in fleet.SHAPES:
        made += fleet.figures(shape, "ours", {"ours": LEG, BEFORE: LEG})
    for what in ("delay", "delay of nine at once"):
        made += delay.beside(what, {"ours": [1.0, 2.0], BEFORE: [1.0, 2.0]}, "ours", {})
    elsewhere = {  # with the servers that they need
        ("processor in a flood", ""),
        ("processor in a flood", BEFORE),
        ("start to first stored value", BEFORE),
        ("a flood, stored", "mosquitto_sub"),
        ("memory at any load", ""),
        ("backlog on disk", ""),
    }
    assert TARGETS.keys() - elsewhere == TARGETS.keys() & {(f.what, f.beside) for f in made}


def test_a_page_has_the_table_of_the_latest_run() -> None:
    """Between its markers, and nothing else is changed."""
    page = (TOP / "docs/performance.md").read_text()
    once = filled(page, ["| a |"])
    assert once.count("| a |") == 1
    assert filled(once, ["| b |"]) == once.replace("| a |", "| b |")
    assert once.startswith(page[: page.index(BEGIN)])
    with pytest.raises(ValueError, match="no place"):
        filled("nothing", [])


def test_a_start_may_take_a_fifth_more_than_its_imports_or_its_time() -> None:
    """Whichever is more, because a slow machine is slow in both."""
    assert start_within(0.1) == 0.18
    assert start_within(0.5) == pytest.approx(0.6)


LEG = fleet.Leg(
    window=fleet.Window(begun=5.0, ended=15.0, ours=2.0, database=1.0),
    values=90_000,
    said=100_000,
    lost=9,
    rest=30_000_000,
    peak=40_000_000,
    delays=(0.01, 0.02, 0.03),
)


def test_the_runs_of_a_fleet_are_combined() -> None:
    """Times and values are added; of memory, the largest counts."""
    more = replace(LEG, values=30_000, peak=50_000_000, delays=(0.04,))
    both = fleet.together([LEG, more])
    assert (both.rate, both.lost, both.peak) == (6000.0, 18, 50_000_000)
    assert len(both.delays) == 4
    found = {
        (f.what, f.beside): f for f in fleet.figures(BUNCHED, "ours", {"ours": both, "x": LEG})
    }
    assert found[f"{BUNCHED}, processor", ""].value == pytest.approx(4e6 / 120_000)
    assert found[f"{BUNCHED}, processor", "x"].reference == pytest.approx(2e6 / 90_000)
    assert found[f"{BUNCHED}, of a core", ""].value == pytest.approx(20.0)


def test_a_contender_that_was_watched_too_briefly_has_no_delay() -> None:
    """A contender that writes every ten seconds shows no value within one."""
    legs = {"ours": LEG, "slow": replace(LEG, delays=())}
    beside = {f.beside for f in fleet.figures(EVEN, "ours", legs) if "delay" in f.what}
    assert beside == {""}


def test_a_delay_is_from_the_publish_to_the_first_query_with_the_value() -> None:
    """Values published before the first query may have been stored for long, and do not count."""
    said = [1.0, 2.0, 3.0, 4.0]
    looks = [(2.5, 0), (2.6, 1), (3.5, 2), (4.2, 3), (4.3, 3)]
    assert fleet.late(said, looks) == pytest.approx([0.5, 0.2])
    assert fleet.late(said, [(0.5, -1_000_000), (2.2, 1)]) == pytest.approx([1.2, 0.2])


def test_only_a_fleets_values_in_the_window_count() -> None:
    """From its beginning on, without those at its end."""
    told = Published({"a": [4.9, 5.0, 6.0], "b": [14.9, 15.0]}, [], 0, 0, 1, 1)
    assert fleet.in_window(told, LEG.window) == 3 * 9


def test_devices_publish_in_whole_bunches_or_alone() -> None:
    """Devices due within a bunch publish at its end."""
    assert devices.due(10.0149, 10.0, 0.005) == pytest.approx(10.010)
    assert devices.due(10.0149, 10.0, 0.0) == 10.0149


def test_losses_of_a_flood_are_relative_to_published_values() -> None:
    """Rate and cost are relative to values that arrived."""
    took = default_queue.Took()
    took.add(1000, 1000, 0.1, 0.01)
    took.add(1000, 500, 0.1, 0.005)
    assert (took.lost, took.worst) == (25.0, 500)
    assert (took.rate, took.cost) == (pytest.approx(7500), pytest.approx(10))


def test_waiting_for_values_ends_with_the_last_or_after_a_pause() -> None:
    """The time is that of the last value."""
    counts = iter([1, 2, 3])
    begun = time.monotonic()
    assert fleet.settle(lambda: next(counts), 3, 60.0) >= begun
    assert fleet.settle(lambda: 2, 3, 0.1) < time.monotonic() - 0.1


def test_a_backlog_is_of_one_device_and_every_second() -> None:
    """Nine lines with close times, the next nine a second later; always the same."""
    first, second = (backlog.made(2)[at : at + 9] for at in (0, 9))
    assert [line.split()[1].split(b"=")[0].decode() for line in first] == [*NINE]
    stamps = [[int(line.split()[2]) for line in lines] for lines in (first, second)]
    assert max(stamps[0]) - min(stamps[0]) < 10**6
    assert abs(stamps[1][0] - stamps[0][0] - 10**9) < 3 * 10**6
    assert backlog.made(2) == [*first, *second]


def test_the_processor_time_of_another_process_is_precise() -> None:
    """It equals that of /proc, which has steps of 10 ms, but is finer."""
    pid = os.getpid()
    assert clock.processor(pid) == pytest.approx(processor(pid), abs=0.05)
    before = clock.processor(pid)
    assert 0 < clock.processor(pid) - before < 0.01


@pytest.mark.parametrize("kind", peers.PEERS, ids=lambda kind: kind.name)
def test_all_names_in_a_peers_configuration_are_replaced(kind: peers.Kind) -> None:
    """A name that is not replaced is a bug here."""
    names = {"mqtt_port", "influx_port", "api_v2_port", "db", "portal", "directory"}
    given = dict.fromkeys(names | {"config"}, "x")
    for text in kind.arguments:
        assert "$" not in Template(text).substitute(given)
    if kind.config:
        text = (Path(peers.__file__).parent / kind.config).read_text()
        assert "$" not in Template(text).substitute(dict.fromkeys(names, "x"))


def test_only_existing_programs_are_measured(tmp_path: Path) -> None:
    """One program can be run in two ways; a file without execute permission is ignored."""
    (tmp_path / "telegraf").touch(0o755)
    (tmp_path / "mqtt2influxdb").touch(0o644)
    assert [kind.program for kind in peers.found(tmp_path)] == ["telegraf", "telegraf"]


def test_a_write_of_influxdb_2_becomes_one_of_1() -> None:
    """A bucket is a database, and microseconds have another name."""
    assert api_v2.as_v1("/api/v2/write?org=o&bucket=b&precision=ms") == "/write?db=b&precision=ms"
    assert api_v2.as_v1("/api/v2/write?bucket=b&precision=us") == "/write?db=b&precision=u"
    assert api_v2.as_v1("/api/v2/write?bucket=b") == "/write?db=b&precision=ns"
    assert api_v2.as_v1("/api/v2/query?bucket=b") is None


def test_a_peer_of_influxdb_2_writes_through_a_real_influxdb_1(tmp_path: Path) -> None:
    """Compressed or plain, and the database's answer is returned."""
    with InfluxDB(tmp_path / "influxdb") as database:
        database.query("CREATE DATABASE nine")
        behind, port = peers._api_v2(database.port)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", int(port))
            statuses = []
            packed = {"Content-Encoding": "gzip"}
            line = b"telemetry,device=a,field=F floatValue=50 1000"
            for body, headers in ((gzip.compress(line), packed), (b"telemetry", {})):
                where = "/api/v2/write?org=o&bucket=nine&precision=ms"
                connection.request("POST", where, body, headers)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            connection.close()
        finally:
            behind.kill()
            behind.wait()
        assert statuses == [204, 400]
        schema = next(kind.schema for kind in peers.PEERS if kind.telemetry)
        assert [row["last"] for row in database.query(schema.latest("a"), "nine")] == [50]
        assert fleet.different(database.query(schema.distinct()[0], "nine")) == 1


PEER = """\
#!{python}
import http.client, json, re, sys
sys.path.insert(0, {top!r})
from tests.standins.venus.mqtt import new_client
given = dict(re.fullmatch("--([a-z-]+)=(.*)", each).groups() for each in sys.argv[1:-1])
database = http.client.HTTPConnection(re.search("//(.*)/", given["influx-host"])[1])

def on_message(client, _, message):
    value = json.loads(message.payload)["value"]
    if value is not None:
        line = f"measurement,topic={{message.topic}},key1=value value={{value}}"
        database.request("POST", f"/write?db={{given['influx-database']}}", line)
        database.getresponse().read()

client = new_client()
client.on_message = on_message
client.on_connect = lambda *_: client.subscribe(sys.argv[-1])
client.connect("127.0.0.1", int(given["mqtt-port"]))
client.loop_forever()
"""


@pytest.mark.long
def test_a_peer_takes_its_turn(tmp_path: Path) -> None:
    """A fake program with a peer's arguments and schema is measured beside the daemon."""
    programs = tmp_path / "peers"
    programs.mkdir()
    peer = programs / "mqtt2influxdb"
    peer.write_text(PEER.format(python=sys.executable, top=str(TOP)))
    peer.chmod(0o755)
    figures = _run(tmp_path, f"--peers={programs}", "--parts=queue,fleet")
    theirs = {each["what"]: each["reference"] for each in figures if each["beside"] == peer.name}
    assert theirs[f"{QUEUE}, lost"] == theirs[f"{BUNCHED}, lost"] == theirs[f"{EVEN}, lost"] == 0
    assert all(theirs[f"{QUEUE}, {what}"] > 0 for what in ("stored", "processor"))
    assert all(theirs[f"{shape}, memory at most"] > 0 for shape in fleet.SHAPES)


@pytest.mark.long
def test_each_measurement_gives_its_figures(tmp_path: Path) -> None:
    """A small run proves nothing about the daemon, except that all of them work."""
    figures = _run(tmp_path, *OLD, "--parts=start,ordinary,flood,backlog")
    assert {figure["beside"] for figure in figures} >= {
        "paho alone",
        "mosquitto_sub",
        "a post for each value",
        "a bare post",
        *([BEFORE] if OLD else []),
    }
    counts = {figure["what"]: figure["value"] for figure in figures}
    assert counts["written to disk"] == 0
    assert all(counts[what] > 0 for what in ("a flood, stored", "delay, median", "memory at rest"))
    made = {(figure["what"], figure["beside"]) for figure in figures}
    wanted = {
        (what, beside) for what, beside in TARGETS if not what.startswith((QUEUE, BUNCHED, EVEN))
    }
    assert {each for each in wanted if OLD or each[1] != BEFORE} <= made


def _run(directory: Path, *arguments: str) -> list[dict[str, Any]]:
    out = directory / "figures.json"
    command = [sys.executable, "-m", "tests.tools.bench", "--json", str(out), *arguments]
    command += [f"--{name}={number}" for name, number in SMALL.items()]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert out.exists(), done.stdout + done.stderr
    figures: list[dict[str, Any]] = json.loads(out.read_text())["figures"]
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(figures) == len(rows) - 1
    return figures

"""The script that `setup-db` prints for InfluxDB 2, run with a stand-in for the command influx."""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.influxdb2 import script
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, FOREVER, HOUR
from tests.unit.commands.setup_db.test_plan import configured

CLI = Path(__file__).with_name("influx_cli.py")
ALONE = "[Fields]\ndefaults = no\n"
GAUGE, COUNTER = "V = vebus/Dc/0/Voltage\n", "E = grid/30/Ac/Energy/Forward\n"
OLD = "00000000000000aa"  # the bucket of a database that has served for long
TOKEN = {"id": "t", "description": "by hand", "read": [], "write": [OLD]}


class Server:
    """What the command influx finds and leaves."""

    def __init__(self, directory: Path, **there: Any) -> None:
        self._directory = directory
        self._state = directory / "state"
        state = {"ids": 0, "buckets": {}, "mappings": [], "tokens": [], "tasks": {}, "log": []}
        self._state.write_bytes(marshal.dumps({**state, "first": None, **there}))
        (directory / "bin").mkdir()
        (directory / "bin/influx").symlink_to(CLI)

    def run(self, settings: Settings, *, change: bool = False, code: int = 0, **wanted: int) -> str:
        """Run the script; return what it says."""
        path = self._directory / "influxdb2.sh"
        path.write_text("\n".join(script(settings, Retention(**wanted), change=change)) + "\n")
        environment = {
            "PATH": f"{self._directory}/bin:{os.environ['PATH']}",
            "INFLUX_STATE": str(self._state),
            "TMPDIR": str(self._directory),
        }
        done = subprocess.run(
            ["/bin/sh", path], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done
        return done.stdout + done.stderr

    def __getitem__(self, key: str) -> Any:
        return marshal.loads(self._state.read_bytes())[key]

    def kept(self) -> dict[str, str]:
        """Return the buckets with how long they keep values."""
        return {each["name"]: each["retention"] for each in self["buckets"].values()}

    def mapped(self) -> list[tuple[str, str, bool]]:
        """Return the policies with the names of their buckets, and which is the default."""
        name = {id_: each["name"] for id_, each in self["buckets"].items()}
        return [(m["rp"], name[m["bucket"]], m["default"]) for m in self["mappings"]]

    def id_of(self, bucket: str) -> str:
        """Return the ID of a bucket."""
        return str(next(i for i, each in self["buckets"].items() if each["name"] == bucket))

    def filled(self) -> list[tuple[str, int, int]]:
        """Return the interval, the first and the last second of each query that fills in."""
        found = []
        for command, given in self["log"]:
            if command == "query" and "first()" not in given["text"][0]:
                flux = given["text"][0]
                start, stop = flux.split("range(start: ")[1].split(")")[0].split(", stop: ")
                every = flux.split("every: ")[2].split(",")[0]
                found.append((every, int(start), int(stop)))
        return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A gauge and a counter."""
    return configured(tmp_path, ALONE + GAUGE + COUNTER)


def old(**more: Any) -> dict[str, Any]:
    """Return a server whose bucket `battery` has served by its name alone."""
    return {"buckets": {OLD: {"name": "battery", "retention": "0"}}, "tokens": [TOKEN], **more}


def test_new_server_gets_everything(tmp_path: Path, settings: Settings) -> None:
    """Buckets, mappings of which that of raw values is the default, two tokens and two tasks."""
    server = Server(tmp_path)
    server.run(settings)
    assert server.kept() == {"battery": "90d", "battery/minutes": "1825d", "battery/hours": "0"}
    assert server.mapped() == [
        ("autogen", "battery", True),
        ("minutes", "battery/minutes", False),
        ("hours", "battery/hours", False),
    ]
    raw, *downsampled = (server.id_of(name) for name in server.kept())
    assert [(each["read"], each["write"]) for each in server["tokens"]] == [
        ([], [raw]),
        ([raw, *downsampled], []),
    ]
    names = [each["name"] for each in server["tasks"].values()]
    assert names == ["bat2influx_dc_minutes", "bat2influx_dc_hours"]
    assert server.filled() == []


def test_bucket_that_serves_as_database_goes_on(tmp_path: Path, settings: Settings) -> None:
    """It keeps its name, its duration and its tokens, and stays the default policy, autogen."""
    server = Server(tmp_path, **old())
    told = server.run(settings)
    assert server.kept() == {"battery": "0", "battery/minutes": "1825d", "battery/hours": "0"}
    assert server.mapped()[0] == ("autogen", "battery", True)
    assert [each for each in server["tokens"] if each["write"]] == [TOKEN]
    assert f"influx bucket update --id {OLD} --retention 90d" in told
    assert all(f'from(bucketID: "{OLD}")' in each["flux"] for each in server["tasks"].values())


def test_bucket_that_a_mapping_names_goes_on(tmp_path: Path, settings: Settings) -> None:
    """By whatever name and policy it serves, no other one takes its place."""
    mapping = {"id": "m", "db": "battery", "rp": "raw", "bucket": OLD, "default": True}
    buckets = {OLD: {"name": "home", "retention": "0"}}
    server = Server(tmp_path, buckets=buckets, mappings=[mapping])
    server.run(settings)
    assert [*server.kept()] == ["home", "battery/minutes", "battery/hours"]
    assert server.mapped()[0] == ("raw", "home", True)


def test_second_run_changes_nothing(tmp_path: Path, settings: Settings) -> None:
    """Nothing is there twice afterwards."""
    server = Server(tmp_path)
    server.run(settings)
    keys = ("buckets", "mappings", "tokens", "tasks")
    before = [server[key] for key in keys]
    told = server.run(settings)
    assert [server[key] for key in keys] == before
    assert "the task bat2influx_dc_minutes exists and is kept" in told
    assert "the token 'Grafana reads battery' exists" in told


def test_change_alters_durations_and_tasks(tmp_path: Path, settings: Settings) -> None:
    """That of raw values last, after minutes and hours have been computed from all of them."""
    server = Server(tmp_path, **old(first=int(time.time()) - 3 * DAY))
    server.run(settings, fill=HOUR)
    wanted = {"raw": 30 * DAY, "minutes": 60 * DAY, "hours": 400 * DAY, "fill": 2 * DAY}
    other = configured(tmp_path, ALONE + GAUGE + "W = vebus/Soc\n")
    server.run(other, change=True, **wanted)
    assert server.kept() == {"battery": "30d", "battery/minutes": "60d", "battery/hours": "400d"}
    assert len(server["tasks"]) == 2
    assert all('["V", "W"]' in each["flux"] for each in server["tasks"].values())
    command, given = server["log"][-1]
    assert (command, given["--id"]) == ("bucket update", [OLD])
    assert server["log"][-2][0] == "query"
    assert server.filled()[-1][2] - min(each[1] for each in server.filled()) >= 3 * DAY - HOUR


@pytest.mark.parametrize(("policy", "name"), [("it's", "battery/it's"), ("autogen", "battery")])
def test_policy_of_the_file_has_its_bucket(tmp_path: Path, policy: str, name: str) -> None:
    """A bucket of the database's name stays the default policy beside it."""
    own = configured(tmp_path, f"[Influx]\nretention_policy = {policy}\n{ALONE}{GAUGE}")
    server = Server(tmp_path, **old())
    server.run(own)
    assert ("autogen", "battery", True) in server.mapped()
    assert (policy, name, policy == "autogen") in server.mapped()
    task = next(iter(server["tasks"].values()))
    assert f'from(bucketID: "{server.id_of(name)}")' in task["flux"]


def test_history_is_filled_in_by_days(tmp_path: Path, settings: Settings) -> None:
    """Whole intervals from the oldest raw value on, without a gap, each query within a day."""
    first = (int(time.time()) // DAY - 3) * DAY + 5 * HOUR + 90
    server = Server(tmp_path, **old(first=first))
    server.run(settings)
    for every, seconds in (("1m", 60), ("1h", HOUR)):
        spans = [each[1:] for each in server.filled() if each[0] == every]
        assert spans[0][0] == first // seconds * seconds
        assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
        assert all(start // DAY == (stop - 1) // DAY for start, stop in spans)
        assert time.time() - 2 * HOUR < spans[-1][1] <= time.time()
        assert spans[-1][1] % seconds == 0


def test_no_more_history_than_asked_for_or_kept(tmp_path: Path, settings: Settings) -> None:
    """What minutes would not keep is not written, and --fill limits both."""
    now = int(time.time())
    server = Server(tmp_path, **old(first=now - 9 * DAY))
    server.run(settings, minutes=7 * DAY, fill=8 * DAY)
    start = {every: begin for every, begin, _ in reversed(server.filled())}
    assert now - 6 * DAY - HOUR <= start["1m"]
    assert start["1m"] % HOUR == 0, "or an energy would be that of a part"
    assert now - 8 * DAY - HOUR <= start["1h"] < start["1m"]


@pytest.mark.parametrize("command", ["bucket list", "v1 dbrp list", "query"])
def test_command_that_fails_ends_the_script(
    tmp_path: Path, settings: Settings, command: str
) -> None:
    """An answer that does not come is not taken for a bucket that does not exist."""
    server = Server(tmp_path, **old(first=0, fails=command))
    assert "not now" in server.run(settings, code=1)
    assert server["log"][-1][0] == command


def test_raw_values_among_minutes_are_named(tmp_path: Path, settings: Settings) -> None:
    """A mapping that has become the default without being meant so is for its owner to correct."""
    mapping = {"id": "m", "db": "battery", "rp": "minutes", "bucket": OLD, "default": True}
    buckets = {OLD: {"name": "battery/minutes", "retention": "0"}}
    server = Server(tmp_path, buckets=buckets, mappings=[mapping])
    assert "correct the mappings of battery" in server.run(settings, code=1)
    assert not server["tasks"]


def test_names_are_quoted(tmp_path: Path, settings: Settings) -> None:
    """For the shell and for Flux; what looks like a command in them is none."""
    odd = "$(exit 1) `x` 'y' \"z\" ${x}"
    influx = settings.influx._replace(db=odd, measurement=odd)
    server = Server(tmp_path)
    server.run(settings._replace(influx=influx))
    assert odd in server.kept()
    task = next(iter(server["tasks"].values()))
    assert task["name"] == f"bat2influx_{odd}_minutes"
    measurement = json.dumps(odd).replace("${", "\\${")
    assert f"r._measurement == {measurement})" in task["flux"]


@pytest.mark.parametrize("change", [False, True])
@pytest.mark.parametrize("wanted", [Retention(), Retention(FOREVER, DAY * 9, DAY * 9, HOUR)])
def test_script_is_one_for_every_shell(settings: Settings, change: bool, wanted: Retention) -> None:
    """`sh -n` has nothing to say, whatever is asked for."""
    lines = script(settings, wanted, change=change)
    done = subprocess.run(
        ["/bin/sh", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

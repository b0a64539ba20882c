"""The health file of the daemon, and how it is read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.daemon.health import (
    LARGEST,
    MAX_FILE,
    MAX_STATUS,
    Condition,
    Health,
    HealthFigures,
    HealthFile,
    UnreadableError,
    health_path,
    read_health,
)
from bat2influx.daemon.watchdog import Watchdog
from bat2influx.delivery.figures import Figures

INI = Path("/etc/bat2influx/bat2influx.ini")
BEFORE = "the health file was written before the latest start of this machine"
SILENT = "no device has sent a message"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory, as in a unit."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("alive", "at", "now", "illness"),
    [
        (1000.0, 1000.0, 1000.0, ""),
        (1000.0, 1119.0, 1120.0, ""),
        (1000.0, 1120.0, 1121.0, f"{SILENT}, or a worker thread has hung, for 121 s"),
        (None, 1000.0, 1000.0, f"{SILENT} yet"),
        (1000.0, 1000.0, 1010.0, ""),
        (1000.0, 1000.0, 1010.5, "the daemon hung or was killed 10 s ago"),
        (1000.0, 1000.0, 999.0, BEFORE),
    ],
)
def test_healthy_is_what_the_watchdog_accepts(
    alive: float | None, at: float, now: float, illness: str
) -> None:
    """A message within W, worker threads that make progress, and a recent file."""
    assert Health(at, alive, 120.0, "fine").problem(now) == illness


@pytest.mark.parametrize(
    ("alive", "at", "now", "condition"),
    [
        (1000.0, 1000.0, 1000.0, Condition.HEALTHY),
        (1000.0, 1119.0, 1120.0, Condition.HEALTHY),
        (1000.0, 1120.0, 1121.0, Condition.NOT_RESPONDING),
        (None, 1000.0, 1000.0, Condition.STARTING),
        (1000.0, 1000.0, 1010.0, Condition.HEALTHY),
        (None, 1000.0, 1010.5, Condition.STALLED),
        (1000.0, 1000.0, 999.0, Condition.STALE),
    ],
)
def test_a_condition_is_the_word_for_an_illness(
    alive: float | None, at: float, now: float, condition: Condition
) -> None:
    """It is healthy exactly where there is no illness."""
    health = Health(at, alive, 120.0, "fine")
    assert health.condition(now) is condition
    assert (condition is Condition.HEALTHY) == (health.problem(now) == "")


@given(
    st.one_of(st.none(), st.floats(0, 400)), st.floats(0, 400), st.floats(0, 400), st.floats(0, 200)
)
def test_a_condition_and_an_illness_agree(
    alive: float | None, at: float, now: float, within: float
) -> None:
    """At every time: each text belongs to one word."""
    health = Health(at, alive, within, "")
    told = {
        Condition.HEALTHY: Health(now, now, 120.0, ""),
        Condition.STARTING: Health(now, None, 120.0, ""),
        Condition.NOT_RESPONDING: Health(now, now - 500.0, 120.0, ""),
        Condition.STALLED: Health(now - 500.0, now, 120.0, ""),
        Condition.STALE: Health(now + 1.0, now, 120.0, ""),
    }[health.condition(now)].problem(now)
    assert re.sub(r"\d+", "", health.problem(now)) == re.sub(r"\d+", "", told)


FIGURES = HealthFigures(
    last_value_ns=1_795_000_000_000_000_000,
    queued=3,
    on_disk=2,
    stored=7,
    rejected=1,
    dropped=0,
    rejected_dropped=0,
    spool_used=0.25,
    database_up=False,
)


def test_the_figures_are_those_of_the_delivery_and_of_the_latest_value() -> None:
    """A device without a value has no part in it."""
    figures = Figures(accepted=7, queued=3, on_disk=2, rejected=1, fullness=0.25, database_up=False)
    last = FIGURES.last_value_ns
    assert last
    assert HealthFigures.of(figures, [None, last - 1, last]) == FIGURES
    assert HealthFigures.of(Figures(), [None]).last_value_ns is None


def test_figures_are_read_as_they_were_written(run: Path) -> None:
    """A file without them is that of an earlier daemon."""
    HealthFile(INI, 120.0).write(10.0, 9.0, "fine", FIGURES)
    (path,) = run.iterdir()
    assert read_health(path) == Health(10.0, 9.0, 120.0, "fine", FIGURES)
    path.write_text('{"format": 1, "at": 1, "alive": 1, "within": 1, "status": ""}')
    found = read_health(path)
    assert found
    assert found.figures is None


def test_a_ping_counts_when_it_is_deserved_and_not_when_it_is_sent() -> None:
    """Pings are W/8 apart; a message between two of them counts all the same."""
    watchdog = Watchdog(120.0, 0.0)
    assert watchdog.alive is None
    watchdog.message()
    assert not watchdog.ping(1.0, [1.0])
    assert watchdog.alive == 1.0
    watchdog.ping(2.0, [2.0])
    assert watchdog.alive == 1.0
    watchdog.message()
    watchdog.ping(63.0, [2.0])
    assert watchdog.alive == 1.0
    watchdog.ping(63.5, [63.0])
    assert watchdog.alive == 63.5


def test_every_user_can_read_the_file_until_the_daemon_ends(run: Path) -> None:
    """All values come back, and the file is removed at the end."""
    writer = HealthFile(INI, 120.0)
    for now, alive, status in ((10.0, None, "looking for venus.local"), (11.5, 11.0, "fine")):
        writer.write(now, alive, status)
        (path,) = run.iterdir()
        assert path == health_path(INI, {"RUNTIME_DIRECTORY": str(run)})
        assert read_health(path) == Health(now, alive, 120.0, status)
        assert path.stat().st_mode & 0o777 == 0o644
    writer.close()
    assert not path.exists()
    assert read_health(path) is None


def _with_last_value(number: str) -> str:
    """Return the text of a file with this number in place of a time."""
    figures = json.dumps(FIGURES._asdict()).replace(str(FIGURES.last_value_ns), number)
    return f'{{"format": 1, "at": 1, "alive": 1, "within": 1, "status": "", "figures": {figures}}}'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        pytest.param("[" * 40_000, id="deep"),
        '{"format": 2, "at": 1, "alive": 1, "within": 1, "status": ""}',
        '{"format": 1, "at": 1, "alive": "x", "within": 1, "status": ""}',
        '{"format": 1, "at": 1, "within": 1, "status": ""}',
        f'{{"format": 1, "at": 1{400 * "0"}, "alive": 1, "within": 1, "status": ""}}',
        '{"format": 1, "at": 1, "alive": 1, "within": 1, "status": "", "figures": {}}',
        '{"format": 1, "at": 1, "alive": 1, "within": 1, "status": "", "figures": [1]}',
        pytest.param(
            json.dumps(
                {"format": 1, "at": 1, "alive": 1, "within": 1, "status": ""}
                | {"figures": FIGURES._asdict() | {"queued": "\x1b[2J"}}
            ),
            id="text",
        ),
        *(
            pytest.param(_with_last_value(number), id=f"number {number:.6}")
            for number in (str(LARGEST), f"-{LARGEST}", 400 * "9", "1e999", "NaN")
        ),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(tmp_path: Path, content: str) -> None:
    """An incomplete file, or one of another version, is an error, and not a missing file."""
    path = tmp_path / "bat2influx.health"
    path.write_text(content)
    with pytest.raises(UnreadableError, match=re.escape(f"{path} is damaged or of another")):
        read_health(path)


def test_a_long_status_is_shortened(run: Path) -> None:
    """Whatever the status line contains, the file stays readable."""
    for char in ("x", "\x00", "\U0001f50b"):
        HealthFile(INI, 120.0).write(10.0, 9.0, char * 180_000)
        (path,) = run.iterdir()
        assert path.stat().st_size < MAX_FILE
        found = read_health(path)
        assert found
        assert found.status == char * (MAX_STATUS - 1) + "…"


def test_a_file_that_is_too_long_is_named(tmp_path: Path) -> None:
    """It is not treated as missing."""
    path = tmp_path / "bat2influx.health"
    path.write_text(json.dumps({"format": 1, "status": "x" * 180_000}))
    with pytest.raises(UnreadableError, match=r"bat2influx\.health is longer than 64 KiB"):
        read_health(path)


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (lambda path: path.symlink_to("/etc/hostname"), "it is a symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "it is a symbolic link"),
        (os.mkfifo, "it is not a regular file"),
        (Path.mkdir, "it is not a regular file"),
    ],
)
def test_what_is_not_a_regular_file_is_named_at_once(
    tmp_path: Path, put: Callable[[Path], None], why: str
) -> None:
    """A FIFO, at which a reader would block for ever, and a link to something else."""
    path = tmp_path / "bat2influx.health"
    put(path)
    with pytest.raises(UnreadableError) as caught:
        read_health(path)
    assert str(caught.value) == f"cannot read {path} ({why})"


def test_the_file_is_in_the_runtime_directory_of_the_unit() -> None:
    """From outside by the name of the ini, from inside by systemd's variable."""
    boat = INI.with_name("boat.ini")
    assert health_path(INI, {}) == Path("/run/bat2influx/bat2influx.health")
    assert health_path(boat, {}) == Path("/run/bat2influx-boat/boat.health")
    assert health_path(boat, {"RUNTIME_DIRECTORY": "/run/x"}) == Path("/run/x/boat.health")
    session = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    own = Path("/run/user/1000/bat2influx/mine.health")
    assert health_path(Path("/home/me/mine.ini"), session) == own
    assert health_path(Path("/home/me/mine.ini"), {}) is None


def test_without_a_runtime_directory_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon runs without the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    writer = HealthFile(INI, 120.0)
    writer.write(0.0, 0.0, "fine")
    assert not [*tmp_path.iterdir()]
    writer.close()

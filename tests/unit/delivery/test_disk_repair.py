"""Check and repair before the file is opened: in slices, and retried after a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from bat2influx.delivery import disk_format, disk_repair, disk_rows, salvage
from bat2influx.delivery.disk_errors import DamagedError, DiskError, DiskFault
from bat2influx.delivery.disk_format import NewerError
from bat2influx.delivery.disk_repair import LONGEST_RETRY, RETRY, Repair
from tests.support import disk
from tests.unit.delivery.test_disk_file import content, make, names, put
from tests.unit.delivery.test_disk_queue import lines


class Time:
    """A stand-in for the monotonic clock."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 1000.0
        self.step = step  # s between two looks at it

    def monotonic(self) -> float:
        """Return the time in s."""
        self.now += self.step
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good spool with fifty lines."""
    path = tmp_path / "spool.sqlite"
    with closing(disk_format.create(path)) as db:
        for number in range(0, 50, 10):
            disk_rows.insert(db, 1 + number, lines(number, number + 10))
    return path


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A good spool with all data in its WAL."""
    source = tmp_path / "source/spool.sqlite"
    with closing(disk_format.create(source, wal=True)) as db:
        for number in range(0, 500, 10):
            disk_rows.insert(db, 1 + number, lines(number, number + 10))
        disk.copy_as_after_a_power_cut(source.parent, tmp_path / "state")
    return tmp_path / "state/spool.sqlite"


def fault(repair: Repair) -> DiskFault:
    """Return why the salvage does not finish."""
    with pytest.raises(DiskError) as raised:
        repair.continue_salvage()
    return raised.value.fault


# The look


def test_a_small_file_is_checked_at_once(killed: Path) -> None:
    """The next call checks it again."""
    repair = Repair(killed)
    repair.check()
    disk.change(disk_format.companion(killed, "-wal"), 32 + 4120 + 100, b"x" * 50)
    with pytest.raises(DamagedError, match="a part of its WAL"):
        repair.check()
    assert not repair.under_way


def test_a_large_wal_is_checked_in_slices(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each continues the previous one, and reports that it is not finished."""
    monkeypatch.setattr(disk_repair, "time", Time(step=salvage.SLICE / 10))
    repair, slices = Repair(killed), 0
    while slices < 100:
        try:
            repair.check()
            break
        except DiskError as error:
            assert error.fault is DiskFault.CHECKING
            assert "has a large WAL, which is checked first" in str(error)
            slices += 1
    frames = disk_format.companion(killed, "-wal").stat().st_size // 4120
    assert frames // 10 <= slices <= frames // 8


def test_damage_found_in_a_later_slice_is_reported(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like damage in the first."""
    disk.change(disk_format.companion(killed, "-wal"), 32 + 30 * 4120 + 100, b"x" * 50)
    monkeypatch.setattr(disk_repair, "time", Time(step=salvage.SLICE / 10))
    repair = Repair(killed)
    with pytest.raises(DiskError):
        repair.check()
    with pytest.raises(DamagedError):
        for _ in range(100):
            with pytest.raises(DiskError):
                repair.check()


def test_a_check_can_be_aborted(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file stays open, and the next check begins again."""
    open_files = Path("/proc/self/fd")
    before = len([*open_files.iterdir()])
    with monkeypatch.context() as patched:
        patched.setattr(disk_repair, "time", Time(step=salvage.SLICE))
        repair = Repair(killed)
        with pytest.raises(DiskError):
            repair.check()
    assert len([*open_files.iterdir()]) == before + 1
    repair.close()
    assert len([*open_files.iterdir()]) == before
    repair.check()


def test_a_later_version_is_reported(path: Path) -> None:
    """It is no damage."""
    with closing(sqlite3.connect(path)) as db:
        for table in ("waiting", "rejected"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN more")
        db.execute("PRAGMA user_version = 9")
        db.execute("VACUUM")
    with pytest.raises(NewerError):
        Repair(path).check()


# The salvage


def test_a_new_file_replaces_the_damaged_one(path: Path) -> None:
    """Then nothing is in progress any more."""
    repair = Repair(path)
    repair.begin("it is damaged")
    assert repair.under_way
    saved = repair.continue_salvage()
    assert (saved.queued, saved.lost, repair.under_way) == (50, 0, False)


def test_a_removed_file_ends_the_repair(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything done with another file in its place."""
    monkeypatch.setattr(disk_repair.salvage, "create", no_room)
    repair = Repair(path)
    repair.begin("it is damaged")
    assert fault(repair) is DiskFault.FULL
    assert repair.under_way
    path.unlink()
    assert not repair.under_way


def no_room(_: Path) -> None:
    """A stand-in for a full disk."""
    raise OSError(28, "No space left on device")


def test_found_a_salvage_without_space_was_retried_every_two_seconds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is retried with a growing delay; in between the same error is raised."""
    time = Time()
    monkeypatch.setattr(disk_repair, "time", time)
    tries: list[float] = []

    def create(path: Path) -> None:
        tries.append(time.now)
        no_room(path)

    monkeypatch.setattr(disk_repair.salvage, "create", create)
    repair = Repair(path)
    repair.begin("it is damaged")
    begun = time.now
    while time.now < begun + 3600.0:
        assert fault(repair) is DiskFault.FULL
        time.now += 2.0
    waits = [after - before for before, after in pairwise(tries)]
    assert waits[:6] == [RETRY * 2**n for n in range(6)]
    assert waits[6:] == [LONGEST_RETRY] * len(waits[6:])
    assert len(tries) < 15


def test_a_lock_of_another_program_is_checked_at_each_turn(path: Path) -> None:
    """That costs nothing, and the lock ends soon."""
    repair = Repair(path)
    repair.begin("it is damaged")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert fault(repair) is DiskFault.BUSY
    assert repair.continue_salvage().queued == 50


@disk.on_a_small_disk
def test_a_salvage_continues_when_there_is_space(tmp_path: Path) -> None:
    """At once, although an attempt has just failed; until then it leaves nothing on disk."""
    file = make(tmp_path / "state")
    put(file, 0, 3000, 90)
    disk.fill(tmp_path)
    counted = counting_tries()
    with (
        pytest.raises(DiskError, match="cannot be replaced: no space left") as raised,
        file.guarded(),
    ):
        raise DamagedError("a row is missing")
    for _ in range(5):
        with pytest.raises(DiskError) as raised:
            put(file, 3000, 3001)
        assert raised.value.fault is DiskFault.FULL
        assert "spool.salvage" not in names(file)
    assert next(counted) == 1
    disk.empty(tmp_path)
    with pytest.raises(DiskError, match="3000 of its values stay queued"):
        put(file, 3000, 3001)
    assert next(counted) == 2
    put(file, 3000, 3001)
    assert content(file) == [*lines(0, 3000, 90), *lines(3000, 3001)]


def counting_tries() -> Iterator[int]:
    """Count the salvages from now on."""
    tries: list[Path] = []
    real = salvage.Salvage.__init__

    def count(self: salvage.Salvage, path: Path) -> None:
        tries.append(path)
        real(self, path)

    salvage.Salvage.__init__ = count  # type: ignore[method-assign]

    def counted() -> Iterator[int]:
        while True:
            yield len(tries)

    return counted()

"""Recovery of a damaged file: which lines, where the rest is, and what is no damage."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bat2influx.delivery import disk_format, disk_pages, disk_rows, salvage
from bat2influx.delivery.disk_errors import DamagedError, DiskFault
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_rows import QUEUED, REJECTED
from bat2influx.delivery.salvage import Salvage, SalvageResult
from tests.support import disk
from tests.support.spool_rows import store_text
from tests.unit.delivery.test_disk_queue import all_of, batch_of, fault_of, lines, queue_in

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store rows as text, as in format 1, so that damage can be done to visible data."""
    store_text(monkeypatch)
    monkeypatch.setattr(salvage, "ROW_LINES", 10)  # as many as are in one here


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool with five rows, of ten lines each, and rejected lines in two."""
    path = tmp_path / "spool.sqlite"
    with closing(disk_format.create(path)) as db:
        for number in range(0, 50, 10):
            disk_rows.insert(db, 101 + number, lines(number, number + 10))
        disk_rows.insert_rejected(db, lines(50, 52), b"first", 7)
        disk_rows.insert_rejected(db, lines(52, 53), b"second", 8)
    return path


def spoil(path: Path, table: str, number: int) -> None:
    """Alter a row."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"UPDATE {table} SET crc = crc + 1 WHERE number = ?", (number,))


def numbers(path: Path) -> list[int]:
    """Return the numbers of the queued rows."""
    with closing(sqlite3.connect(path)) as db:
        return [row.number for row in disk_rows.rows(db, QUEUED)]


def done(path: Path) -> SalvageResult:
    """Replace a damaged file."""
    saved = Salvage(path).run(60.0)
    assert saved
    return saved


def test_good_rows_are_recovered_with_new_numbers(path: Path) -> None:
    """In their order, without a gap; rejected lines keep reasons and times."""
    spoil(path, "waiting", 121)
    spoil(path, "rejected", 1)
    before = path.read_bytes()
    aside, *counts = done(path)
    assert (counts, aside.read_bytes()) == ([40, 1, 10, 2], before)
    assert numbers(path) == [1, 11, 21, 31]
    with closing(sqlite3.connect(path)) as db:
        waiting = [line for row in disk_rows.rows(db, QUEUED) for line in row.lines]
        assert waiting == [*lines(0, 20), *lines(30, 50)]
        (row,) = disk_rows.rows(db, REJECTED)
    assert (row.number, row.lines, row.reason, row.time) == (1, lines(52, 53), b"second", 8)
    assert {each.name for each in path.parent.iterdir()} == {path.name, aside.name}


def test_recovered_rows_are_merged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into as few as possible, so that the new file is small."""
    monkeypatch.setattr(salvage, "ROW_LINES", 25)
    assert done(path).queued == 50
    assert numbers(path) == [1, 21, 41]
    with closing(sqlite3.connect(path)) as db:
        assert [line for row in disk_rows.rows(db, QUEUED) for line in row.lines] == lines(0, 50)


def test_bad_bytes_cost_only_their_own_row(tmp_path: Path) -> None:
    """Found: row numbers were tried one after the other, and the row before was lost."""
    path = tmp_path / "spool.sqlite"
    with closing(disk_format.create(path)) as db:
        db.execute("BEGIN")
        for number in range(0, 19_800, 9):
            disk_rows.insert(db, 10**9 + number, lines(number, number + 9))
        db.execute("COMMIT")
    page = 40
    good = [each.columns[2] for each in leaf_rows(path, page)]
    disk.change(path, (page - 1) * SIZE + 1024, bytes(512))
    left = {each.columns[2] for each in leaf_rows(path, page)}
    lost = 9 * sum(each not in left for each in good)
    saved = done(path)
    assert (saved.queued, saved.lost) == (19_800 - lost, lost)
    assert 0 < lost <= 9 * 20


def leaf_rows(path: Path, page: int) -> list[disk_pages.Record]:
    """Return the rows of a page without its overflow pages."""
    content = path.read_bytes()[(page - 1) * SIZE : page * SIZE]
    found = [*disk_pages.records(content, lambda _: bytes(SIZE))]
    return [each for each in found if disk_rows_right(each)]


def disk_rows_right(record: disk_pages.Record) -> bool:
    """Return whether a queued row has the right checksum."""
    try:
        disk_rows.unpack((record.number, *record.columns[1:3], b"", 0))
    except DamagedError:
        return False
    return True


def test_the_work_is_done_in_slices(path: Path) -> None:
    """However short, they come to an end; until then the old file is the spool."""
    before = path.read_bytes()
    work = Salvage(path)
    slices = 0
    while (saved := work.run(0.0)) is None:
        slices += 1
        assert path.read_bytes() == before
        assert work.recovered <= 50
    assert slices > 5
    assert (saved.queued, work.recovered) == (50, 50)
    assert numbers(path) == [1, 11, 21, 31, 41]


def test_a_slice_ends_at_its_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are on disk, so that the last sync is short."""
    now = iter(range(10_000))
    clock = SimpleNamespace(
        monotonic=lambda: float(next(now)), time_ns=time.time_ns, strftime=time.strftime
    )
    monkeypatch.setattr(salvage, "time", SimpleNamespace(**vars(clock), gmtime=time.gmtime))
    work = Salvage(path)
    while work.recovered < 40:
        assert work.run(2.0) is None
    with closing(sqlite3.connect(path.with_suffix(".salvage"))) as other:
        assert [row.number for row in disk_rows.rows(other, QUEUED)][:2] == [1, 11]
    work.close()


def test_an_aborted_salvage_leaves_nothing(path: Path) -> None:
    """The damaged file is unchanged for the next start; no file stays open."""
    before, files = path.read_bytes(), len([*OPEN_FILES.iterdir()])
    work = Salvage(path)
    while work.recovered < 20:
        assert work.run(0.0) is None
    work.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before
    assert len([*OPEN_FILES.iterdir()]) == files
    assert work.run() is None


def test_rows_of_a_wal_are_recovered_and_the_wal_is_kept(tmp_path: Path) -> None:
    """With the damaged file, unchanged by the connection that checks for locks."""
    state = tmp_path / "state"
    queue = queue_in(state)
    for number in range(0, 100, 10):
        queue.append(lines(number, number + 10))
    copy = tmp_path / "copy"
    shutil.copytree(state, copy)
    queue.close()
    wal = (copy / "spool.sqlite-wal").read_bytes()
    saved = done(copy / "spool.sqlite")
    assert (saved.queued, saved.lost) == (100, 0)
    assert disk_format.companion(saved.quarantined_as, "-wal").read_bytes() == wal


def test_a_file_with_a_later_version_number_is_read_like_any(path: Path) -> None:
    """The check for locks ignores the number."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE more (a)")
        db.execute("PRAGMA user_version = 9")
    assert done(path).queued == 50


def test_an_unreadable_file_is_set_aside(path: Path) -> None:
    """Nothing is in its place then."""
    before = path.read_bytes()
    saved = salvage.give_up(path)
    assert saved == (saved.quarantined_as, 0, 0, 0, 0)
    assert [each.name for each in path.parent.iterdir()] == [saved.quarantined_as.name]
    assert saved.quarantined_as.read_bytes() == before


def test_a_lock_of_another_program_is_no_damage(path: Path) -> None:
    """Nothing is moved, no new file is begun, and the keeper does not wait for it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        work = Salvage(path)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            work.run()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert numbers(path) == [101, 111, 121, 131, 141]


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ([], []),
        (["spool.sqlite"], ["spool.sqlite"]),
        (["spool.salvage"], ["spool.sqlite"]),
        (["spool.salvage", "spool.sqlite"], ["spool.sqlite"]),
        (["spool.salvage", "spool.salvage-journal", "spool.sqlite"], ["spool.sqlite"]),
    ],
)
def test_a_missing_last_step_is_completed(
    tmp_path: Path, names: list[str], left: list[str]
) -> None:
    """A new file beside the old one is incomplete; alone it is complete."""
    for name in names:
        (tmp_path / name).write_text(name)
    salvage.finish(tmp_path / "spool.sqlite")
    assert [each.name for each in tmp_path.iterdir()] == left
    content = "spool.sqlite" if "spool.sqlite" in names else "spool.salvage"
    assert [each.read_text() for each in tmp_path.iterdir()] == [content] * len(left)


def test_a_file_is_set_aside_with_its_companions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name has the time, in UTC to the microsecond; the WAL's index is removed."""
    now = 1_700_000_000_000_007_999
    clock = SimpleNamespace(time_ns=lambda: now, strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr(salvage, "time", clock)
    for name in ("spool.sqlite", "spool.sqlite-wal", "spool.sqlite-shm", "devices.json"):
        (tmp_path / name).write_text(name)
    aside = salvage.quarantine(tmp_path / "spool.sqlite", "damaged")
    assert aside == tmp_path / "spool.damaged-20231114T221320.000007Z"
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        aside.name: "spool.sqlite",
        f"{aside.name}-wal": "spool.sqlite-wal",
        "devices.json": "devices.json",
    }


def test_only_damaged_files_that_were_set_aside_are_removed(path: Path) -> None:
    """A file of a later version stays until a person decides, however old it is."""
    old = [f"spool.damaged-2020010{day}T000000.000000Z" for day in range(1, 5)]
    for name in (*old, f"{old[0]}-wal", f"{old[3]}-wal", "spool.format-7-20200101T000000.000000Z"):
        (path.parent / name).touch()
    aside, *_ = done(path)
    assert {each.name for each in path.parent.iterdir()} == {
        path.name,
        aside.name,
        old[2],
        old[3],
        f"{old[3]}-wal",
        "spool.format-7-20200101T000000.000000Z",
    }
    assert [each.name for each in salvage.quarantined_as_newer(path)] == [
        "spool.format-7-20200101T000000.000000Z"
    ]


def test_three_damaged_files_are_kept(tmp_path: Path) -> None:
    """The latest three stay, with their companions."""
    queue = queue_in(tmp_path)
    for _ in range(5):
        (tmp_path / "spool.sqlite").write_bytes(b"x" * 5000)
        (tmp_path / "spool.sqlite-wal").write_bytes(b"y" * 5000)
        assert fault_of(queue.open).fault is DiskFault.DAMAGED
        queue.append(lines(0, 1))
        queue.settle(batch_of(queue), [], [])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in names if not name.endswith("-wal")]) == salvage.MAX_DAMAGED_FILES
    assert len(names) <= 2 * salvage.MAX_DAMAGED_FILES


@pytest.mark.parametrize("aside", [True, False])
def test_an_interrupted_salvage_is_completed(tmp_path: Path, aside: bool) -> None:
    """A complete new file takes its place; one that may be incomplete is removed."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 5))
    queue.close()
    path, fresh = tmp_path / "spool.sqlite", tmp_path / "spool.salvage"
    if aside:
        path.rename(fresh)
    else:
        shutil.copy(path, fresh)
        os.truncate(fresh, 3000)
    assert all_of(queue_in(tmp_path)) == lines(0, 5)
    assert not fresh.exists()

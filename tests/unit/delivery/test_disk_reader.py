"""Reading the file in another process, with and without the daemon, and its traces."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_format, disk_reader
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_queue import StoredRejection
from bat2influx.delivery.disk_reader import DiskReader, Summary
from tests.support import disk
from tests.unit.delivery.test_disk_queue import NOW, all_of, batch_of, lines, queue_in, reject


def test_without_a_file_the_queue_is_empty(tmp_path: Path) -> None:
    """Nor after an interrupted creation, or without a folder."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "spool.sqlite").touch()
    for directory in (tmp_path, tmp_path / "made", tmp_path / "absent"):
        with closing(DiskReader(directory)) as reader:
            assert reader.summary() == Summary(0, 0, 0, None)
            assert [*reader.lines(), *reader.rejected()] == []
    assert [each.name for each in tmp_path.iterdir()] == ["made"]


def test_a_reader_sees_the_queue_of_a_running_daemon(tmp_path: Path) -> None:
    """Figures, queued and rejected lines, and no file is created."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 1000))
    reject(queue, 2)
    names = sorted(path.name for path in tmp_path.iterdir())
    with closing(DiskReader(tmp_path)) as reader:
        assert reader.summary() == Summary(998, 2, queue.size, 2)
        assert list(reader.lines()) == lines(2, 1000)
        assert list(reader.rejected()) == [
            StoredRejection(line, "bad", NOW) for line in lines(0, 2)
        ]
        assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_the_newest_line_is_the_last_of_the_last_row(tmp_path: Path) -> None:
    """Its stamp, which a line need not have; without a file, or a line, there is none."""
    with closing(DiskReader(tmp_path)) as reader:
        assert reader.newest() is None
    queue = queue_in(tmp_path)
    queue.append(lines(0, 1000))
    with closing(DiskReader(tmp_path)) as reader:
        assert reader.newest() == 999
        queue.append(lines(1000, 1003))
        assert reader.newest() == 1002
        queue.append([b"dc V=1.5"])
        assert reader.newest() is None
        queue.settle(batch_of(queue), [], [])
        assert reader.newest() is None


@pytest.mark.parametrize("left", ["closed", "killed"])
def test_a_reader_leaves_no_trace(tmp_path: Path, left: str) -> None:
    """It reads the file of an ended process, and changes and adds nothing."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 1000))
    if left == "closed":
        queue.close()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    before.pop("spool.sqlite-shm", None)
    with closing(DiskReader(tmp_path)) as reader:
        assert reader.summary().queued == 1000
        assert list(reader.lines()) == lines(0, 1000)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    after.pop("spool.sqlite-shm", None)
    assert after == before


def test_a_reader_creates_no_wal(tmp_path: Path) -> None:
    """For a file that was left in WAL mode without one."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 10))
    queue.close()
    other = sqlite3.connect(tmp_path / "spool.sqlite")
    other.execute("PRAGMA journal_mode = WAL")
    other.close()
    with closing(DiskReader(tmp_path)) as reader:
        assert list(reader.lines()) == lines(0, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["spool.sqlite"]


def test_a_halted_reader_delays_nothing(tmp_path: Path) -> None:
    """The disk queue works on beside a halted export, which has every line that stays queued."""
    queue = queue_in(tmp_path, 1_000_000)
    queue.append(lines(0, 50_000))
    kept = lines(50_000 - len(queue), 50_000)
    with closing(DiskReader(tmp_path)) as reader:
        export = reader.lines()
        seen = [next(export)]
        for _ in range(20):
            batch = batch_of(queue, 500)
            queue.settle(batch, batch.lines[::2], [])
            assert queue.size <= 1_000_000
        queue.append(lines(50_000, 50_010))
        seen += export
    assert seen[0] == kept[0]
    assert set(all_of(queue)) <= set(seen)
    assert set(seen) <= {*kept, *lines(50_000, 50_010)}


def test_a_drained_queue_is_removed_after_its_reader(tmp_path: Path) -> None:
    """The file is not removed while it is read."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 1000))
    with closing(DiskReader(tmp_path)) as reader:
        queue.settle(batch_of(queue), [], [])
        assert reader.summary()[:2] == (0, 0)
        queue.append(lines(0, 5))
        assert list(reader.lines()) == lines(0, 5)
        queue.settle(batch_of(queue), [], [])
        assert queue.next_batch(1) is None
    queue.close()
    assert list(tmp_path.iterdir()) == []


def test_a_long_list_is_read_in_pieces_with_nothing_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any length, each line once; lines appended in the meantime are at its end."""
    monkeypatch.setattr(disk_reader, "_PIECE", 3)
    queue = queue_in(tmp_path)
    for number in range(7):
        queue.append(lines(number * 2, number * 2 + 2))
    reject(queue, 3)
    with closing(DiskReader(tmp_path)) as reader:
        listing = reader.lines()
        seen = [next(listing)]
        queue.append(lines(14, 15))
        with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as other:
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall() == [(0, 0, 0)]
        assert [*seen, *listing] == lines(3, 15)
        assert [each.line for each in reader.rejected()] == lines(0, 3)


@pytest.mark.parametrize(("taken", "left", "expected"), [(5, 4, (4, 8)), (2, 1, (2, 8))])
def test_a_list_continues_after_lines_settled_in_the_meantime(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken: int,
    left: int,
    expected: tuple[int, int],
) -> None:
    """By the number of the next line, even if a row was split."""
    monkeypatch.setattr(disk_reader, "_PIECE", 1)
    queue = queue_in(tmp_path)
    for number in range(0, 8, 2):
        queue.append(lines(number, number + 2))
    with closing(DiskReader(tmp_path)) as reader:
        listing = reader.lines()
        seen = [next(listing), next(listing)]
        batch = batch_of(queue, taken)
        queue.settle(batch, batch.lines[left:], [])  # its last line waits on, in another row
        assert [*seen, *listing] == [*lines(0, 2), *lines(*expected)]


@pytest.mark.parametrize("where", ["closed", "beside"])
def test_figures_are_consistent(tmp_path: Path, where: str) -> None:
    """Numbers of queued and rejected lines, bytes with the WAL, and the oldest timestamp."""
    queue = queue_in(tmp_path)
    queue.append(lines(40, 500))
    reject(queue, 7)
    if where == "closed":
        queue.close()
    with closing(DiskReader(tmp_path)) as reader:
        size = sum(each.stat().st_size for each in tmp_path.iterdir())
        assert reader.summary() == Summary(453, 7, size, 47)
        queue.append(lines(500, 501))
        assert reader.summary()[:2] == (454, 7)


@pytest.mark.parametrize("what", ["text", "half"])
def test_a_damaged_file_is_reported_and_left_for_the_daemon(tmp_path: Path, what: str) -> None:
    """A reader sets nothing aside."""
    path = tmp_path / "spool.sqlite"
    queue = queue_in(tmp_path)
    queue.append(lines(0, 1000))
    queue.close()
    if what == "text":
        path.write_text("this is no database\n" * 1000)
    else:
        os.truncate(path, path.stat().st_size // 2)
    before = path.read_bytes()
    with pytest.raises(DiskError, match="the daemon recovers what is readable when it") as raised:
        _read(tmp_path)
    assert raised.value.fault is DiskFault.DAMAGED
    assert str(raised.value).startswith(f"{path} is damaged (")
    assert [each.name for each in tmp_path.iterdir()] == ["spool.sqlite"]
    assert path.read_bytes() == before


def test_rows_out_of_order_end_a_list(tmp_path: Path) -> None:
    """Circular pages would make it endless."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 3000, 50))
    queue.close()
    path = tmp_path / "spool.sqlite"
    content = path.read_bytes()
    leaves = [
        at
        for at in range(3 * 4096, len(content), 4096)
        if content[at] == 13 and content[at + 3 : at + 5] != bytes(2)
    ]
    assert len(leaves) > 1
    first, last = leaves[0], leaves[-1]
    disk.change(path, first, content[last : last + 4096])
    with closing(DiskReader(tmp_path)) as reader, pytest.raises(DiskError, match="out of order"):
        list(reader.lines())


def test_only_the_daemon_completes_or_migrates_a_file(tmp_path: Path) -> None:
    """An older format, or an interrupted creation: it is readable afterwards."""
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as other:
        other.execute("CREATE TABLE line (a)")
    with pytest.raises(
        DiskError, match="cannot be read before the next start of bat2influx"
    ) as raised:
        _read(tmp_path)
    assert raised.value.fault is DiskFault.OTHER


def test_a_newer_file_is_reported_with_its_format(tmp_path: Path) -> None:
    """Another version has to read it; nothing is moved."""
    with closing(disk_format.create(tmp_path / "spool.sqlite")) as other:
        for table in ("waiting", "rejected"):
            other.execute(f"ALTER TABLE {table} ADD COLUMN more")
        other.execute("PRAGMA user_version = 9")
    with pytest.raises(DiskError, match="has format 9 of a later bat2") as raised:
        _read(tmp_path)
    assert raised.value.fault is DiskFault.NEWER
    assert [each.name for each in tmp_path.iterdir()] == ["spool.sqlite"]


def test_a_lock_between_two_pieces_is_reported(tmp_path: Path) -> None:
    """An unreadable piece ends the list with an error, never without one."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 30_000))
    queue.close()
    with (
        closing(DiskReader(tmp_path, lock_timeout=0.0)) as reader,
        closing(sqlite3.connect(tmp_path / "spool.sqlite", isolation_level=None)) as other,
    ):
        listing = reader.lines()
        assert next(listing) == lines(0, 1)[0]
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DiskError, match="locked by another program") as raised:
            list(listing)
    assert raised.value.fault is DiskFault.BUSY


def _read(directory: Path) -> None:
    with closing(DiskReader(directory, lock_timeout=0.0)) as reader:
        reader.summary()
        list(reader.lines())

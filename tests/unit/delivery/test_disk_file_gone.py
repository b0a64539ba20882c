"""A file that was removed, is damaged, or of a later version: messages and losses."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_format, disk_repair, disk_rows
from bat2influx.delivery.disk_errors import DamagedError, DiskError, DiskFault
from bat2influx.delivery.disk_file import DiskFile
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_rows import QUEUED, REJECTED, Figures
from tests.support import disk
from tests.support.spool_rows import store_text
from tests.unit.delivery.test_disk_file import content, make, names, put, take
from tests.unit.delivery.test_disk_queue import lines


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store rows as text, as in format 1, so that damage can be done to visible data."""
    store_text(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[DiskFile]:
    """A file in a folder that does not exist yet."""
    made = make(tmp_path / "state")
    yield made
    made._disconnect()


@pytest.mark.parametrize(
    ("rows", "told"), [(0, False), (3, True)], ids=["empty", "with lines in it"]
)
@pytest.mark.parametrize("another", [True, False])
def test_a_removed_file_is_reported(file: DiskFile, rows: int, told: bool, another: bool) -> None:
    """If it contained lines; another file in its place is read from then on."""
    put(file, 0, 3)
    take(file, 4 - rows)
    for each in file.path.parent.iterdir():
        each.unlink()
    if another:
        with closing(disk_format.create(file.path)) as db:
            disk_rows.insert(db, 1, lines(70, 75))
    if told:
        with pytest.raises(DiskError, match="was removed by another program; 3 values") as raised:
            put(file, 80, 81)
        assert raised.value.fault is DiskFault.OTHER
    put(file, 80, 81)
    assert content(file) == [*(lines(70, 75) if another else []), *lines(80, 81)]
    assert (file.lost, file.generation) == (rows, 1)


def test_a_damaged_file_is_replaced_and_has_another_generation(file: DiskFile) -> None:
    """Recovered lines are in the new one, from number 1 on; others are lost, and counted."""
    for number in range(0, 30, 10):
        put(file, number, number + 10)
    take(file, 11, rejected=2)
    assert file._db
    file._db.execute("UPDATE waiting SET crc = 0 WHERE number = 21")
    text = "10 of its values stay queued, 10 are lost"
    with pytest.raises(DiskError, match=text) as raised, file.guarded():
        raise DamagedError("a row has a wrong checksum: 21")
    assert raised.value.fault is DiskFault.DAMAGED
    assert (file.figures, file.generation, file.lost) == (Figures(1, 11, 2, 10), 1, 10)
    assert content(file) == lines(10, 20)


def test_a_file_of_a_later_version_is_set_aside(file: DiskFile) -> None:
    """It is kept unchanged, with instructions; no line counts as lost."""
    disk_format.create(file.path).close()
    with closing(sqlite3.connect(file.path)) as other:
        for table in ("waiting", "rejected"):
            other.execute(f"ALTER TABLE {table} ADD COLUMN more")
        other.execute("PRAGMA user_version = 3")
    way_back = "install that version again, wait until no value is queued, stop the service and"
    with pytest.raises(DiskError, match=way_back) as raised:
        put(file, 0, 3)
    assert raised.value.fault is DiskFault.NEWER
    (aside,) = names(file)
    assert aside.startswith("spool.format-3-")
    put(file, 0, 3)
    assert (file.figures, file.generation, file.lost) == (Figures(1, 4, 0, 0), 1, 0)


def test_a_file_that_cannot_be_replaced_is_reported_with_both_reasons(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays in place until it can be replaced, and nothing is counted yet."""
    put(file, 0, 3)

    def fail(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(disk_repair.salvage, "create", fail)
        text = r"is damaged \(a row is missing\) and cannot be replaced: no space left"
        with pytest.raises(DiskError, match=text) as raised, file.guarded():
            raise DamagedError("a row is missing")
    assert (raised.value.fault, file.lost, file.generation) == (DiskFault.FULL, 0, 0)
    assert content(file) == lines(0, 3)
    with pytest.raises(DiskError, match=text):
        put(file, 3, 4)
    monkeypatch.setattr(disk_repair.Repair, "_may_retry", lambda _: True)
    with pytest.raises(DiskError, match="3 of its values stay queued"):
        put(file, 3, 4)
    put(file, 3, 4)
    assert content(file) == lines(0, 4)


def test_removed_rejected_rows_are_reported_too(file: DiskFile) -> None:
    """They count as rejected, not as queued."""
    put(file, 0, 3)
    take(file, 4, rejected=2)
    with closing(disk_format.connect_to_read(file.path, 0.0)) as other:
        assert len([*disk_rows.rows(other, REJECTED)]) == 1
    file.path.unlink()
    with pytest.raises(DiskError, match="removed by another program; 2 values"), file.guarded():
        file.opened()
    assert (file.lost, file.rejected_lost) == (0, 2)


def test_rejected_rows_lost_with_a_damaged_file_are_counted(file: DiskFile) -> None:
    """Separately from queued values, and named in the error."""
    put(file, 0, 5)
    take(file, 3, rejected=2)
    assert file._db
    file._db.execute("UPDATE rejected SET crc = 0")
    with pytest.raises(DiskError, match="of the rejected values 2 are lost"), file.guarded():
        raise DamagedError("a row has a wrong checksum: 1")
    assert (file.lost, file.rejected_lost) == (0, 2)
    assert file.figures.rejected == 0


def test_a_later_version_in_the_number_only_is_damage(file: DiskFile) -> None:
    """One flipped bit; its lines stay queued."""
    put(file, 0, 3)
    file.close()
    disk.change(file.path, 60, b"\0\0\x20\1")
    with pytest.raises(DiskError, match="3 of its values stay queued") as raised:
        put(file, 3, 4)
    assert raised.value.fault is DiskFault.DAMAGED
    put(file, 3, 4)
    assert content(file) == lines(0, 4)


@pytest.mark.parametrize("place", [bytes.index, bytes.rindex], ids=["rejected", "waiting"])
def test_found_a_flipped_bit_in_the_schema_ended_the_keeper(
    file: DiskFile, place: Callable[[bytes, bytes], int]
) -> None:
    """With a TypeError, at each start: `PRIMARY KEY` had become `PRHMARY KEY`."""
    put(file, 0, 3)
    take(file, 1, rejected=2)
    file.close()
    disk.change(file.path, place(file.path.read_bytes(), b"PRIMARY KEY, crc") + 2, b"H")
    with pytest.raises(DiskError, match=r"3 of its values stay queued$") as raised:
        put(file, 3, 4)
    assert raised.value.fault is DiskFault.DAMAGED
    put(file, 3, 4)
    assert content(file) == lines(0, 4)
    assert (file.figures.rejected, file.lost, file.rejected_lost) == (2, 0, 0)


def test_a_large_file_is_recovered_in_slices(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call reports a part; the last has the result, and all is counted once."""
    put(file, 0, 3000)
    monkeypatch.setattr(file._repair, "_slice_of", lambda work: work.run(0.0))
    texts = []
    with pytest.raises(DiskError) as raised, file.guarded():
        raise DamagedError("a row is missing")
    while raised.value.fault is DiskFault.SALVAGING:
        texts.append(str(raised.value))
        assert (file.figures.end, file.generation, file.lost) == (3001, 0, 0)
        with pytest.raises(DiskError) as raised:
            put(file, 3000, 3001)
    assert raised.value.fault is DiskFault.DAMAGED
    assert f"{file.path} is damaged (a row is missing); it is kept as" in str(raised.value)
    assert texts[-1] == (
        f"{file.path} is damaged (a row is missing); 3000 of its values are recovered so far,"
        " recovery continues"
    )
    put(file, 3000, 3001)
    assert (len(texts) > 10, file.generation, file.lost) == (True, 1, 0)
    assert content(file) == lines(0, 3001)


def test_a_stop_does_not_wait_for_the_recovery(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start begins again, with the file unchanged."""
    put(file, 0, 3000)
    monkeypatch.setattr(file._repair, "_slice_of", lambda work: work.run(0.0))
    with pytest.raises(DiskError) as raised, file.guarded():
        raise DamagedError("a row is missing")
    assert raised.value.fault is DiskFault.SALVAGING
    file.close()
    assert names(file) == {file.path.name}
    again = make(file.path.parent)
    put(again, 3000, 3001)
    assert content(again) == lines(0, 3001)
    again._disconnect()


def test_an_unreadable_file_delays_nothing(file: DiskFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept for a person, its values are counted, and work continues."""
    put(file, 0, 3)

    def fail(*_: object) -> None:
        raise TypeError("nobody has thought of this")

    monkeypatch.setattr(disk_repair.salvage, "RecoveredRows", fail)
    text = "0 of its values stay queued, 3 are lost"
    with pytest.raises(DiskError, match=text) as raised, file.guarded():
        raise DamagedError("a row is missing")
    assert (raised.value.fault, file.lost, file.generation) == (DiskFault.DAMAGED, 3, 1)
    put(file, 3, 4)
    assert content(file) == lines(3, 4)


def test_losses_of_a_file_found_damaged_are_counted_by_its_numbers(file: DiskFile) -> None:
    """Lines at its ends are unknown, so that the count is a minimum."""
    for number in range(0, 30, 10):
        put(file, number, number + 10)
    file.close()
    with closing(sqlite3.connect(file.path)) as other:
        other.execute("UPDATE waiting SET crc = 'x' WHERE number IN (1, 11)")
        other.commit()
    again = make(file.path.parent)
    with pytest.raises(DiskError, match="10 of its values stay queued"), again.guarded():
        again.opened()
    assert (again.lost, again.figures) == (0, Figures(1, 11, 0, 20))
    again._disconnect()
    for number in range(100, 120, 10):
        put(again, number, number + 10)
    again.close()
    place = again.path.read_bytes().index(b" 105\n")
    disk.change(again.path, place, b"x")
    third = make(file.path.parent)
    with pytest.raises(DiskError, match="is damaged") as raised, third.guarded():
        db = third.opened()
        assert db
        list(disk_rows.rows(db, QUEUED))
    assert "20 of its values stay queued, 10 are lost" in str(raised.value)
    assert third.lost == 10
    third._disconnect()


def test_an_unreadable_row_at_the_start_gives_a_minimum(file: DiskFile) -> None:
    """The error has the number."""
    for number in range(0, 30, 10):
        put(file, number, number + 10)
    file.close()
    disk.change(file.path, file.path.read_bytes().index(b" 25\n"), b"x")
    again = make(file.path.parent)
    with pytest.raises(DiskError, match="stay queued, at least 10 are lost"), again.guarded():
        again.opened()
    assert again.lost == 10
    again._disconnect()


def test_hidden_rows_are_detected_when_the_queue_seems_empty(file: DiskFile) -> None:
    """A damaged root page would have caused the file to be removed with its lines."""
    put(file, 0, 3)
    take(file, 1, rejected=1)
    root = file.path
    for number in range(0, 3000, 100):
        put(file, number, number + 100, 30)
    file.close()
    empty = b"\x0d\0\0\0\0\x10\0\0".ljust(SIZE, b"\0")
    disk.change(root, SIZE, empty)
    again = make(file.path.parent)
    with pytest.raises(DiskError, match="is inconsistent"), again.guarded():
        again.opened()
    with again.guarded():
        again.opened()
    assert again.figures.end - again.figures.first == 3003
    again._disconnect()


def test_rows_hidden_later_are_detected_before_the_file_is_removed(file: DiskFile) -> None:
    """A file that seems empty is checked again, and the next call raises the result."""
    for number in range(0, 3000, 100):
        put(file, number, number + 100)
    file.close()
    with closing(sqlite3.connect(file.path, isolation_level=None)) as other:
        ((pages,),) = other.execute("PRAGMA page_count").fetchall()
        leaf = max(
            number
            for number in range(4, pages + 1)
            if b" 50\n" in file.path.read_bytes()[(number - 1) * SIZE : number * SIZE]
        )
    page = file.path.read_bytes()[(leaf - 1) * SIZE : leaf * SIZE]
    put(file, 9000, 9001)
    file.close()
    disk.change(file.path, SIZE, page)  # the root is one of its leaves, and the others are hidden
    again = make(file.path.parent)
    with again.guarded():
        again.opened()
    take(again, again.figures.end)
    again.free_space(now=True)
    assert again.path.exists()
    with pytest.raises(DiskError, match="is inconsistent"):
        put(again, 0, 1)
    put(again, 0, 1)
    assert {*lines(0, 3000), *lines(9000, 9001), *lines(0, 1)} <= {*content(again)}
    again._disconnect()


def test_rejected_rows_are_not_checked_at_each_turn(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be many megabytes: they are checked once after a change."""
    checks: list[sqlite3.Connection] = []
    monkeypatch.setattr(disk_format, "check", checks.append)
    for changes in (1, 2):
        put(file, 0, 3)
        take(file, file.figures.end, rejected=2)
        checks.clear()
        for _ in range(3):
            file.free_space(now=True)
        assert len(checks) == 1, changes
    assert names(file) >= {file.path.name}


@pytest.mark.parametrize("damage", [True, False])
def test_a_failed_check_is_damage_or_repeated(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch, damage: bool
) -> None:
    """By SQLite's error; the file stays."""
    put(file, 0, 3)
    take(file, 4)
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT if damage else sqlite3.SQLITE_BUSY

    def fail(_: sqlite3.Connection) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(disk_format, "check", fail)
        file.free_space(now=True)
        assert file.path.exists()
    if damage:
        with pytest.raises(DiskError, match="is damaged") as raised:
            put(file, 3, 4)
        assert raised.value.fault is DiskFault.DAMAGED
    put(file, 3, 4)
    assert content(file) == lines(3, 4)

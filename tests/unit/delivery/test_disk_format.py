"""The file: its creation, its opening, and older and newer formats."""

from __future__ import annotations

import os
import sqlite3
import stat
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_format, disk_rows
from bat2influx.delivery.disk_errors import DamagedError, DiskError, DiskFault
from bat2influx.delivery.disk_format import NewerError
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.delivery.disk_rows import QUEUED, scalar
from tests.support import disk
from tests.unit.delivery.test_disk_queue import all_of, lines, queue_in

FORMAT_1 = (  # as it was written before there was another
    "CREATE TABLE waiting (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, lines BLOB NOT NULL)",
    "CREATE TABLE rejected"
    " (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, lines BLOB NOT NULL,"
    " reason BLOB NOT NULL, time INTEGER NOT NULL, before INTEGER NOT NULL)",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the file, in a directory whose name has a meaning in a URI."""
    return tmp_path / "it's 100% a?b#c" / "state" / "spool.sqlite"


def made(path: Path, *statements: str) -> Path:
    """Create a database with these statements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement).fetchall()
    return path


def columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    """Return the columns of a table, with their types."""
    return db.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()


# Making it


@pytest.mark.parametrize("wal", [False, True])
def test_the_file_is_created_as_described(path: Path, wal: bool) -> None:
    """Two empty tables of format 2, readable by the owner only, without companions."""
    with closing(disk_format.create(path, wal=wal)) as db:
        assert columns(db, "waiting") == [
            ("number", "INTEGER"),
            ("crc", "INTEGER"),
            ("packed", "BLOB"),
        ]
        assert columns(db, "rejected") == [
            *columns(db, "waiting"),
            ("reason", "BLOB"),
            ("time", "INTEGER"),
            ("before", "INTEGER"),
        ]
        assert disk_format.version_of(db) == disk_format.FORMAT == 2
        assert disk_format.in_wal_mode(db) is wal
        assert disk_rows.figures(db) == (1, 1, 0, None)
    assert [each.name for each in path.parent.iterdir()] == ["spool.sqlite"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    header = path.read_bytes()
    assert header.startswith(b"SQLite format 3\0")
    assert header[18:20] == (b"\2\2" if wal else b"\1\1")
    assert header[60:64] == b"\0\0\0\2"


def test_an_existing_folder_keeps_its_permissions(path: Path) -> None:
    """It may be the service manager's."""
    path.parent.mkdir(mode=0o755, parents=True)
    disk_format.create(path).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_a_failed_creation_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an empty file nor SQLite's companions."""

    def fail(_: Path) -> None:
        assert path.exists()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(disk_format, "sync", fail)
    with pytest.raises(OSError, match="No space left"):
        disk_format.create(path, wal=True)
    assert list(path.parent.iterdir()) == []


# Opening it


def test_a_commit_is_synced_and_nothing_is_written_twice(path: Path) -> None:
    """`synchronous` is FULL and `secure_delete` off, however the file was opened."""
    with closing(disk_format.create(path)) as first:
        assert (scalar(first, "PRAGMA synchronous"), scalar(first, "PRAGMA secure_delete")) == (
            2,
            0,
        )
    with closing(disk_format.connect(path, 0.0)) as again:
        assert (scalar(again, "PRAGMA synchronous"), scalar(again, "PRAGMA secure_delete")) == (
            2,
            0,
        )
        assert scalar(again, "PRAGMA auto_vacuum") == 0


@pytest.mark.parametrize("lock_timeout", [0.0, 1.5])
def test_another_programs_lock_is_awaited_with_patience(path: Path, lock_timeout: float) -> None:
    """For the set time."""
    disk_format.create(path).close()
    with closing(disk_format.connect(path, lock_timeout)) as db:
        assert scalar(db, "PRAGMA busy_timeout") == 1000 * lock_timeout


def test_a_file_of_this_format_is_opened_without_a_change(path: Path) -> None:
    """Content and bytes stay."""
    with closing(disk_format.create(path)) as db:
        disk_rows.insert(db, 1, lines(0, 1900))
    before = path.read_bytes()
    with closing(disk_format.connect(path, 0.0)) as db:
        assert [row.end for row in disk_rows.rows(db, QUEUED)] == [1801, 1901]
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_spool(path: Path) -> None:
    """A power cut during its creation leaves such a file; readers treat it as missing."""
    assert not disk_format.is_there(path)
    path.parent.mkdir(parents=True)
    path.touch()
    assert not disk_format.is_there(path)
    disk_format.connect(path, 0.0).close()
    assert disk_format.is_there(path)
    with closing(sqlite3.connect(path)) as db:
        assert disk_format.version_of(db) == 2


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TABLE photos (a)",),
        ("CREATE TABLE photos (a)", "PRAGMA user_version = 1"),
        ("CREATE TABLE photos (a)", "PRAGMA user_version = 2"),
        (disk_format.TABLES[0], "PRAGMA user_version = 1"),
        ("CREATE VIEW waiting AS SELECT 1", disk_format.TABLES[1], "PRAGMA user_version = 2"),
        (*disk_format.TABLES, "PRAGMA user_version = -1"),
        (*disk_format.TABLES,),
    ],
)
def test_another_programs_database_is_no_spool(path: Path, statements: tuple[str, ...]) -> None:
    """Nothing is written to it, whatever its version number."""
    before = made(path, *statements).read_bytes()
    with pytest.raises(DamagedError, match="not a spool of bat2influx"):
        disk_format.connect(path, 0.0)
    assert path.read_bytes() == before


def test_other_files_are_an_error_of_sqlite(path: Path) -> None:
    """As is a missing file; nothing is created."""
    path.parent.mkdir(parents=True)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        disk_format.connect(path, 0.0)
    path.write_bytes(b"no database" * 500)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        disk_format.connect(path, 0.0)
    assert [each.name for each in path.parent.iterdir()] == ["spool.sqlite"]


@pytest.mark.parametrize("in_wal", [False, True])
@pytest.mark.parametrize("opening", [disk_format.connect, disk_format.connect_to_read])
def test_a_newer_format_is_recognised_by_its_number(
    path: Path, opening: Callable[[Path, float], sqlite3.Connection], in_wal: bool
) -> None:
    """Even if the number is only in the WAL."""
    tables = (table.replace("crc", "sum") for table in disk_format.TABLES)
    made(path, *tables, "PRAGMA user_version = 1", "PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 7")
        if not in_wal:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with pytest.raises(NewerError) as raised:
            opening(path, 0.0)
    assert raised.value.version == 7


@pytest.mark.parametrize("opening", [disk_format.connect, disk_format.connect_to_read])
@pytest.mark.parametrize("in_wal", [False, True])
@pytest.mark.parametrize("version", [1, 2])
def test_a_newer_number_alone_is_damage(
    path: Path, opening: Callable[[Path, float], sqlite3.Connection], in_wal: bool, version: int
) -> None:
    """A newer format has other tables."""
    tables = disk_format.TABLES if version == 2 else FORMAT_1
    made(path, *tables, f"PRAGMA user_version = {version}", "PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 4097")
        if not in_wal:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with pytest.raises(DamagedError, match=f"format 4097, its tables are of {version}"):
            opening(path, 0.0)


def test_endless_loops_are_stopped(path: Path) -> None:
    """After a number of steps, whatever time they take, and never before."""
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT max(x) FROM n"
    with closing(disk_format.create(path)) as db:
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            db.execute(endless)
        disk_format.limit(db, 10_000)
        some = endless.replace("FROM n)", "FROM n LIMIT 300)")
        assert db.execute(some).fetchall() == [(1,)]
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            for _ in range(100):
                db.execute(some).fetchall()
        disk_format.limit(db, 10_000)
        assert db.execute(some).fetchall() == [(1,)]


def test_a_blob_above_the_limit_is_not_read(path: Path) -> None:
    """A damaged length would otherwise take all memory."""
    with closing(disk_format.create(path)) as db, pytest.raises(sqlite3.DataError, match="too big"):
        db.execute("SELECT zeroblob(16777217)").fetchall()


def test_a_file_is_checked_as_a_whole(path: Path) -> None:
    """Pages that belong to nothing are as bad as an inconsistent tree."""
    with closing(disk_format.create(path)) as db:
        disk_rows.insert(db, 1, lines(0, 5000))
        disk_format.check(db)
        db.execute("DELETE FROM waiting")
        disk_format.check(db)
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = 'rejected'")
    with (
        closing(sqlite3.connect(path)) as db,
        pytest.raises(DamagedError, match=r"is inconsistent: Page 3(:| is) never used"),
    ):
        disk_format.check(db)


def test_a_reader_does_not_migrate_an_older_format(path: Path) -> None:
    """Only the daemon migrates it."""
    before = made(path, "CREATE TABLE photos (a)").read_bytes()
    with closing(disk_format.connect_to_read(path, 0.0)) as db:
        assert disk_format.version_of(db) == 0
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM photos")
    assert path.read_bytes() == before


# Migrations


def test_migrations_run_one_after_the_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file's format to the latest, each once."""
    steps: list[int] = []
    monkeypatch.setattr(disk_format, "FORMAT", 4)
    for version in range(4):
        monkeypatch.setitem(
            disk_format.MIGRATIONS, version, lambda _, version=version: steps.append(version)
        )
    made(path, *disk_format.TABLES, "PRAGMA user_version = 2")
    disk_format.connect(path, 0.0).close()
    with closing(disk_format.connect(path, 0.0)) as db:
        assert disk_format.version_of(db) == 4
    assert steps == [2, 3]


def test_a_format_without_a_migration_is_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content is not guessed, and a begun change is undone."""
    monkeypatch.setattr(disk_format, "FORMAT", 3)
    monkeypatch.setitem(disk_format.MIGRATIONS, 1, lambda db: db.execute("CREATE TABLE more (a)"))
    before = made(path, *disk_format.TABLES, "PRAGMA user_version = 1").read_bytes()
    with pytest.raises(DamagedError):
        disk_format.connect(path, 0.0)
    assert path.read_bytes() == before


def format_1(path: Path, *, in_wal: bool = False) -> None:
    """Make a file as the first format was written: its tables, and rows of text.

    There are 700 queued lines, of 200 in a row, and nine in each of two; 40 are rejected.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in (*FORMAT_1, "PRAGMA user_version = 1", "PRAGMA journal_mode = WAL"):
            db.execute(statement).fetchall()
        if not in_wal:
            db.execute("PRAGMA journal_mode = DELETE").fetchall()
        number = 301
        for count in (200, 200, 200, 82, 9, 9):
            text = b"\n".join(lines(number - 301, number - 301 + count))
            record = number, zlib.crc32(text, zlib.crc32(b"", number)), text
            db.execute("INSERT INTO waiting (number, crc, lines) VALUES (?, ?, ?)", record)
            number += count
        before = 0
        for number in (1, 21):
            text, reason = b"\n".join(lines(900 + number, 920 + number)), b"why"
            record = number, zlib.crc32(text, zlib.crc32(reason, number)), text, reason, 7, before
            db.execute("INSERT INTO rejected VALUES (?, ?, ?, ?, ?, ?)", record)
            before += len(text) + len(reason)
        if in_wal:
            disk.copy_as_after_a_power_cut(path.parent, path.parent.with_name("killed"))


@pytest.mark.parametrize("in_wal", [False, True], ids=["closed", "killed"])
def test_a_file_of_format_1_is_migrated(tmp_path: Path, in_wal: bool) -> None:
    """Its rows stay as they are, and rows of format 2 follow them."""
    path = tmp_path / "state" / "spool.sqlite"
    format_1(path, in_wal=in_wal)
    state = tmp_path / "killed" if in_wal else path.parent
    with pytest.raises(DiskError, match="before the next start"):
        DiskReader(state)
    queue = queue_in(state)
    queue.open()
    assert (len(queue), queue.rejected_count) == (700, 40)
    queue.append(lines(700, 709))
    with closing(DiskReader(state)) as reader:
        assert [*reader.lines()] == lines(0, 709)
        rejected = [(each.line, each.reason, each.time_ns) for each in reader.rejected()]
    assert rejected == [(each, "why", 7) for each in lines(901, 941)]
    queue.close()
    with closing(sqlite3.connect(state / "spool.sqlite")) as db:
        tables = db.execute("SELECT sql FROM sqlite_schema ORDER BY rowid").fetchall()
        assert tables == [(each,) for each in disk_format.TABLES]
        kinds = db.execute("SELECT substr(packed, 1, 3) FROM waiting ORDER BY number").fetchall()
        assert kinds == [(b"dc ",)] * 6 + [(b"\2\0\x09",)]
    again = queue_in(state)
    assert again.retry_rejected() == 40
    assert all_of(again) == [*lines(0, 709), *lines(901, 941)]


def test_a_damaged_file_of_format_1_is_recovered_into_one_of_format_2(tmp_path: Path) -> None:
    """A row is recognised by its checksum, its form by its first byte."""
    path = tmp_path / "spool.sqlite"
    format_1(path)
    place = path.read_bytes().index(b" 650\n")
    disk.change(path, place, b"x")
    queue = queue_in(tmp_path)
    with pytest.raises(DiskError, match="618 of its values stay queued, 82 are lost"):
        queue.next_batch(1000)
        queue.next_batch(1000)
    assert all_of(queue) == [*lines(0, 600), *lines(682, 700)]
    assert queue.rejected_count == 40
    assert path.stat().st_size == 3 * 4096


def test_a_number_that_does_not_fit_the_tables_is_damage(path: Path) -> None:
    """A migration without anything to change leaves all as it was."""
    made(path, *disk_format.TABLES, "PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        disk_format.connect(path, 0.0)
    assert path.read_bytes() == before


def test_found_the_first_version_sets_a_file_of_format_2_aside(path: Path) -> None:
    """It checks the number, and that the header has none of its own tables."""
    format_1(path)
    disk_format.connect(path, 0.0).close()
    with closing(sqlite3.connect(path)) as db:
        assert disk_format.version_of(db) == 2
        tables = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema")}
    assert not tables & {*FORMAT_1}


def test_a_failed_migration_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is undone, reported, and tried again."""
    path = tmp_path / "spool.sqlite"
    old = sqlite3.connect(path)
    old.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT)")
    old.close()
    before = path.read_bytes()

    def fail(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE line")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(disk_format.MIGRATIONS, 0, fail)
    queue = queue_in(tmp_path)
    for _ in range(2):
        with pytest.raises(DiskError, match="No space left") as caught:
            queue.open()
        assert caught.value.fault is DiskFault.FULL
    assert path.read_bytes() == before


def test_a_file_of_a_newer_format_is_set_aside_untouched(tmp_path: Path) -> None:
    """It is kept byte for byte, reported once, and work continues."""
    path = tmp_path / "spool.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("CREATE TABLE future (a)")
    newer.execute("PRAGMA user_version = 7")
    newer.close()
    content = path.read_bytes()
    with pytest.raises(DiskError, match="format 7"):
        DiskReader(tmp_path)
    queue = queue_in(tmp_path)
    with pytest.raises(DiskError, match="has format 7 of a later") as caught:
        queue.append(lines(0, 3))
    assert caught.value.fault is DiskFault.NEWER
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("spool.format-7-")
    assert aside.name in str(caught.value)
    queue.append(lines(0, 3))
    assert all_of(queue) == lines(0, 3)
    assert aside.read_bytes() == content


# Files


def test_a_database_has_companions_by_its_name(path: Path) -> None:
    """Sizes include them, they are removed with the file, and other files are not."""
    path.parent.mkdir(parents=True)
    assert disk_format.total_size(path) == 0
    disk_format.remove(path)
    names = ("spool.sqlite", "spool.sqlite-wal", "spool.sqlite-journal", "spool.sqlite-shm")
    for size, name in enumerate((*names, "spool.salvage", "spool.sqlite-x"), 1):
        (path.parent / name).write_bytes(b"x" * 10**size)
    assert disk_format.companion(path, "-wal") == path.parent / "spool.sqlite-wal"
    assert disk_format.total_size(path) == 11_110
    path.unlink()
    assert disk_format.total_size(path) == 11_100
    disk_format.remove(path)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "spool.salvage",
        "spool.sqlite-x",
    ]

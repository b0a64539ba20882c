"""The disk queue with a damaged file: messages, recovered lines, and counts."""

from __future__ import annotations

import os
import random
import re
import sqlite3
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from bat2influx.delivery import disk_pages
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_format import ROOTS
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.disk_rows import unpack
from tests.support import disk
from tests.support.spool_rows import children, rejected_in, store_text
from tests.unit.delivery.test_disk_queue import (
    all_of,
    batch_of,
    fault_of,
    lines,
    queue_in,
    reject,
)


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store rows as text, as in format 1, so that damage can be done to visible data."""
    store_text(monkeypatch)


def _garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(50_000))


def _text(path: Path) -> None:
    path.write_text("this is no database\n" * 100)


def _short_header(path: Path) -> None:
    os.truncate(path, 50)


def _magic(path: Path) -> None:
    disk.change(path, 0, b"SQLite format 9\0")


def _half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _not_whole_pages(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def _tables(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DROP TABLE rejected")
    db.close()


def _row_is_missing(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DELETE FROM waiting WHERE number = 1801")
    db.commit()
    db.close()


def _page(path: Path) -> None:
    middle = path.stat().st_size // 2 // 4096 * 4096
    disk.change(path, middle, random.Random(1).randbytes(4096))


def _pages(path: Path) -> None:
    for page in range(8, path.stat().st_size // 4096, 9):
        disk.change(path, page * 4096, bytes(4096))


def _text_of_a_line(path: Path) -> None:
    disk.change(path, path.read_bytes().index(b" 1900\n"), b" 1800\n")


def _root(path: Path) -> None:
    db = sqlite3.connect(path)
    (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'waiting'").fetchone()
    db.close()
    disk.change(path, (root - 1) * 4096, bytes(4096))


@pytest.mark.parametrize(
    ("harm", "saved"),
    [
        (_garbage, 0),
        (_text, 0),
        (_short_header, 0),
        (_magic, 0),
        (_half, 1000),
        (_not_whole_pages, 2500),
        (_tables, 4000),
        (_row_is_missing, 3990),
        (_page, 3500),
        (_pages, 2500),
        (_text_of_a_line, 3990),
        (_root, 0),
    ],
)
def test_a_damaged_file_is_set_aside(
    tmp_path: Path, harm: Callable[[Path], None], saved: int
) -> None:
    """It is reported once with its new name, readable lines stay queued, and work continues."""
    path = tmp_path / "spool.sqlite"
    queue = queue_in(tmp_path)
    for number in range(0, 4000, 10):
        queue.append(lines(number, number + 10, 40))
    queue.close()
    harm(path)
    content = path.read_bytes()
    queue = queue_in(tmp_path)
    told, drained = _drain(queue)
    (aside,) = tmp_path.glob("spool.damaged-*")
    assert (told.fault, aside.name in str(told)) == (DiskFault.DAMAGED, True)
    assert saved <= len(set(drained))
    assert set(drained) <= set(lines(0, 4000, 40))
    if harm in {_garbage, _text, _magic, _short_header}:
        assert aside.read_bytes() == content
    queue.append(lines(0, 3))
    assert all_of(queue) == lines(0, 3)


def _drain(queue: DiskQueue) -> tuple[DiskError, list[bytes]]:
    """Remove all lines; return the one error, and the lines."""
    errors: list[DiskError] = []
    drained: list[bytes] = []
    while not errors or len(queue):
        try:
            batch = batch_of(queue, 700)
            queue.settle(batch, [], [])
            drained += batch.lines
        except DiskError as error:
            errors.append(error)
    (told,) = errors
    return told, drained


@pytest.mark.parametrize("max_lines", [30, 300])
def test_a_page_over_another_one_costs_its_rows_alone(tmp_path: Path, max_lines: int) -> None:
    """A row is in two places then, and so are its overflow pages."""
    path = tmp_path / "spool.sqlite"
    queue = queue_in(tmp_path)
    for number in range(0, 800, 40):
        queue.append(lines(number, number + 40, 150 if number % 80 else 60))
    queue.close()
    content = path.read_bytes()
    leaves = children(content, ROOTS["waiting"])
    every, fresh = {*lines_in(content)}, {*lines(5000, 5020)}
    assert len(leaves) > 5
    for source, target in permutations(leaves[:3] + leaves[-3:], 2):
        path.write_bytes(content)
        disk.change(path, (target - 1) * SIZE, content[(source - 1) * SIZE : source * SIZE])
        drained = _used(queue_in(tmp_path), max_lines)
        due = {*lines_in(content, but=target)} | fresh
        assert due <= drained <= every | fresh, (source, target)
        for each in tmp_path.glob("spool.*"):
            each.unlink()


def _used(queue: DiskQueue, max_lines: int) -> set[bytes]:
    """Append, send a batch, append again, and send the rest; return what was sent.

    There is one error, after which the failed call is made again.
    """
    errors: list[DiskError] = []
    sent: set[bytes] = set()

    def done(call: Callable[[], object]) -> None:
        try:
            call()
        except DiskError as error:
            errors.append(error)
            call()

    def send() -> None:
        if batch := queue.next_batch(max_lines):
            queue.settle(batch, [], [])
            sent.update(batch.lines)

    done(lambda: queue.append(lines(5000, 5010)))
    done(send)
    done(lambda: queue.append(lines(5010, 5020)))
    while len(queue):
        done(send)
    queue.close()
    assert [error.fault for error in errors] == [DiskFault.DAMAGED]
    return sent


def lines_in(content: bytes, but: int = 0) -> list[bytes]:
    """Return the lines of the rows in a file's leaves, without those of one leaf."""

    def read(number: int) -> bytes:
        return content[(number - 1) * SIZE : number * SIZE]

    return [
        line
        for leaf in children(content, ROOTS["waiting"])
        if leaf != but
        for each in disk_pages.records(read(leaf), read)
        for line in unpack((each.number, *each.columns[1:3], b"", 0)).lines
    ]


def test_lines_lost_with_a_damaged_file_are_counted(tmp_path: Path) -> None:
    """Unreadable lines count as dropped; rejected ones are recovered with their reasons."""
    queue = queue_in(tmp_path)
    for number in range(0, 4000, 10):
        queue.append(lines(number, number + 10, 40))
    reject(queue, 10, "a reason")
    queue.close()
    _pages(tmp_path / "spool.sqlite")
    queue.open()
    told, drained = _drain(queue)
    found = re.search(r"(\d+) of its values stay queued, (\d+) are lost", str(told))
    assert found
    assert int(found[2]) == queue.dropped == 3990 - len(drained) > 0
    assert {each.reason for each in rejected_in(queue, 100)} <= {"a reason"}


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    """A power cut during the creation of a file is no damage."""
    (tmp_path / "spool.sqlite").touch()
    queue = queue_in(tmp_path)
    queue.open()
    queue.append(lines(0, 3))
    assert all_of(queue) == lines(0, 3)
    assert not list(tmp_path.glob("spool.damaged-*"))


def test_a_batch_of_a_replaced_file_settles_nothing(tmp_path: Path) -> None:
    """Numbers of the damaged file are not valid in the new one: its lines are sent again."""
    queue = queue_in(tmp_path)
    for number in range(0, 4000, 10):
        queue.append(lines(number, number + 10, 40))
    queue.close()
    _page(tmp_path / "spool.sqlite")
    batch = batch_of(queue, 10)
    assert fault_of(lambda: queue.next_batch(4000)).fault is DiskFault.DAMAGED
    waiting = len(queue)
    queue.settle(batch, [], [])
    assert len(queue) == waiting
    assert all_of(queue)[:10] == list(batch.lines)


@disk.on_a_small_disk
def test_a_damaged_file_stays_while_the_disk_is_full(tmp_path: Path) -> None:
    """Nothing is moved; with free space, readable lines are recovered."""
    queue = queue_in(tmp_path)
    for number in range(0, 4000, 10):
        queue.append(lines(number, number + 10, 40))
    queue.close()
    _half(tmp_path / "spool.sqlite")
    disk.fill(tmp_path)
    error = fault_of(queue_in(tmp_path).open)
    assert (error.fault, "cannot be replaced" in str(error)) == (DiskFault.FULL, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ballast", "spool.sqlite"]
    disk.empty(tmp_path)
    queue = queue_in(tmp_path)
    assert fault_of(queue.open).fault is DiskFault.DAMAGED
    assert 500 < len(queue) == len(all_of(queue))


def test_missing_rows_at_the_end_are_damage(tmp_path: Path) -> None:
    """Otherwise an empty batch would be sent for ever."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 10))
    db = queue._file._db
    assert db
    db.execute("DELETE FROM waiting")
    assert fault_of(lambda: queue.next_batch(5)).fault is DiskFault.DAMAGED
    assert (len(queue), queue.dropped) == (0, 10)


def test_a_line_with_a_newline_is_not_the_files_fault(tmp_path: Path) -> None:
    """The file stays as it is."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 3))
    with pytest.raises(ValueError, match="contains a newline"):
        queue.append([b"a\nb"])
    assert all_of(queue) == lines(0, 3)
    assert not list(tmp_path.glob("spool.damaged-*"))

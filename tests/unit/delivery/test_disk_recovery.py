"""Recovery from a damaged file: which version of a page counts, which rows, and the losses."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bat2influx.delivery import disk_format, disk_recovery, disk_rows
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_recovery import Pages, Rank, RecoveredRows, merged
from bat2influx.delivery.disk_rows import DiskRow
from tests.support import disk
from tests.support.spool_rows import store_text
from tests.unit.delivery.test_disk_queue import batch_of, lines, queue_in, reject

OPEN_FILES = Path("/proc/self/fd")
HEADER, FRAME = 32, 24 + SIZE


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store rows as text, as in format 1, so that damage can be done to visible data."""
    store_text(monkeypatch)


def wreck_of(path: Path) -> tuple[list[int], list[int], int, int]:
    """Return the timestamps of all queued and rejected lines, and how many of each are lost."""
    with closing(Pages(path)) as pages:
        wreck = RecoveredRows(pages)
        for _ in wreck.search():
            pass
        waiting, rejected = (
            [int(line.split()[-1]) for row in table.rows() for line in row.lines]
            for table in (wreck.queued, wreck.rejected)
        )
        return waiting, rejected, wreck.queued.lost, wreck.rejected.lost


@contextmanager
def scanned(path: Path) -> Iterator[Pages]:
    """Return the pages with known versions."""
    with closing(Pages(path)) as pages:
        for _ in pages.scan():
            pass
        yield pages


def stamps(*parts: tuple[int, int]) -> list[int]:
    """Return the timestamps from each first to each last but one."""
    return [stamp for first, end in parts for stamp in range(first, end)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool of a hundred rows of ten lines with a page between root and leaves, of which some
    were settled, whose pages are free, and some rejected.
    """
    queue = queue_in(tmp_path)
    for number in range(0, 1000, 10):
        queue.append(lines(number, number + 10, 90))
    batch = batch_of(queue, 400)
    queue.settle(batch, [], [])
    reject(queue, 20)
    queue.close()
    return tmp_path / "spool.sqlite"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A spool with all data in the WAL, as after a kill: one row per commit."""
    state = tmp_path / "before"
    queue = queue_in(state)
    for number in range(0, 120, 10):
        queue.append(lines(number, number + 10, 90))
    shutil.copytree(state, tmp_path / "state")
    queue.close()
    return tmp_path / "state/spool.sqlite"


def page_with(path: Path, stamp: int) -> int:
    """Return the number of the page with the queued line of this timestamp."""
    content = path.read_bytes()
    with scanned(path) as pages:
        live = {image for rank, image in pages.images() if rank is Rank.LIVE}
    (found,) = {
        number
        for number in live
        if b" %d\n" % stamp in content[(number - 1) * SIZE : number * SIZE]
    }
    return found


# Files without a WAL


def test_a_good_file_has_all_queued_lines_and_no_others(path: Path) -> None:
    """Settled lines are in free pages, and are not used."""
    assert b" 100\n" in path.read_bytes()
    assert wreck_of(path) == (stamps((420, 1000)), stamps((400, 420)), 0, 0)


def test_a_lost_page_loses_its_own_rows(path: Path) -> None:
    """The numbers around it show how many lines."""
    number = page_with(path, 600)
    disk.change(path, (number - 1) * SIZE, bytes(SIZE))
    waiting, _, lost, _ = wreck_of(path)
    gone = sorted({*range(420, 1000)} - {*waiting})
    assert gone == [*range(gone[0], gone[-1] + 1)]
    assert 600 in gone
    assert waiting == stamps((420, gone[0]), (gone[-1] + 1, 1000))
    assert lost == len(gone) <= 40


def test_pages_between_root_and_leaves_are_not_needed(path: Path) -> None:
    """Nor is the header; without them settled lines are unknown, and all that fits is used."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT rootpage FROM sqlite_schema").fetchall() == [(2,), (3,)]
    disk.change(path, 0, bytes(2 * SIZE))
    waiting, rejected, *_ = wreck_of(path)
    assert {*stamps((420, 1000))} <= {*waiting}
    assert rejected == stamps((400, 420))


@pytest.mark.parametrize("stamp", [420, 990], ids=["oldest", "newest"])
def test_an_altered_row_at_an_end_is_counted(path: Path, stamp: int) -> None:
    """Its number continues the others, and its count of lines is readable."""
    place = path.read_bytes().index(b" %d\n" % (stamp + 5), (page_with(path, stamp) - 1) * SIZE)
    disk.change(path, place, b"x")
    waiting, _, lost, _ = wreck_of(path)
    assert waiting == [each for each in range(420, 1000) if not stamp <= each < stamp + 10]
    assert lost == 10


def test_a_file_with_only_altered_rows_counts_them(tmp_path: Path) -> None:
    """Although there is no row whose numbers they continue."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 3))
    queue.close()
    path = tmp_path / "spool.sqlite"
    disk.change(path, path.read_bytes().index(b"V=1.0 1\n"), b"v")
    assert wreck_of(path) == ([], [], 3, 0)


def test_swapped_pages_are_found(path: Path) -> None:
    """The place of a row does not matter; duplicates are used once."""
    content = path.read_bytes()
    one, two = ((page_with(path, stamp) - 1) * SIZE for stamp in (500, 900))
    disk.change(path, one, content[two : two + SIZE])
    disk.change(path, two, content[one : one + SIZE])
    assert wreck_of(path) == (stamps((420, 1000)), stamps((400, 420)), 0, 0)
    disk.change(path, two, content[two : two + SIZE])
    waiting, _, lost, _ = wreck_of(path)
    assert waiting == sorted({*waiting})
    assert len(waiting) + lost == 580


def test_a_live_page_in_the_free_list_is_read(path: Path) -> None:
    """With the page whose place it has, settled lines may be recovered, too."""
    content = path.read_bytes()
    trunk = (int.from_bytes(content[32:36], "big") - 1) * SIZE
    disk.change(path, trunk + 8, page_with(path, 700).to_bytes(4, "big"))
    waiting = wreck_of(path)[0]
    assert {*stamps((420, 1000))} <= {*waiting}
    assert waiting == sorted({*waiting})


def test_a_live_page_in_the_place_of_a_free_one_is_read(path: Path) -> None:
    """Although it has the oldest queued line: the left edge of the tree does not agree."""
    content = path.read_bytes()
    trunk = (int.from_bytes(content[32:36], "big") - 1) * SIZE
    free = (int.from_bytes(content[trunk + 8 : trunk + 12], "big") - 1) * SIZE
    live = (page_with(path, 425) - 1) * SIZE
    disk.change(path, free, content[live : live + SIZE])
    disk.change(path, live, b"\xff" * SIZE)
    assert {*stamps((420, 1000))} <= {*wreck_of(path)[0]}


def test_an_empty_table_has_no_lines(tmp_path: Path) -> None:
    """Settled lines do not come back."""
    queue = queue_in(tmp_path)
    for number in range(0, 1000, 10):
        queue.append(lines(number, number + 10, 90))
    reject(queue, 3)
    queue.settle(batch_of(queue, 1000), [], [])
    queue._file._linger = 60.0
    queue.close()
    assert wreck_of(tmp_path / "spool.sqlite") == ([], [0, 1, 2], 0, 0)


@pytest.mark.parametrize("length", [0, 1, 99, SIZE, 2 * SIZE + 1])
def test_a_truncated_file_has_its_remaining_lines(path: Path, length: int) -> None:
    """Missing bytes are zeros; a file without a byte has no page."""
    os.truncate(path, length)
    assert wreck_of(path)[0] == []


def test_an_unreadable_sector_counts_as_zeros(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows around it are recovered."""
    bad = (page_with(path, 600) - 1) * SIZE
    pread = os.pread

    def failing(file: int, length: int, at: int) -> bytes:
        if at == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(file, length, at)

    monkeypatch.setattr(disk_recovery.os, "pread", failing)
    waiting, _, lost, _ = wreck_of(path)
    assert len(waiting) + lost == 580
    assert 600 not in waiting


def test_files_are_closed_if_one_cannot_be_opened(path: Path) -> None:
    """As all files are at the end."""
    disk_format.companion(path, "-wal").symlink_to("/proc/self/mem/nowhere")
    open_files = len([*OPEN_FILES.iterdir()])
    with scanned(path) as pages:  # a link to nothing is no WAL
        assert len([*OPEN_FILES.iterdir()]) == open_files + 1
        assert pages.newest(10**6) == bytes(SIZE)
    disk_format.companion(path, "-wal").unlink()
    disk_format.companion(path, "-wal").mkdir()
    assert len([*OPEN_FILES.iterdir()]) == open_files
    wreck_of(path)
    assert len([*OPEN_FILES.iterdir()]) == open_files


# The WAL


def test_the_newest_versions_are_in_the_wal(killed: Path) -> None:
    """The file may be damaged at pages that the WAL has."""
    assert killed.stat().st_size < disk_format.companion(killed, "-wal").stat().st_size
    disk.change(killed, 0, bytes(killed.stat().st_size))
    assert wreck_of(killed) == (stamps((0, 120)), [], 0, 0)


@pytest.mark.parametrize("frame", [2, 5, 9])
def test_a_damaged_frame_does_not_affect_later_ones(killed: Path, frame: int) -> None:
    """Rows of the previous frame of the same page replace its own."""
    wal = disk_format.companion(killed, "-wal")
    disk.change(wal, HEADER + frame * FRAME + 24, bytes(SIZE))
    assert wreck_of(killed) == (stamps((0, 120)), [], 0, 0)


def test_a_frame_with_the_number_of_another_page_hides_none(killed: Path) -> None:
    """Neither the rows of that page, nor those that continue in it."""
    wal = disk_format.companion(killed, "-wal")
    content = wal.read_bytes()
    first = HEADER + 2 * FRAME
    assert content[first + 24] == 13  # a leaf
    disk.change(wal, len(content) - 2 * FRAME, content[first : first + 4])
    assert wreck_of(killed)[0] == stamps((0, 120))


def test_versions_of_a_page_are_ranked(killed: Path) -> None:
    """The newest is live, the one before a damaged one older, and the rest past."""
    with scanned(killed) as pages:
        before = sorted(pages.images(), key=lambda each: each[1])
    assert [rank for rank, _ in before].count(Rank.OLDER) == 0
    wal = disk_format.companion(killed, "-wal")
    numbers = [
        int.from_bytes(wal.read_bytes()[at : at + 4], "big")
        for at in range(HEADER, wal.stat().st_size, FRAME)
    ]
    second = max(at for at in range(len(numbers) - 3) if numbers[at] in numbers[:at])
    assert numbers[second] not in numbers[second + 1 : second + 1]
    disk.change(wal, HEADER + second * FRAME + 100, b"\xff")
    with scanned(killed) as pages:
        ranks = {image: rank for rank, image in pages.images()}
        assert len(pages.readers) == 2
    last = max(at for at in range(len(numbers)) if numbers[at] == numbers[second])
    older = [rank for rank in ranks.values() if rank is Rank.OLDER]
    assert len(older) == (1 if last == second else 0)


# Which rows are taken


def rows(*given: tuple[int, int, str]) -> tuple[list[int], list[int], Callable[[int], DiskRow]]:
    """Return keys, live and spare, and what loads their rows: number, end, and text.

    A text in capitals is that of a spare row; one with ! cannot be read a second time.
    """
    made = {}
    live, spare = [], []
    for at, (number, end, text) in enumerate(given):
        key = number << 64 | at
        made[key] = DiskRow(number, [text.encode()] * (end - number), b"", 0)
        (spare if text.isupper() else live).append(key)

    def load(key: int) -> DiskRow:
        if b"!" in made[key].lines[0]:
            raise DamagedError("gone")
        return made[key]

    return sorted(live), sorted(spare), load


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([], ""),
        ([(1, 5, "a"), (5, 9, "b")], "ab"),
        ([(5, 9, "b"), (1, 5, "a")], "ab"),
        ([(1, 5, "a"), (1, 5, "a"), (5, 9, "b")], "ab"),
        ([(1, 5, "a"), (1, 5, "b"), (1, 5, "a")], "ab"),  # two that say they are the same: both
        ([(1, 5, "a"), (3, 9, "b")], "ab"),
        ([(1, 5, "a"), (5, 9, "B"), (9, 12, "c")], "aBc"),
        ([(1, 5, "a"), (5, 7, "B"), (7, 9, "C"), (9, 12, "d")], "aBCd"),
        ([(1, 5, "a"), (5, 10, "B"), (9, 12, "c")], "aBc"),
        ([(1, 5, "a"), (4, 9, "B"), (9, 12, "c")], "aBc"),
        ([(5, 9, "a"), (1, 12, "B"), (9, 12, "c")], "Bac"),
        ([(1, 5, "a"), (1, 12, "B"), (9, 12, "c")], "aBc"),
        ([(5, 9, "a"), (1, 12, "B")], "BaB"),
        ([(1, 5, "a"), (1, 5, "B"), (9, 12, "c")], "ac"),
        ([(1, 5, "a"), (5, 9, "B"), (5, 9, "C"), (9, 12, "d")], "aBd"),
        ([(5, 9, "a"), (1, 5, "B")], "Ba"),
        ([(1, 5, "a"), (5, 9, "B")], "aB"),
        ([(1, 5, "a"), (7, 9, "B")], "aB"),
        ([(1, 5, "A"), (5, 9, "B")], "AB"),
        ([(1, 5, "a"), (5, 9, "b!"), (9, 12, "c")], "ac"),
        ([(1, 5, "a"), (5, 9, "B!"), (5, 9, "C"), (9, 12, "d")], "aCd"),
    ],
)
def test_all_live_rows_are_used_and_fitting_others(
    given: list[tuple[int, int, str]], taken: str
) -> None:
    """In the order of their numbers; duplicates once."""
    found: Iterator[DiskRow] = merged(*rows(*given))
    assert "".join(row.lines[0].decode() for row in found) == taken


def test_a_row_moved_to_another_version_is_not_used_twice(path: Path) -> None:
    """Numbers and lines are compared, not places."""
    content = path.read_bytes()
    page = page_with(path, 800)
    with path.open("ab") as file:
        file.write(content[(page - 1) * SIZE : page * SIZE])
    assert wreck_of(path)[0] == stamps((420, 1000))


def test_two_rows_with_one_number_are_both_recovered(tmp_path: Path) -> None:
    """A damaged tree may have caused a number to be used twice."""
    path = tmp_path / "spool.sqlite"
    disk_format.create(path).close()
    contents = []
    for first in (0, 50):
        shutil.copy(path, made := tmp_path / f"{first}")
        with closing(sqlite3.connect(made, isolation_level=None)) as db:
            disk_rows.insert(db, 1, lines(first, first + 5))
        contents.append(made.read_bytes())
    path.write_bytes(contents[0] + contents[1][SIZE : 2 * SIZE])
    assert sorted(wreck_of(path)[0]) == stamps((0, 5), (50, 55))


def test_found_a_live_row_hid_the_merged_one_that_had_its_lines() -> None:
    """From a row that is not live, the lines with missing numbers are used, and no others."""
    made = {key: DiskRow(key >> 64, [], b"", 0) for key in (4 << 64, 1 << 64 | 1, 2 << 64 | 2)}
    made = {
        key: row._replace(lines=[b"%d" % n for n in range(row.number, end)])
        for (key, row), end in zip(made.items(), (6, 9, 3), strict=True)
    }
    found = merged([4 << 64], [1 << 64 | 1, 2 << 64 | 2], made.__getitem__)
    assert [(row.number, row.lines) for row in found] == [
        (1, [b"1", b"2", b"3"]),
        (4, [b"4", b"5"]),
        (6, [b"6", b"7", b"8"]),
    ]

"""The WAL read without SQLite: good, torn and damaged ones, and the losses of each."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_wal
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_wal import Frame, Frames, Wal, read_wal

HEADER, HEAD = 32, 24
FRAME = HEAD + SIZE
COMMITS = 6


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A WAL of SQLite with six commits of two frames or more."""
    path = tmp_path_factory.mktemp("wal") / "a.sqlite"
    return made(path, COMMITS)


def made(path: Path, commits: int) -> bytes:
    """Return the WAL of a database with so many commits."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE a (b)")
        for _ in range(commits - 1):
            db.execute("INSERT INTO a VALUES (zeroblob(9000))")
        return path.with_name("a.sqlite-wal").read_bytes()


def of(content: bytes) -> Wal:
    """Return the content of a WAL."""
    steps = read_wal(lambda at, length: content[at : at + length])
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            assert isinstance(found, Wal)
            return found


def frames(wal: Wal) -> tuple[int, int, int, bool]:
    """Return the numbers of all, committed and used frames; and whether commits are lost."""
    return len(wal.frames), wal.committed, wal.taken, wal.lost


def commits(log: bytes) -> list[int]:
    """Return the indexes of the frames that end commits."""
    heads = (log[at : at + HEAD] for at in range(HEADER, len(log), FRAME))
    return [index for index, head in enumerate(heads) if head[4:8] != bytes(4)]


def changed(log: bytes, at: int, by: int = 1) -> bytes:
    """Return a WAL with one other byte."""
    return log[:at] + bytes([log[at] ^ by]) + log[at + 1 :]


def page_of(index: int) -> int:
    """Return the offset of a frame's page."""
    return HEADER + index * FRAME + HEAD


def test_all_frames_of_a_good_log_are_used(log: bytes) -> None:
    """Each with its page, its offset, and the file's size if it ends a commit."""
    wal = of(log)
    count = (len(log) - HEADER) // FRAME
    assert frames(wal) == (count, count, count, False)
    assert wal.usable == count
    assert all(frame.good for frame in wal.frames)
    assert [index for index, frame in enumerate(wal.frames) if frame.size] == commits(log)
    assert len(commits(log)) == COMMITS
    assert [frame.offset for frame in wal.frames] == [page_of(index) for index in range(count)]
    assert wal.frames[0].number == 1
    assert log[wal.frames[0].offset :].startswith(b"SQLite format 3\0")


@pytest.mark.parametrize("length", [0, 1, HEADER - 1, HEADER, HEADER + 1, HEADER + FRAME - 1])
def test_a_log_without_a_complete_frame_has_none(log: bytes, length: int) -> None:
    """Such as one that was just begun."""
    wal = of(log[:length])
    assert (wal.committed, wal.taken, wal.lost, wal.usable) == (0, 0, False, 0)


def torn(log: bytes) -> Iterator[bytes]:
    """Yield logs whose last commit is incomplete on disk, in any order."""
    before, last = commits(log)[-2:]
    for index in range(before + 1, last + 1):
        start = HEADER + index * FRAME
        yield log[:start] + bytes(FRAME) + log[start + FRAME :]
        yield log[: start + 2000] + bytes(len(log) - start - 2000)
        yield log[: start + 2000]


def test_a_torn_end_is_no_loss(log: bytes) -> None:
    """A commit without acknowledgement is lost; those before it are not, whatever follows."""
    for content in torn(log):
        wal = of(content)
        assert (wal.taken, wal.lost) == (commits(log)[-2] + 1, False)
        assert wal.usable == wal.taken


@pytest.mark.parametrize("commit", range(COMMITS - 2))
def test_damage_before_the_last_commits_is_a_loss(log: bytes, commit: int) -> None:
    """The later commits are good, and SQLite would not use them."""
    ends = commits(log)
    wal = of(changed(log, page_of(ends[commit]) + 100))
    assert (wal.taken, wal.lost) == (ends[commit - 1] + 1 if commit else 0, True)
    assert [index for index, frame in enumerate(wal.frames) if not frame.good] == [ends[commit]]
    assert wal.usable == len(wal.frames) == wal.committed


def test_damage_in_a_stored_checksum_spoils_two_frames(log: bytes) -> None:
    """Its own, and the next, which continues it."""
    wal = of(changed(log, page_of(2) - 1))
    assert [index for index, frame in enumerate(wal.frames) if not frame.good] == [2, 3]
    assert wal.lost


@pytest.mark.parametrize("at", range(HEADER))
def test_a_log_with_a_damaged_header_is_read_by_its_frames(log: bytes, at: int) -> None:
    """SQLite uses none of them, whichever byte it is."""
    wal = of(changed(log, at))
    assert (wal.taken, wal.lost) == (0, True)
    assert wal.committed == len(of(log).frames)
    first = at >= 24  # the checksum that the first frame continues
    good = [frame.good for frame in wal.frames]
    assert good == [not first, *[True] * (len(good) - 1)]


def test_a_restarted_log_ends_at_frames_of_the_old_one(tmp_path: Path) -> None:
    """Old frames have another salt, and are in the file already."""
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE a (b)")
        for _ in range(9):
            db.execute("INSERT INTO a VALUES (zeroblob(5000))")
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        db.execute("INSERT INTO a VALUES (1)")
        log = path.with_name("a.sqlite-wal").read_bytes()
    wal = of(log)
    assert 0 < wal.taken == wal.committed < 4 < len(wal.frames)
    assert not wal.lost
    assert wal.usable == wal.taken


def test_a_big_endian_log_is_read_too(log: bytes) -> None:
    """Its checksums are of big-endian words, as from such a machine."""
    from struct import pack

    from bat2influx.delivery.disk_wal import _checksum

    head = b"\x37\x7f\x06\x83" + log[4:24]
    both = _checksum(">", (0, 0), head)
    made = head + pack(">2I", *both)
    for frame in of(log).frames:
        page = log[frame.offset : frame.offset + SIZE]
        start = log[frame.offset - HEAD : frame.offset - 8]
        both = _checksum(">", both, start[:8] + page)
        made += start + pack(">2I", *both) + page
    assert (frames(of(made)), [*of(made).frames]) == (frames(of(log)), [*of(log).frames])
    assert of(changed(made, 5)).committed == of(log).committed


def test_a_log_with_another_page_size_is_ignored(log: bytes) -> None:
    """SQLite handles it."""
    from struct import pack

    from bat2influx.delivery.disk_wal import _checksum

    head = log[:8] + pack(">I", 8192) + log[12:24]
    wal = of(head + pack(">2I", *_checksum("<", (0, 0), head)) + log[HEADER:])
    assert frames(wal) == (0, 0, 0, False)


def test_zeros_are_no_log(log: bytes) -> None:
    """Although zeros have the checksum of zeros; later frames are found."""
    wal = of(bytes(50_000))
    assert (wal.committed, wal.taken, wal.usable) == (0, 0, 0)
    wal = of(bytes(HEADER + 2 * FRAME) + log[HEADER + 2 * FRAME :])
    assert [frame.good for frame in [*wal.frames][:4]] == [False, False, False, True]
    assert wal.lost


def test_found_a_large_log_was_read_in_one_piece(log: bytes) -> None:
    """It is read frame by frame, whatever its header is, and each frame is a step."""
    for content in (log, changed(log, 0)):
        reads: list[int] = []

        def read(at: int, length: int, content: bytes = content, reads: list[int] = reads) -> bytes:
            reads.append(length)
            return content[at : at + length]

        steps = read_wal(read)
        for _ in steps:
            assert len(reads) <= 5
            reads.clear()
        assert max(reads, default=0) <= SIZE


def test_a_very_large_log_is_read_up_to_a_bound(
    log: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite handles the rest."""
    end = commits(log)[2] + 1
    monkeypatch.setattr(disk_wal, "MAX_FRAMES", end)
    wal = of(log)
    assert (frames(wal), wal.truncated) == ((end, end, end, False), True)
    assert not of(log[: HEADER + end * FRAME]).truncated
    assert frames(of(bytes(HEADER) + log[HEADER:])) == (end, end, 0, True)
    assert frames(of(bytes(HEADER + end * FRAME) + log[HEADER + end * FRAME :]))[0] == 0


def test_a_frame_takes_little_memory() -> None:
    """A log of a gigabyte has a quarter of a million."""
    made = Frames()
    tracemalloc.start()
    try:
        for number in range(100_000):
            made.add(number, number % 3, good=number % 2 == 0)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size < 12 * 100_000
    assert made[70_001] == Frame(70_001, page_of(70_001), 2, good=False)

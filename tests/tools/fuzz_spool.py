"""Fuzzes damaged spools: nothing raises or hangs, and each readable row is saved.

    /usr/bin/python3 -m tests.tools.fuzz_spool [--files 20000] [--seed N] [--format 1]

Each file is an intact one with one to three kinds of damage: bits flipped, bytes overwritten, pages
zeroed, swapped or copied over others, a cut, in the file and in its WAL, with an index of the WAL
that is intact, damaged or missing. It is read as by `bat2influx spool`, and then opened, appended
to and emptied as by the keeper.

The rows that have to be saved are determined without trees and checksums: a row is in the pages,
and frames, that contain its bytes, and its lines are due if none of these has changed. After a
change in the WAL this applies only if a later commit proves it (disk_wal.py).

With `--format 1` the files are like those of the first version of the daemon.

Prints one line, or the details of a fault, and then exits 1. The same seed makes the same files.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bat2influx.delivery import disk_merge
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.delivery.disk_rows import QUEUED, REJECTED, unpack
from bat2influx.influx.outcome import RejectedLine
from tests.support.spool_rows import padding, rejected_in, store_text

PAGE, WAL_HEADER, FRAME_HEADER = 4096, 32, 24  # bytes
FRAME = FRAME_HEADER + PAGE
FILE, WAL, SHM = "spool.sqlite", "spool.sqlite-wal", "spool.sqlite-shm"
ENOUGH = 48  # bytes of a row that identify it
LONGEST = 10.0  # s of CPU time for all steps with a file: others may use the machine too
MOST_FAULTS = 8  # reported by the queue for one file
NEVER = 10**9  # more rows than there are
EXPECTED = {DiskFault.DAMAGED, DiskFault.SALVAGING}

Files = dict[str, bytes]
Homes = dict[bytes, frozenset[tuple[str, int]]]  # of a line: files and numbers of pages or frames


class FaultError(AssertionError):
    """A fault; the text has the seed and the index to make it again."""


@dataclass(frozen=True, slots=True)
class Good:
    """An intact spool: its files, and the places of its queued and rejected lines."""

    name: str
    files: Files
    waiting: Homes
    rejected: Homes


def line(number: int, length: int = 0) -> bytes:
    """Return a line like the daemon's, different for each number."""
    return b"dc,site=a Voltage=%d.25%s %d" % (
        number % 60,
        padding(number, length),
        17 * 10**17 + number,
    )


def small_rows(queue: DiskQueue) -> None:
    """Rows with nine values of a second; the oldest were settled, and some rejected."""
    for second in range(260):  # of which 200 are merged
        queue.append([line(9 * second + field) for field in range(9)])
        if second in {30, 40, 85}:
            batch = queue.next_batch(400 if second == 85 else 135)
            assert batch
            reason = "partial write" if second == 30 else "é: field type conflict"
            count = 0 if second == 85 else 60
            queue.settle(batch, [], [RejectedLine(each, reason) for each in batch.lines[:count]])


def large_rows(queue: DiskQueue) -> None:
    """Rows that are mostly in overflow pages."""
    for block in range(14):
        queue.append([line(1000 * block + at, 30) for at in range(37 * block % 230 + 20)])
        if block == 6:
            batch = queue.next_batch(300)
            assert batch
            queue.settle(batch, batch.lines[250:], [])
    batch = queue.next_batch(100)
    assert batch
    queue.settle(batch, [], [RejectedLine(each, "bad") for each in batch.lines])


def few_rows(queue: DiskQueue) -> None:
    """So few that each table is one page."""
    for second in range(4):
        queue.append([line(9 * second + field) for field in range(9)])


def deep_rows(queue: DiskQueue) -> None:
    """So many pages that the tree has two levels above the leaf pages."""
    for row in range(520):
        queue.append([line(100 * row + at, 30) for at in range(65)])


@contextmanager
def written_as(fill: Callable[[DiskQueue], None], version: int) -> Iterator[None]:
    """Write rows as text for format 1, and merge only those of seconds."""
    with pytest.MonkeyPatch.context() as patch:
        if version == 1:
            store_text(patch)
        elif fill is not small_rows:
            patch.setattr(disk_merge, "LARGE", 0)
        yield


def take_back(db: sqlite3.Connection) -> None:
    """Turn a file of format 2 with text rows into one of format 1."""
    db.execute("BEGIN")
    for table in ("waiting", "rejected"):
        db.execute(f"ALTER TABLE {table} RENAME COLUMN packed TO lines")
    db.execute("PRAGMA user_version = 1")
    db.execute("COMMIT")


def good_spools(top: Path, *, deep: bool = True, version: int = 2) -> Iterator[Good]:
    """Make the intact files: closed, or as a kill leaves them; with a short or often emptied WAL.

    They are of the format `version`.
    """
    for fill in (small_rows, large_rows, few_rows, deep_rows):
        for closed, size in ((True, 10**7), (False, 10**7), (False, 600_000)):
            if fill is deep_rows and (not closed or not deep):
                continue
            state = top / f"{fill.__name__}-{'closed' if closed else 'killed'}-{size}"
            queue = DiskQueue(state, size)
            with written_as(fill, version):
                fill(queue)
            db = queue._file._db
            assert db
            waiting, rejected = (
                [(row[2], unpack(row).lines) for row in db.execute(f"{what} ORDER BY number")]
                for what in (QUEUED, REJECTED)
            )
            if version == 1:
                take_back(db)
            if closed:
                queue._file._exit_wal_mode(db)
            files = {each.name: each.read_bytes() for each in state.iterdir()}
            db.close()
            yield Good(state.name, files, homes(files, waiting), homes(files, rejected))


def frames(wal: bytes) -> int:
    """Return how many frames a WAL has in sequence."""
    salt, count = wal[16:24], 0
    while wal[WAL_HEADER + count * FRAME + 8 :][:8] == salt != b"":
        count += 1
    return count


def page_of(wal: bytes, frame: int) -> int:
    """Return the number of the page in a frame."""
    return int.from_bytes(head(wal, frame)[:4], "big")


def is_commit(wal: bytes, frame: int) -> bool:
    """Return whether a frame is the last of a commit."""
    return head(wal, frame)[4:8] != bytes(4)


def head(wal: bytes, frame: int) -> bytes:
    """Return the header of a frame; that of all if the number is -1."""
    at = WAL_HEADER + frame * FRAME
    return wal[at : at + FRAME_HEADER] if frame >= 0 else wal[:WAL_HEADER]


def content(wal: bytes, frame: int) -> bytes:
    """Return the page in a frame."""
    at = WAL_HEADER + frame * FRAME + FRAME_HEADER
    return wal[at : at + PAGE]


def homes(files: Files, rows: Iterable[tuple[bytes, Sequence[bytes]]]) -> Homes:
    """Return the places of rows: all newest pages with their bytes, or some of these."""
    file, wal = files[FILE], files.get(WAL, b"")
    newest = {page_of(wal, frame): frame for frame in range(frames(wal))}
    pages = {
        (FILE, number): file[(number - 1) * PAGE : number * PAGE]
        for number in range(1, len(file) // PAGE + 1)
        if number not in newest
    }
    pages |= {(WAL, frame): content(wal, frame) for frame in newest.values()}
    found: Homes = {}
    for stored, lines in rows:
        where = {at for at, page in pages.items() if stored[:ENOUGH] in page}
        if len(stored) > PAGE - 100:
            where.update(at for at, page in pages.items() if goes_on(stored, page))
        assert where
        found.update(dict.fromkeys(lines, frozenset(where)))
    return found


def goes_on(stored: bytes, page: bytes) -> bool:
    """Return whether a row may continue in an overflow page; the last one may have few bytes."""
    if page[4 : 4 + ENOUGH] in stored:
        return True
    last = page[:4] == bytes(4)
    return last and any(page[4:].startswith(stored[-n:]) for n in range(1, ENOUGH))


# Damage


def flip(data: bytearray, chance: random.Random) -> None:
    """Flip a bit, or a few; often where it matters most: in the headers of pages and frames."""
    for _ in range(chance.choice((1, 1, 1, 2, 16))):
        at = chance.randrange(len(data))
        if chance.random() < 0.4:
            at = min(at // PAGE * PAGE + chance.randrange(24), len(data) - 1)
        if chance.random() < 0.1:
            at = chance.randrange(min(len(data), 100))
        data[at] ^= 1 << chance.randrange(8)


def overwrite(data: bytearray, chance: random.Random) -> None:
    """Overwrite a sector."""
    at = chance.randrange(-(-len(data) // 512)) * 512
    length = min(512, len(data) - at)
    data[at : at + length] = chance.choice((bytes(length), chance.randbytes(length)))


def zero(data: bytearray, chance: random.Random) -> None:
    """Fill a page with zeros, or with ones."""
    at = chance.randrange(-(-len(data) // PAGE)) * PAGE
    data[at : at + PAGE] = chance.choice((b"\0", b"\xff")) * len(data[at : at + PAGE])


def swap(data: bytearray, chance: random.Random) -> None:
    """Swap two pages, or two frames."""
    one, two = _two(data, chance)
    data[one], data[two] = data[two], data[one]


def copy(data: bytearray, chance: random.Random) -> None:
    """Copy a page over another."""
    one, two = _two(data, chance)
    data[one] = data[two]


def cut(data: bytearray, chance: random.Random) -> None:
    """Cut off the end."""
    end = chance.randrange(len(data))
    del data[chance.choice((end, end // PAGE * PAGE)) :]


def _two(data: bytearray, chance: random.Random) -> tuple[slice, slice]:
    wal = data[:3] == b"\x37\x7f\x06"
    begin, size = (WAL_HEADER, FRAME) if wal else (0, PAGE)
    count = max(1, (len(data) - begin) // size)
    starts = (begin + chance.randrange(count) * size for _ in range(2))
    one, two = (slice(start, start + size) for start in starts)
    return one, two


KINDS: Sequence[Callable[[bytearray, random.Random], None]] = (
    flip,
    flip,
    flip,
    overwrite,
    zero,
    swap,
    copy,
    cut,
)


def damaged(good: Good, chance: random.Random) -> tuple[Files, str]:
    """Return damaged files, and the kinds of damage."""
    files = {name: bytearray(content) for name, content in good.files.items()}
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        name = chance.choice([each for each in (FILE, WAL) if files.get(each)])
        kind = chance.choice(KINDS)
        kind(files[name], chance)
        done.append(f"{kind.__name__} {name}")
        if not files[FILE]:
            break
    if SHM in files:
        match chance.randrange(3):
            case 0:
                del files[SHM]
            case 1:
                overwrite(files[SHM], chance)
    return {name: bytes(content) for name, content in files.items()}, ", ".join(done)


def intact(good: Good, bad: Files) -> Callable[[tuple[str, int]], bool]:
    """Return whether a page, or a frame, has to be readable in the damaged files."""
    file, wal = good.files[FILE], good.files.get(WAL, b"")
    got, got_wal = bad[FILE], bad.get(WAL, b"")
    count = frames(wal)
    heads = [head(wal, each) == head(got_wal, each) for each in range(-1, count)]  # one further on
    same = [heads[n + 1] and content(wal, n) == content(got_wal, n) for n in range(count)]
    sound = [same[n] and heads[n] for n in range(count)]  # the chain of checksums is intact
    broken = next((n for n in range(count) if not sound[n]), count)
    if not heads[0]:
        broken = 0
    commits = [n for n in range(count) if is_commit(wal, n)]
    shown = any(n >= broken and heads[n + 1] and sound[n + 1] for n in commits if n + 1 < count)
    last = max((n for n in commits if (sound[n] if shown else n < broken)), default=-1)

    def is_intact(where: tuple[str, int]) -> bool:
        name, number = where
        if name == WAL:
            return number <= last and sound[number]
        page = slice((number - 1) * PAGE, number * PAGE)
        return file[page] == got[page]

    return is_intact


# Steps with a file


@dataclass(slots=True)
class Outcome:
    """The results of a run; `silent` counts files with lost lines and no report."""

    seed: int
    version: int
    files: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    due: int = 0
    saved: int = 0
    all: int = 0
    told: int = 0
    counted: int = 0
    silent: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        silent = ", ".join(f"{kind} {count:,}" for kind, count in self.silent.most_common())
        return (
            f"{self.files:,} damaged spools of format {self.version} and seed {self.seed} in"
            f" {self.seconds:.1f} s, the slowest {self.slowest:.2f} s: {self.saved:,} of"
            f" {self.all:,} lines saved, among them all of {self.due:,} in undamaged pages; damage"
            f" reported of {self.told:,}, with"
            f" {self.counted:,} lines counted as lost; lost without report: {silent or 'none'}"
        )


def use(state: Path) -> tuple[list[bytes], list[bytes], list[bytes], DiskQueue, list[DiskError]]:
    """Run the usual steps with a spool; return queued, rejected and appended lines."""
    with suppress(DiskError), closing(DiskReader(state)) as reader:
        for look in (reader.summary, lambda: list(reader.lines()), lambda: list(reader.rejected())):
            with suppress(DiskError):
                look()
    told: list[DiskError] = []
    queue = DiskQueue(state, 10**7, lock_timeout=0.0, linger=0.0)
    fresh = [line(NEVER + at) for at in range(40)]

    def until_done(call: Callable[[], object]) -> object:
        while True:
            try:
                return call()
            except DiskError as error:
                told.append(error)
                if len(told) > MOST_FAULTS or error.fault not in EXPECTED:
                    raise

    until_done(queue.open)
    until_done(lambda: queue.append(fresh[:20]))
    rejected = until_done(lambda: rejected_in(queue, NEVER))
    assert isinstance(rejected, list)
    waiting: list[bytes] = []

    def take() -> bool:
        batch = queue.next_batch(333)
        if batch:
            queue.settle(batch, [], [])
            waiting.extend(batch.lines)
        return batch is not None

    until_done(take)
    until_done(lambda: queue.append(fresh[20:]))
    while until_done(take) or until_done(take):  # an empty queue may show damage
        pass
    again = until_done(lambda: rejected_in(queue, NEVER))
    assert isinstance(again, list)
    queue.close()
    return waiting, [each.line for each in (*rejected, *again)], fresh, queue, told


def check(good: Good, bad: Files, state: Path, outcome: Outcome) -> str:
    """Use damaged files, in the empty folder `state`; return the fault, or ''."""
    for name, content in bad.items():
        (state / name).write_bytes(content)
    began = time.process_time()
    try:
        waiting, rejected, fresh, queue, told = use(state)
    except Exception as error:  # noqa: BLE001 - there is none that it may raise
        return f"raises {error!r}"
    took = time.process_time() - began
    outcome.slowest = max(outcome.slowest, took)
    if took > LONGEST:
        return f"takes {took:.1f} s"
    is_intact = intact(good, bad)
    for what, homes_of, got in (
        ("waiting", good.waiting, {*waiting}),
        ("rejected", good.rejected, {*rejected}),
    ):
        due = {each for each, where in homes_of.items() if all(map(is_intact, where))}
        outcome.due += len(due)
        outcome.saved += len(got & homes_of.keys())
        outcome.all += len(homes_of)
        if missing := due - got:
            return f"loses {len(missing)} of {len(due)} {what} lines, such as {min(missing)!r}"
    if missing := {*fresh} - {*waiting}:
        return f"loses {len(missing)} of the lines that came after"
    outcome.told += bool(told)
    outcome.counted += queue.dropped + queue.rejected_dropped
    lost = good.waiting.keys() - {*waiting}
    if lost and not told:
        in_wal = all(any(name == WAL for name, _ in good.waiting[each]) for each in lost)
        outcome.silent["in the WAL" if in_wal else "in the file" if bad[FILE] else "all"] += 1
    return ""


def run(
    files: int,
    seed: int,
    seconds: float = float("inf"),
    *,
    deep: bool = True,
    version: int = 2,
) -> Outcome:
    """Test so many damaged files, or as many as there is time for. Raises FaultError.

    A twentieth of these is `deep`, of two megabytes. They are of the format `version`.
    """
    outcome = Outcome(seed, version)
    memory = Path("/dev/shm")  # because syncs are not tested
    top = Path(tempfile.mkdtemp(prefix="spools-", dir=memory if memory.is_dir() else None))
    began = time.monotonic()
    try:
        goods = list(good_spools(top, deep=deep, version=version))
        often = goods[:-1] * 2 + goods[-1:] if deep else goods
        for index in range(files):
            chance = random.Random(f"{seed} {index}")
            good = chance.choice(often)
            bad, kinds = damaged(good, chance)
            state = top / "state"
            state.mkdir(mode=0o700)
            wrong = check(good, bad, state, outcome)
            shutil.rmtree(state)
            if wrong:
                raise FaultError(f"file {index} of seed {seed}, {good.name}, {kinds}: {wrong}")
            outcome.files += 1
            outcome.seconds = time.monotonic() - began
            if outcome.seconds > seconds:
                break
    finally:
        shutil.rmtree(top)
    return outcome


def main(arguments: list[str]) -> int:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.fuzz_spool", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time limit in seconds")
    parser.add_argument(
        "--format", type=int, choices=(1, 2), default=2, help="of the files; default: 2"
    )
    given = parser.parse_args(arguments)
    try:
        print(run(given.files, given.seed, given.seconds, version=given.format))
    except FaultError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main(sys.argv[1:]))

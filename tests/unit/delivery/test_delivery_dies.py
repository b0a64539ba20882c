"""The keeper in the middle of its work, or its failure there: each value counts once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.influx.outcome import Outcome, RejectedLine
from tests.unit.delivery.keeper_by_hand import AWAY, Keeper, lines, stamps

CAME = 12
POINTS = [
    ("spool", "open"),
    ("spool", "append"),
    ("spool", "shift"),
    ("spool", "settle"),
    ("spool", "flush"),
    ("spool", "pop_request"),
    ("spool", "next_batch"),
    ("spool", "close"),
    ("memory", "append"),
    ("memory", "forget"),
    ("memory", "settle"),
    ("memory", "next_batch"),
    ("disk_queue", "append"),
    ("disk_queue", "settle"),
    ("disk_queue", "reject"),
    ("disk_queue", "next_batch"),
]
# From memory to disk: a failure in between leaves lines in both.
MOVES = {
    ("disk_queue", "append", True),
    ("disk_queue", "reject", True),
    ("memory", "forget", False),
}


class UnexpectedError(Exception):
    """An unexpected exception."""


class Database:
    """Accepts half of a batch, rejects some lines, and leaves the rest undecided."""

    def __init__(self) -> None:
        self.stored: set[int] = set()
        self.number = 0

    def answer(self, batch: Sequence[bytes]) -> Outcome:
        """Return the outcome for lines."""
        self.number += 1
        fate = {line: (stamps([line])[0] + self.number) % 6 for line in batch}
        rejected = [RejectedLine(line, "bad") for line in batch if fate[line] == 0]
        undecided = [line for line in batch if fate[line] in {1, 2}]
        stored = [line for line in batch if fate[line] > 2]
        self.stored.update(stamps(stored))
        return Outcome(len(stored), rejected, undecided, AWAY if undecided else None)


def break_it(patch: pytest.MonkeyPatch, part: object, name: str, which: int, *, done: bool) -> None:
    """Make a method raise at its `which`-th call, before its work or when `done`."""
    sound: Callable[..., Any] = getattr(part, name)
    calls = 0

    def call(*given: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == which and not done:
            raise UnexpectedError
        result = sound(*given, **options)
        if calls == which:
            raise UnexpectedError
        return result

    patch.setattr(part, name, call)


def work_for(keeper: Keeper) -> None:
    """Let the keeper work for some seconds."""

    def together() -> None:
        keeper.made.put(lines(0, 3))
        keeper.made.put(lines(3, 5))
        keeper.made.clock_set(0)
        keeper.made.put(lines(5, 9))

    keeper.at(0.0, together)
    keeper.put(0.125, 9, 10)
    keeper.put(1.5, 10, 11)
    keeper.put(4.0, 11, CAME)
    keeper.at(4.5, keeper._end)


def test_figures_are_consistent_whenever_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each step of the keeper, each value is counted in one place."""
    keeper = Keeper(tmp_path, monkeypatch, Database().answer)
    looks: list[int] = []

    def look() -> None:
        seen = keeper.made.figures
        known = seen.accepted + seen.queued + seen.rejected + seen.dropped
        assert known + seen.rejected_dropped == keeper.made._received
        assert seen.on_disk <= seen.queued
        looks.append(seen.queued)

    def looked_at(sound: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            look()
            result = sound(*given, **options)
            look()
            return result

        return call

    for part, name in POINTS:
        owner = getattr(keeper, part)
        monkeypatch.setattr(owner, name, looked_at(getattr(owner, name)))
    work_for(keeper)
    keeper.made._run_keeper()
    look()
    assert len(looks) > 50
    assert {*looks} > {0, 9}


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("which", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("takes", [0.0, 0.25])
@pytest.mark.parametrize(("part", "name"), POINTS, ids=[".".join(each) for each in POINTS])
def test_found_nine_of_twelve_values_vanished_from_the_count(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    name: str,
    takes: float,
    which: int,
    done: bool,
) -> None:
    """Wherever the keeper fails: stored, on disk, refused and kept, or lost, and nothing else.

    What the failing call has put on disk, and which is still in memory, may count as lost, too.
    """
    state, database = tmp_path / "state", Database()
    keeper = Keeper(state, monkeypatch, database.answer, takes=takes)
    work_for(keeper)
    break_it(monkeypatch, getattr(keeper, part), name, which, done=done)
    keeper.made._thread("keeper", keeper.made._run_keeper).run()
    while keeper._events:  # the others go on: the device, and the sender with its last request
        keeper._events.pop(0)[2]()
    on_disk, lost = keeper.made.stop(0.0)
    figures = keeper.made.figures
    with closing(DiskReader(state)) as reader:
        waiting = {stamps([line])[0] for line in reader.lines()}
        refused = {stamps([each.line])[0] for each in reader.rejected()}
    nowhere = {*range(CAME)} - database.stored - waiting - refused
    assert (figures.accepted, on_disk) == (len(database.stored), len(waiting))
    assert figures.rejected_on_disk == len(refused)
    told = lost + figures.rejected - figures.rejected_on_disk
    assert told >= len(nowhere) if (part, name, done) in MOVES else told == len(nowhere)
    failed = isinstance(keeper.made.failure, UnexpectedError)
    assert figures.failed_thread == ("keeper" if failed else "")
    assert failed or (lost, figures.rejected) == (0, len(refused))

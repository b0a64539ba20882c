"""Five hundred damaged spools, the fuzzer's findings in faulty code, and its line."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bat2influx.delivery import disk_file, disk_repair, disk_rows
from bat2influx.delivery.disk_recovery import Table
from bat2influx.delivery.disk_rows import DiskRow
from tests.tools import fuzz_spool


@pytest.mark.parametrize(("version", "files"), [(2, 500), (1, 150)])
def test_damage_of_very_many_kinds_loses_no_readable_row(version: int, files: int) -> None:
    """Nothing raises or takes long, and losses are reported, except at the end of a WAL."""
    outcome = fuzz_spool.run(files, seed=1, deep=False, version=version)
    assert outcome.files == files
    assert outcome.slowest < fuzz_spool.LONGEST
    assert outcome.saved >= outcome.due > 400 * files
    assert outcome.told > 0.5 * files
    assert outcome.counted > 20 * files
    assert outcome.silent.keys() <= {"in the WAL", "all"}  # all: a file without a byte
    assert outcome.silent.total() < 50


def test_the_same_seed_damages_in_the_same_way(tmp_path: Path) -> None:
    """A finding can be reproduced; each kind of damage changes something."""
    good = list(fuzz_spool.good_spools(tmp_path, deep=False))[1]
    first, again, other = (
        [fuzz_spool.damaged(good, random.Random(f"{seed} {n}")) for n in range(200)]
        for seed in (7, 7, 8)
    )
    assert first == again != other
    assert sum(files != good.files for files, _ in first) > 180
    kinds = {kind.split()[0] for _, kinds in first for kind in kinds.split(", ")}
    assert kinds == {kind.__name__ for kind in fuzz_spool.KINDS}


def test_intact_files_are_of_all_kinds(tmp_path: Path) -> None:
    """Closed or killed; with free pages, overflow pages, and more than two levels."""
    goods = {good.name: good for good in fuzz_spool.good_spools(tmp_path)}
    assert len(goods) == 10
    for name, good in goods.items():
        assert (fuzz_spool.WAL in good.files) is ("killed" in name)
        assert good.waiting
        assert bool(good.rejected) is ("small" in name or "large" in name)
    free = goods["small_rows-closed-10000000"].files[fuzz_spool.FILE][36:40]
    assert int.from_bytes(free, "big") > 0
    large = goods["large_rows-closed-10000000"]
    assert max(map(len, large.waiting.values())) > 2
    assert fuzz_spool.frames(goods["few_rows-killed-10000000"].files[fuzz_spool.WAL]) == 4


def find(kind: str) -> str:
    """Return the fuzzer's report of a fault; it has file and seed to reproduce it."""
    with pytest.raises(fuzz_spool.FaultError, match=r"^file [0-9]+ of seed 3, ") as raised:
        fuzz_spool.run(300, 3, deep=False)
    assert kind in str(raised.value)
    return str(raised.value)


def test_a_row_that_is_not_saved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the last row before the damage."""
    real = Table.rows

    def one_less(self: Table) -> Iterator[DiskRow]:
        yield from list(real(self))[:-1]

    monkeypatch.setattr(Table, "rows", one_less)
    find("loses")


def test_a_header_that_is_not_checked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a check of the WAL commits are lost without a report."""
    monkeypatch.setattr(disk_repair, "check_file", lambda _: iter(()))
    find("loses")


def test_an_error_that_is_not_caught_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the TypeError that ended the keeper."""

    def fail(*_: object) -> None:
        raise KeyError("none of the expected")

    monkeypatch.setattr(disk_file.salvage, "RecoveredRows", fail)
    assert "raises KeyError" in find("raises")


def test_a_file_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit for all steps with a file is 10 s."""
    monkeypatch.setattr(fuzz_spool, "LONGEST", 0.0)
    find("takes")


def test_a_lost_line_that_came_after_the_damage_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines appended to a damaged file must not be lost either."""
    real = disk_rows.insert
    skipped = fuzz_spool.line(fuzz_spool.NEVER + 3)
    monkeypatch.setattr(
        disk_rows,
        "insert",
        lambda db, number, lines: real(
            db, number, [skipped[:-1] + b"9" if each == skipped else each for each in lines]
        ),
    )
    find("of the lines that came after")


def test_a_run_without_fault_prints_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the figures; the run ends at its time limit."""
    assert fuzz_spool.main(["--seconds", "0.1", "--seed", "5"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"[0-9,]+ damaged spools of format 2 and seed 5 in .* s, .* s: .* lines saved, .*",
        line,
    )


def test_a_fault_is_reported_and_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one line, and exit code 1."""
    monkeypatch.setattr(fuzz_spool, "LONGEST", 0.0)
    assert fuzz_spool.main(["--files", "1", "--seed", "5"]) == 1
    assert capsys.readouterr().out.startswith("file 0 of seed 5, ")

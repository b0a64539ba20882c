"""A file that was removed, is damaged, or is of a later version: what is told and what is lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_file, disk_format, disk_rows
from bat2influx.delivery.disk_errors import DamagedError, DiskError, DiskFault
from bat2influx.delivery.disk_file import DiskFile
from bat2influx.delivery.disk_rows import REJECTED, Figures
from tests.unit.delivery.test_disk_file import content, make, names, put, take
from tests.unit.delivery.test_disk_queue import lines


@pytest.fixture
def file(tmp_path: Path) -> Iterator[DiskFile]:
    """A file in a folder that is not there yet."""
    made = make(tmp_path / "state")
    yield made
    made._disconnect()


@pytest.mark.parametrize(
    ("rows", "told"), [(0, False), (3, True)], ids=["empty", "with lines in it"]
)
@pytest.mark.parametrize("another", [True, False])
def test_a_file_that_somebody_takes_away_is_missed(
    file: DiskFile, rows: int, told: bool, another: bool
) -> None:
    """Where there was something in it; another one in its place is read from then on."""
    put(file, 0, 3)
    take(file, 4 - rows)
    for each in file.path.parent.iterdir():
        each.unlink()
    if another:
        with closing(disk_format.create(file.path)) as db:
            disk_rows.insert(db, 1, lines(70, 75))
    if told:
        with pytest.raises(DiskError, match="somebody has removed it with 3 values") as raised:
            put(file, 80, 81)
        assert raised.value.fault is DiskFault.OTHER
    put(file, 80, 81)
    assert content(file) == [*(lines(70, 75) if another else []), *lines(80, 81)]
    assert (file.lost, file.generation) == (rows, 1)


def test_a_damaged_file_is_replaced_and_has_another_generation(file: DiskFile) -> None:
    """What was saved is in the new one, from number 1 on; what was not is lost, and counted."""
    for number in range(0, 30, 10):
        put(file, number, number + 10)
    take(file, 11, rejected=2)
    assert file._db
    file._db.execute("UPDATE waiting SET crc = 0 WHERE number = 21")
    text = "10 of its values go on waiting, 10 are lost"
    with pytest.raises(DiskError, match=text) as raised, file.guarded():
        raise DamagedError("a row does not have its checksum: 21")
    assert raised.value.fault is DiskFault.DAMAGED
    assert (file.figures, file.generation, file.lost) == (Figures(1, 11, 2, 10), 1, 10)
    assert content(file) == lines(10, 20)


def test_a_file_of_a_later_version_is_set_aside(file: DiskFile) -> None:
    """It is kept as it is, with the way back; nothing counts as lost."""
    disk_format.create(file.path).close()
    with closing(sqlite3.connect(file.path)) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(DiskError, match="with that version installed again, rename it") as raised:
        put(file, 0, 3)
    assert raised.value.fault is DiskFault.NEWER
    (aside,) = names(file)
    assert aside.startswith("spool.format-2-")
    put(file, 0, 3)
    assert (file.figures, file.generation, file.lost) == (Figures(1, 4, 0, 0), 1, 0)


def test_what_cannot_be_replaced_is_told_with_both_reasons(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where it is until it can be, and nothing is counted yet."""
    put(file, 0, 3)

    def fail(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk_file.salvage, "replace_damaged", fail)
    text = r"is damaged \(a row is missing\) and cannot be replaced: no room"
    with pytest.raises(DiskError, match=text) as raised, file.guarded():
        raise DamagedError("a row is missing")
    assert (raised.value.fault, file.lost, file.generation) == (DiskFault.FULL, 0, 0)
    put(file, 3, 4)
    assert content(file) == lines(0, 4)


def test_rejected_rows_alone_are_missed_too(file: DiskFile) -> None:
    """They count as removed, not as values that waited."""
    put(file, 0, 3)
    take(file, 4, rejected=2)
    with closing(disk_format.connect_to_read(file.path, 0.0)) as other:
        assert len([*disk_rows.rows(other, REJECTED)]) == 1
    file.path.unlink()
    with pytest.raises(DiskError, match="removed it with 2 values"), file.guarded():
        file.opened()
    assert (file.lost, file.rejected_lost) == (0, 2)


def test_rejected_rows_that_a_damaged_file_took_along_are_counted(file: DiskFile) -> None:
    """Apart from the values that waited, and named in the error."""
    put(file, 0, 5)
    take(file, 3, rejected=2)
    assert file._db
    file._db.execute("UPDATE rejected SET crc = 0")
    with pytest.raises(DiskError, match="of the refused rows 2 are lost"), file.guarded():
        raise DamagedError("a row does not have its checksum: 1")
    assert (file.lost, file.rejected_lost) == (0, 2)
    assert file.figures.rejected == 0

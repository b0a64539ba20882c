"""The file for other programs in the runtime directory: complete or absent; its failures."""

from __future__ import annotations

import logging
import os
import resource
from pathlib import Path

import pytest

from bat2influx.daemon.textfile import PROMETHEUS, TextFile
from bat2influx.service.events import MESSAGE_IDS
from bat2influx.service.journal import REMIND


def test_every_user_can_read_the_file_whatever_the_umask(tmp_path: Path) -> None:
    """The service's umask would exclude the node exporter."""
    before = os.umask(0o077)
    try:
        TextFile(tmp_path / "bat2influx.prom").write("x 1\n", 0.0)
    finally:
        os.umask(before)
    (made,) = tmp_path.iterdir()
    assert made.stat().st_mode & 0o777 == 0o644


def test_a_reader_sees_the_old_text_or_the_new(tmp_path: Path) -> None:
    """An open file keeps its text while it is replaced."""
    file = TextFile(tmp_path / "bat2influx.prom")
    file.write("old 1\n" * 1000, 0.0)
    with (tmp_path / "bat2influx.prom").open() as reader:
        assert reader.readline() == "old 1\n"
        file.write("new 2\n", 0.0)
        assert set(reader) == {"old 1\n"}
    assert (tmp_path / "bat2influx.prom").read_text() == "new 2\n"
    file.remove()
    file.remove()
    assert not list(tmp_path.iterdir())


def test_a_failed_write_is_logged_once_and_so_is_its_recovery(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends nothing, is retried, and the message has the remedy."""
    directory = tmp_path / "run" / "bat2influx"
    file = TextFile(directory / "bat2influx.prom")
    with caplog.at_level(logging.INFO, "bat2influx"):
        for second in range(0, 60, 10):
            file.write("x 1\n", second)
        file.remove()
        directory.parent.mkdir()
        file.write("x 1\n", 60.0)
        file.write("x 2\n", 70.0)
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot write {directory}/bat2influx.prom for the node exporter (No such file or"
        " directory); make its directory writable and free space there, or set textfile = no",
        f"{directory}/bat2influx.prom is written again, after 60 s",
    ]
    assert (directory / "bat2influx.prom").read_text() == "x 2\n"


def test_a_full_disk_leaves_the_old_text_and_no_partial_file(tmp_path: Path) -> None:
    """An incomplete text is not shown, and takes no space."""
    file = TextFile(tmp_path / "bat2influx.prom")
    file.write("x 1\n", 0.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        file.write("x 2\n" * 1000, 10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "x 1\n"
    file.write("x 3\n", 20.0)
    assert left.read_text() == "x 3\n"


def test_the_directory_is_created_but_not_its_parent(tmp_path: Path) -> None:
    """A session has a directory for the daemon's; a missing parent is not created."""
    file = TextFile(tmp_path / "bat2influx" / "bat2influx.prom")
    file.write("x 1\n", 0.0)
    assert (tmp_path / "bat2influx" / "bat2influx.prom").read_text() == "x 1\n"
    TextFile(tmp_path / "run" / "bat2influx" / "bat2influx.prom").write("x 1\n", 0.0)
    assert not (tmp_path / "run").exists()


def test_before_the_first_write_there_is_no_file_or_directory(tmp_path: Path) -> None:
    """Nor is anything removed at the end."""
    file = TextFile(tmp_path / "bat2influx" / "bat2influx.prom")
    file.remove()
    assert not list(tmp_path.iterdir())


def test_an_incomplete_file_has_a_name_that_is_not_read(tmp_path: Path) -> None:
    """The collector reads *.prom; the next write replaces the rest of a killed daemon."""
    file = TextFile(tmp_path / f"boat{PROMETHEUS}")
    (tmp_path / "boat.prom.new").write_text("half")
    assert not list(tmp_path.glob("*.prom"))
    file.write("caf\xe9 1\n", 0.0)
    (made,) = tmp_path.iterdir()
    assert made.read_bytes() == "caf\xe9 1\n".encode()


def test_an_occupied_path_is_logged_with_reader_and_advice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each file has its own text; what occupies the path stays."""
    path = tmp_path / "bat2influx.health"
    (path / "more").mkdir(parents=True)
    file = TextFile(path, "`bat2influx health`", "")
    with caplog.at_level(logging.INFO, "bat2influx"):
        file.write("{}", 0.0)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"cannot write {path} for `bat2influx health` (Is a directory); make its directory"
        " writable and free space there"
    )
    assert vars(record)["MESSAGE_ID"] == MESSAGE_IDS["textfile"]
    assert [each.name for each in tmp_path.iterdir()] == ["bat2influx.health"]
    file.remove()
    assert (path / "more").is_dir()


def test_a_lasting_failure_is_logged_every_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With its duration, and no more often."""
    (tmp_path / "file").touch()
    file = TextFile(tmp_path / "file" / "bat2influx.prom")
    for second in (0.0, REMIND - 1, REMIND, REMIND + 1):
        file.write("x 1\n", second)
    first, again = (record.getMessage() for record in caplog.records)
    assert again == f"{first} (still, after 60 min)"

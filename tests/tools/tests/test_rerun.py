"""Which tests are run again, which are not, and the record of each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import TOP, conftest
from tests.conftest import MARK
from tests.tools import rerun

BEGINNING = """\
import pathlib
import pytest
SEEN = pathlib.Path(__file__).parent
"""
AT_FIRST = """
@pytest.mark.depends_on_timing("the host stands still")
@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("text", ["one", "a b@c"])
def test_at_first(text):
    mark = SEEN / f"seen {text}"
    if not mark.exists():
        mark.touch()
        assert not "the first time"
"""
ALWAYS = """
@pytest.mark.depends_on_timing("it is said to")
@pytest.mark.xdist_group("together")
def test_always():
    assert not "ever"
"""
UNMARKED = """
def test_unmarked():
    mark = SEEN / "seen"
    if not mark.exists():
        mark.touch()
        assert not "the first time"
"""
SOUND = """
def test_sound():
    pass
"""
UNREADABLE = """
import nothing_of_that_name
"""


def run(folder: Path, tests: str, *files: str) -> tuple[int, str, str]:
    """Run tests in a folder; return exit code, output, and the record."""
    (folder / "conftest.py").write_text((TOP / "tests/conftest.py").read_text())
    (folder / "test_it.py").write_text(BEGINNING + tests)
    (folder / "setup.cfg").write_text((TOP / "setup.cfg").read_text())
    command = [sys.executable, "-m", "pytest", "-n", "1", "--dist", "loadgroup"]
    done = subprocess.run(
        [sys.executable, TOP / "tests/tools/rerun.py", *command, "test_it.py", *files],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(TOP), "XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    kept = folder / "bat2influx/run-again.log"
    return done.returncode, done.stdout + done.stderr, kept.read_text() if kept.exists() else ""


def test_a_test_that_depends_on_the_host_passes_alone_and_is_recorded(tmp_path: Path) -> None:
    """The end of the output, and the file, have it with its reason."""
    code, said, kept = run(tmp_path, SOUND + AT_FIRST)
    assert code == 0, said
    assert "2 run again:" in said
    assert kept.count("passed when run again; the host stands still") == 2


def test_a_fault_fails_again(tmp_path: Path) -> None:
    """A second failure is a failure."""
    code, said, kept = run(tmp_path, AT_FIRST + ALWAYS)
    assert code == 1, said
    assert "test_always: failed again; it is said to" in kept


@pytest.mark.parametrize("other", [UNMARKED, AT_FIRST + UNMARKED])
def test_a_test_without_the_marker_is_not_run_again(tmp_path: Path, other: str) -> None:
    """Then no other test is run again either: the failure is reported."""
    code, said, kept = run(tmp_path, other)
    assert (code, kept) == (1, "")
    assert "run again" not in said


def test_a_file_that_cannot_be_read_is_not_hidden_by_a_rerun(tmp_path: Path) -> None:
    """Its tests have not run, so a rerun of others would prove nothing."""
    (tmp_path / "test_other.py").write_text(UNREADABLE)
    code, _, kept = run(tmp_path, AT_FIRST, "test_other.py")
    assert code != 0
    assert kept == ""


@pytest.mark.parametrize(
    ("code", "failed", "again"),
    [
        (0, {}, []),
        (1, {"a": "slow", "b": "slow"}, ["a", "b"]),
        (1, {"a": "slow", "b": ""}, []),
        (1, {}, []),
        (2, {"a": "slow"}, []),
        (1, dict.fromkeys("abcdefghijk", "slow"), []),
    ],
)
def test_all_that_failed_has_a_reason_or_nothing_is_run_again(
    code: int, failed: dict[str, str], again: list[str]
) -> None:
    """Only pytest's code for failed tests causes a second run."""
    assert rerun.to_run_again(code, failed) == again


class Item:
    """A test with the marker, with the attributes that conftest.py uses."""

    nodeid = "test_it"

    def __init__(self, folder: str, *reason: str) -> None:
        self.path = TOP / "tests" / folder / "test_it.py"
        self._mark = getattr(pytest.mark, MARK)(*reason).mark

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        """Return the marker."""
        return self._mark if name == MARK else None


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Item("integration"), "without a reason"),
        (Item("unit", "slow"), "no second chance in unit"),
        (Item("unit/mqtt", "slow"), "no second chance in mqtt"),
        (Item("faults", "slow"), "no second chance in faults"),
    ],
)
def test_a_marker_that_is_not_allowed_is_reported(item: Item, said: str) -> None:
    """Tests of units and faults must have none, and elsewhere a reason is needed."""
    assert said in conftest._look_at_marks([item])["test_it"]  # type: ignore[list-item]


def test_a_marker_with_a_reason_is_allowed_elsewhere_and_rare() -> None:
    """In integration, system and other folders; at most ten tests in all."""
    ten: Any = [Item("integration", "slow")] * rerun.MOST
    assert conftest._look_at_marks(ten) == {}
    told = conftest._look_at_marks([*ten, ten[0]])
    assert told == {"test_it": "11 tests have depends_on_timing, at most 10 may"}


MANY = """
@pytest.mark.depends_on_timing("the host stands still")
@pytest.mark.parametrize("number", range(11))
def test_many(number):
    mark = SEEN / f"seen {number}"
    if not mark.exists():
        mark.touch()
        assert not "the first time"
"""
WITHOUT_REASON = """
@pytest.mark.depends_on_timing()
def test_without_reason():
    pass
"""


@pytest.mark.parametrize(
    ("tests", "why"),
    [(MANY, "11 tests have depends_on_timing"), (WITHOUT_REASON, "without a reason")],
)
def test_a_marker_that_is_not_allowed_fails_its_test(tmp_path: Path, tests: str, why: str) -> None:
    """With its reason in the output, and without a second run."""
    code, said, kept = run(tmp_path, tests)
    assert (code, kept) == (1, "")
    assert why in said
    assert "run again" not in said

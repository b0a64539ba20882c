"""What falls is run once more, and a fault falls again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import TOP

BEGINNING = """\
import pathlib
import pytest
SEEN = pathlib.Path(__file__).parent
"""
AT_FIRST = """
@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("text", ["one", "a b@c"])
def test_at_first(text):
    mark = SEEN / f"seen {text}"
    if not mark.exists():
        mark.touch()
        assert not "the first time"
"""
ALWAYS = """
@pytest.mark.xdist_group("together")
def test_always():
    assert not "ever"
"""
MANY = """
@pytest.mark.parametrize("number", range(4))
def test_many(number):
    mark = SEEN / f"seen {number}"
    if not mark.exists():
        mark.touch()
        assert not "the first time"
"""
SOUND = """
def test_sound():
    pass
"""


@pytest.mark.parametrize(
    ("tests", "code", "said"),
    [
        (SOUND + AT_FIRST, 0, "2 fell at first, and not again:"),
        (AT_FIRST + ALWAYS, 1, "3 fell at first, and again:"),
        (SOUND + MANY, 1, "4 failed, 1 passed"),
    ],
)
def test_what_fell_by_accident_passes_alone_and_is_named(
    tmp_path: Path, tests: str, code: int, said: str
) -> None:
    """Few falls are tried again; one that falls twice is a failure, and so are many."""
    (tmp_path / "test_it.py").write_text(BEGINNING + tests)
    pytest_itself = (sys.executable, "-m", "pytest", "-n", "1", "--dist", "loadgroup")
    done = subprocess.run(
        [sys.executable, TOP / "tests/tools/rerun.py", *pytest_itself, "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout

"""What is not used takes no memory, whatever is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bat2influx.influx import lean_imports
from tests import TOP

UNUSED = ("pandas", "chardet", "brotli", "brotlicffi", "zstandard", "simplejson")


def test_the_daemon_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """It is there for who asks for it afterwards, and nothing is said of it."""
    for name in UNUSED:
        (tmp_path / f"{name}.py").write_text(f"print('{name}')\n")
    code = f"import bat2influx.daemon.main; print('ready'); import {', '.join(UNUSED)}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{TOP}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["ready", *UNUSED]
    assert not done.stderr


def test_an_import_that_fails_leaves_no_trace() -> None:
    """A missing library is told as such, and hides no other one for ever."""
    before = dict(sys.modules)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"), lean_imports.imports():
        import nothing_of_that_name  # noqa: F401
    assert sys.modules.get("pandas", "hidden") == before.get("pandas", "hidden")

"""What is not used takes no memory, whatever is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bat2influx import lean
from tests.parts.daemon import TOP


def test_the_daemon_imports_neither_pandas_nor_chardet(tmp_path: Path) -> None:
    """Both are there for who asks for them afterwards, and nothing is said of it."""
    for name in ("pandas", "chardet"):
        (tmp_path / f"{name}.py").write_text(f"print('{name} was imported')\n")
    code = "import bat2influx.daemon; print('ready'); import pandas, chardet"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{TOP}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ready\npandas was imported\nchardet was imported\n"
    assert not done.stderr


def test_an_import_that_fails_leaves_no_trace() -> None:
    """A missing library is told as such, and hides no other one for ever."""
    before = dict(sys.modules)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"), lean.imports():
        import nothing_of_that_name  # noqa: F401
    assert sys.modules.get("pandas", "hidden") == before.get("pandas", "hidden")

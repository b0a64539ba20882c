"""Another user than the one of the tests, and a directory that both get into."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY, NOGROUP = 65_534, 65_534  # as in Debian's base-passwd

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of two users take root")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a new directory that everybody may pass through, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def give_away(path: Path) -> None:
    """Have a directory, and all that is in it, be nobody's."""
    for each in (path, *path.rglob("*")):
        os.chown(each, NOBODY, NOGROUP, follow_symlinks=False)

"""A user other than that of the tests, and a directory that both can enter."""

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
    """Yield a new directory that all users may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def give_away(path: Path) -> None:
    """Give a directory, with its content, to the user nobody."""
    for each in (path, *path.rglob("*")):
        os.chown(each, NOBODY, NOGROUP, follow_symlinks=False)

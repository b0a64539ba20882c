"""Functions for programs that run for minutes or hours."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def directory(name: str, fault: type[Exception] = AssertionError) -> Iterator[Path]:
    """Give a run a directory; if the run fails, the directory is kept and its path printed.

    If the run finds a `fault`, the program prints the fault and exits 1. SIGTERM ends the run in
    order, with all processes that it has started.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    path = Path(tempfile.mkdtemp(prefix=f"bat2influx-{name}-"))
    try:
        yield path
    except BaseException as error:
        progress(f"all logs are in {path}")
        if isinstance(error, fault):
            print(error)
            sys.exit(1)
        raise
    shutil.rmtree(path)


def progress(text: str) -> None:
    """Print progress on stderr, apart from the result."""
    print(text, file=sys.stderr, flush=True)

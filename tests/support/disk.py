"""Real disks that are full, read-only or limited, and files with changed bytes.

Rules: a test `on_a_small_disk` runs in a separate process and mount namespace, where its `tmp_path`
is a file system of 2 MB in memory; both end with the test. A `file_limit` applies to this process,
within its block.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import TOP
from tests.support.process import SETPRIV

SIZE = 2_000_000  # bytes
_UNSHARE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
_BALLAST = "ballast"


def _is_possible() -> bool:
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def on_a_small_disk(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test, whose parameters are JSON values, with a disk of SIZE bytes as `tmp_path`."""

    @functools.wraps(test)
    def run(**given: object) -> None:
        if not _is_possible():
            pytest.skip("this system permits no mount namespace")
        dying = [SETPRIV, "--pdeathsig", "KILL", "--"]  # after unshare, which would undo it
        arguments = [test.__module__, test.__name__, json.dumps(given, default=str)]
        command = [*_UNSHARE, *dying, sys.executable, "-m", "tests.support.disk", *arguments]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def fill(disk: Path) -> None:
    """Fill the disk to the last byte."""
    with (disk / _BALLAST).open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def empty(disk: Path) -> None:
    """Free the space again."""
    (disk / _BALLAST).unlink()


def set_read_only(disk: Path, read_only: bool) -> None:
    """Make the disk read-only, or writable again; no file may be open for writing."""
    _mount("-o", "remount,ro" if read_only else "remount,rw", disk)


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Limit the size of each file of this process, in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def copy_as_after_a_power_cut(source: Path, target: Path) -> None:
    """Copy a database's files as they are on disk, while a process has it open."""
    target.mkdir()
    for each in source.iterdir():
        if not each.name.endswith("-shm"):  # shared memory; not on disk
            shutil.copy(each, target)


def change(path: Path, offset: int, content: bytes) -> None:
    """Overwrite the file's bytes at `offset` with `content`."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def write_until_killed(state: Path, number: int) -> None:
    """Write to a disk queue without end, and print each step: append N, settle N.

    The lines have numbers, from `number` on. After each third of up to 40 lines the oldest 50 are
    settled.
    """
    from bat2influx.delivery.disk_queue import DiskQueue

    queue = DiskQueue(state, 10**7)
    turn = 0
    while True:
        lines = [b"dc V=1.0 %d" % (number + n) for n in range(turn % 40 + 1)]
        queue.append(lines)
        number += len(lines)
        print("append", number, flush=True)
        turn += 1
        if turn % 3 == 0 and (batch := queue.next_batch(50)):
            queue.settle(batch, [], [])
            print("settle", int(batch.lines[-1].split()[-1]) + 1, flush=True)


def main() -> None:
    """Run the test that is named, or `write` DIRECTORY NUMBER."""
    if sys.argv[1] == "write":
        write_until_killed(Path(sys.argv[2]), int(sys.argv[3]))
    module, name, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    given["tmp_path"] = Path(given["tmp_path"])
    _mount("-t", "tmpfs", "-o", f"size={SIZE}", "none", given["tmp_path"])
    getattr(importlib.import_module(module), name).__wrapped__(**given)


if __name__ == "__main__":
    main()

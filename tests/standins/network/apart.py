"""Network and mounts of a test's own, for the thread that runs it and all that it starts.

Rules: between `set_up` and `close` the calling thread has namespaces that nobody else is in; they
go with the last process in them. It has to be root: a program with several threads cannot enter a
user namespace. Addresses are those kept free for documentation (RFC 5737).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.part import Part

_NET, _MOUNTS = 0x4000_0000, 0x0002_0000  # CLONE_NEWNET and CLONE_NEWNS, unshare(2)
_libc = ctypes.CDLL(None, use_errno=True)


def is_possible() -> bool:
    """Tell whether this system lets us have namespaces."""
    command = ["unshare", "--net", "--mount", "true"]
    return os.geteuid() == 0 and not subprocess.run(command, check=False).returncode


def run(*command: str | Path) -> None:
    """Run a command to its end; AssertionError with what it said if that is not well."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.strip()}"


class Apart(Part):
    """The namespaces; and networks beside it, joined to it by cables."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._from: tuple[int, int] | None = None
        self._directory, self._root = Path.cwd(), -1

    def set_up(self) -> None:
        """Leave the machine's network and mounts for some of our own."""
        self._from = self._opened("net"), self._opened("mnt")
        self._directory = Path.cwd()
        self._root = os.open("/", os.O_PATH | os.O_CLOEXEC)
        self._descriptors.append(self._root)
        _call(_libc.unshare, _NET | _MOUNTS)
        run("mount", "--make-rprivate", "/")
        run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        """Return to where we came from."""
        if self._from:
            for descriptor in self._from:
                _call(_libc.setns, descriptor, 0)
            os.fchdir(self._root)  # which may be that of a chroot; it was left with the mounts
            os.chroot(".")
            os.chdir(self._directory)
            self._from = None
        while self._descriptors:
            os.close(self._descriptors.pop())

    def network(self) -> int:
        """Make another network, and return what `inside` takes for it."""
        here = self._opened("net")
        _call(_libc.unshare, _NET)
        try:
            run("ip", "link", "set", "lo", "up")
            return self._opened("net")
        finally:
            _call(_libc.setns, here, 0)

    @contextmanager
    def inside(self, network: int) -> Iterator[None]:
        """Be in another network for a block; what is started there stays there."""
        here = self._opened("net")
        _call(_libc.setns, network, 0)
        try:
            yield
        finally:
            _call(_libc.setns, here, 0)
            os.close(here)
            self._descriptors.remove(here)

    def join(self, network: int, cable: str, here: str, there: str) -> None:
        """Lay a cable: `here` and `there` are the addresses of its two ends, in a /24."""
        peer = f"{cable}-far"
        far = f"/proc/{os.getpid()}/fd/{network}"
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", peer, "netns", far)
        run("ip", "address", "add", f"{here}/24", "dev", cable)
        run("ip", "link", "set", cable, "up")
        with self.inside(network):
            run("ip", "address", "add", f"{there}/24", "dev", peer)
            run("ip", "link", "set", peer, "up")

    def _opened(self, kind: str) -> int:
        descriptor = os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        self._descriptors.append(descriptor)
        return descriptor


def bind(file: Path, over: Path) -> None:
    """Have `file` be seen at `over`, in our mounts."""
    with suppress(FileNotFoundError):
        over = over.resolve()  # a link, as resolv.conf often is
    run("mount", "--bind", file, over)


def _call(function: object, *arguments: int) -> None:
    if function(*arguments):  # type: ignore[operator]
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

"""A separate network and mounts for a test: for its thread, and all processes that it starts.

Rules: between `set_up` and `close` the calling thread is alone in new namespaces; they end with the
last process in them. The thread has to be root: a program with several threads cannot enter a user
namespace. Addresses are those reserved for documentation (RFC 5737).
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
    """Return whether this system permits namespaces."""
    command = ["unshare", "--net", "--mount", "true"]
    return os.geteuid() == 0 and not subprocess.run(command, check=False).returncode


def run(*command: str | Path) -> None:
    """Run a command to its end; AssertionError with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.strip()}"


class Apart(Part):
    """The namespaces, and more networks, connected to them by cables."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._from: tuple[int, int] | None = None
        self._directory, self._root = Path.cwd(), -1

    def set_up(self) -> None:
        """Enter new namespaces, apart from the machine's network and mounts."""
        self._from = self._opened("net"), self._opened("mnt")
        self._directory = Path.cwd()
        self._root = os.open("/", os.O_PATH | os.O_CLOEXEC)
        self._descriptors.append(self._root)
        _call(_libc.unshare, _NET | _MOUNTS)
        run("mount", "--make-rprivate", "/")
        run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        """Return to the former namespaces."""
        if self._from:
            for descriptor in self._from:
                _call(_libc.setns, descriptor, 0)
            os.fchdir(self._root)  # which may be a chroot's; entering the mount namespace left it
            os.chroot(".")
            os.chdir(self._directory)
            self._from = None
        while self._descriptors:
            os.close(self._descriptors.pop())

    def network(self) -> int:
        """Make another network, and return its handle for `inside`."""
        here = self._opened("net")
        _call(_libc.unshare, _NET)
        try:
            run("ip", "link", "set", "lo", "up")
            return self._opened("net")
        finally:
            _call(_libc.setns, here, 0)

    @contextmanager
    def inside(self, network: int) -> Iterator[None]:
        """Enter another network for a block; processes started there stay there."""
        here = self._opened("net")
        _call(_libc.setns, network, 0)
        try:
            yield
        finally:
            _call(_libc.setns, here, 0)
            os.close(here)
            self._descriptors.remove(here)

    def join(self, network: int, cable: str, here: str, there: str) -> None:
        """Add a cable: `here` and `there` are the addresses of its two ends, in a /24."""
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
    """Mount `file` over `over`, in this mount namespace."""
    with suppress(FileNotFoundError):
        over = over.resolve()  # `over` may be a link, as resolv.conf often is
    run("mount", "--bind", file, over)


def _call(function: object, *arguments: int) -> None:
    if function(*arguments):  # type: ignore[operator]
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

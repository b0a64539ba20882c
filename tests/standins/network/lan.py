"""A small separate network: the machine at home, and GX devices, connected by a cable.

    home (192.0.2.1 and .2)  ===  gx (192.0.2.20 and .21)

The home has a second interface with an address, 198.51.100.1, and no device behind it.

Rules: each of the two is a network namespace that exists as long as the `Lan`; no packet leaves it.
Commands run in one of them by nsenter(1), as processes of the test. It needs root, or the right to
create user namespaces.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests import TOP
from tests.support.daemon import wait
from tests.support.part import Part
from tests.support.process import SETPRIV, Process

HOME, ALIAS, ELSEWHERE = "192.0.2.1", "192.0.2.2", "198.51.100.1"
GX, SECOND_GX = "192.0.2.20", "192.0.2.21"
_USER = ["--map-root-user"] if os.geteuid() else []
_SET_UP = f"""
ip link set lo up
ip link add other0 type veth peer name other1
ip address add {ELSEWHERE}/24 dev other0
ip link set other0 up
ip link set other1 up
ip link add lan0 type veth peer name lan1 netns $1
ip address add {HOME}/24 dev lan0
ip address add {ALIAS}/24 dev lan0 label lan0:1
ip link set lan0 up
"""
_SET_UP_GX = f"""
ip link set lo up
ip address add {GX}/24 dev lan1
ip address add {SECOND_GX}/24 dev lan1
ip link set lan1 up
"""


def is_possible() -> bool:
    """Return whether this system permits namespaces."""
    return subprocess.run([*_unshare(), "true"], capture_output=True, check=False).returncode == 0


def _unshare() -> list[str]:
    return ["unshare", *_USER, "--net"]


class Lan(Part):
    """The network, as a context manager; logs of the processes in it go to `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()
        self._pids: dict[str, int] = {}

    def close(self) -> None:
        """Stop all processes in it."""
        self._stack.close()

    def set_up(self) -> None:
        """Make the namespaces."""
        self._hold("home", _unshare())
        gx = self._hold("gx", [*self._inside("home"), "unshare", "--net"])
        self.run("home", ["sh", "-ec", _SET_UP, "sh", str(gx)], check=True)
        self.run("gx", ["sh", "-ec", _SET_UP_GX], check=True)

    def _hold(self, name: str, into: Sequence[str]) -> int:
        """Make a namespace by a process that holds it, and return that process's id."""
        says = "import os, time; print(os.getpid(), flush=True); time.sleep(1e6)"
        holder = self._started(f"{name}-holder", [*into, *_dying(), sys.executable, "-c", says])
        wait(f"the namespace {name}", lambda: holder.log.read_text().strip().isdigit())
        self._pids[name] = int(holder.log.read_text())
        return self._pids[name]

    def _inside(self, name: str) -> list[str]:
        user = ["--user", "--preserve-credentials"] if os.geteuid() else []
        return ["nsenter", "--target", str(self._pids[name]), *user, "--net", "--"]

    def _started(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        log = self._directory / f"{name}.log"
        process = Process(name, command, log, cwd=TOP, environment=environment)
        process.start()
        self._stack.callback(process.kill)
        return process

    def start(
        self,
        where: str,
        name: str,
        command: Sequence[str | Path],
        ready: str,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a process in "home" or "gx" and wait until its log has the text `ready`."""
        inside = [*self._inside(where), *_dying(), *command]
        process = self._started(name, inside, environment)

        def is_ready() -> bool:
            assert process.running, f"{name} has ended\n{process.tail()}"
            return ready in process.log.read_text(errors="replace")

        wait(f"{name} to be ready", is_ready)
        return process

    def run(
        self, where: str, command: Sequence[str | Path], *, check: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command in "home" or "gx" to its end."""
        begin = time.monotonic()
        done = subprocess.run(
            [*self._inside(where), *_dying(), *command],
            capture_output=True,
            check=False,
            cwd=TOP,
            timeout=300,
        )
        took = time.monotonic() - begin
        assert not check or done.returncode == 0, f"{command[0]}, {took:.1f} s: {done.stderr!r}"
        return done


def _dying() -> list[str]:
    """Return the command that sets the parent-death signal again: nsenter(1) clears it."""
    return [str(SETPRIV), "--pdeathsig", "KILL", "--"]

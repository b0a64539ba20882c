"""A machine: a Debian booted by systemd-nspawn, over a tree that it cannot change.

Rules: a machine has a separate network, cgroup and other namespaces, and its writes go to memory.
It is halted as by a power cut. When the process that booted it ends, for any reason, nothing of it
is left. Commands run inside as root, without the environment of the tests. No test sleeps for a
time: `wait` polls for an event, with a bound that a loaded host meets.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.system.forwarded import Forwarded

T = TypeVar("T")
Completed = subprocess.CompletedProcess[str]
Row = dict[str, Any]

BOUND = 60.0  # s; an event that has not happened by then will not happen
PAUSE = 0.1  # s between two polls
BOOT_SCRIPT = Path(__file__).with_name("boot")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
_numbers = itertools.count(1)


class MachineError(RuntimeError):
    """A machine did not boot; the text ends with its console output."""


class Machine:
    """A machine booted from `tree`; as a context manager it runs in the block."""

    def __init__(self, tree: Path, release: str) -> None:
        self.release = release
        self.name = f"bat2influx-{os.getpid()}-{next(_numbers)}"
        self._tree = tree
        self._keeper: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the machine

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    # Boot and halt

    def boot(self) -> None:
        """Boot, and wait until all units of the boot have started. Raises MachineError."""
        self._keeper = subprocess.Popen(
            [BOOT_SCRIPT, self.name, self._tree],
            stdin=subprocess.PIPE,
            stdout=self._console,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            self.wait_for_boot()
        except BaseException:
            self.kill()
            raise

    def wait_for_boot(self) -> None:
        """Wait until the machine is up, for the first time or after a reboot."""
        self._leader = self._wait_booting("its first process", self._find_leader)
        state = self._wait_booting("the end of its boot", self._booted)
        if state != "running":
            failed = self.systemctl("list-units", "--failed", check=False).stdout
            raise MachineError(f"{self.name} is {state}\n{failed}\n{self._console_tail()}")

    def reboot(self) -> None:
        """Shut down in order and boot again; its files stay."""
        before = self._leader
        self.run("systemctl", "reboot", check=False)
        self.wait("the end of the machine", lambda: not Path(f"/proc/{before}").exists())
        self.wait_for_boot()

    def kill(self) -> None:
        """Halt it as a power cut would, and wait until nothing of it is left."""
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            assert keeper.stdin is not None
            keeper.stdin.close()
            keeper.wait()
            self._console.close()

    # Commands inside

    def run(
        self,
        *command: str | Path,
        check: bool = True,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess.run
        timeout: float = 2 * BOUND,
    ) -> Completed:
        """Run a command inside; a single word with spaces is run by the shell.

        Raises AssertionError with its output when it fails and `check` is true.
        """
        words = [str(word) for word in command]
        if len(words) == 1 and " " in words[0]:
            words = ["/bin/sh", "-c", words[0]]
        data = input.encode() if isinstance(input, str) else input
        try:
            done = subprocess.run(
                self.entry(*words),
                input=data,
                stdin=subprocess.DEVNULL if data is None else None,
                capture_output=True,
                timeout=timeout,
                env=ENVIRONMENT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{words} has not ended within {timeout:g} s") from error
        texts = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
        completed = Completed(words, done.returncode, *texts)
        if check and completed.returncode != 0:
            raise AssertionError(
                f"{words} ended with {completed.returncode}:\n{completed.stdout}{completed.stderr}"
            )
        return completed

    def systemctl(self, *arguments: str, check: bool = True) -> Completed:
        """Run systemctl; raises AssertionError, also with the journal's tail."""
        done = self.run("systemctl", "--no-pager", *arguments, check=False)
        if check and done.returncode != 0:
            words = " ".join(done.args)
            raise AssertionError(f"{words} ended with {done.returncode}\n{self.journal_tail()}")
        return done

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit, as systemctl shows it."""
        return self.systemctl("show", "--value", f"--property={name}", unit).stdout.strip()

    def main_pid(self, unit: str) -> int:
        """Return the main process's id inside the machine; 0 when the unit does not run."""
        return int(self.show(unit, "MainPID"))

    def signal(self, unit: str, signal: str) -> None:
        """Send a signal, such as STOP, to the main process of a unit and to no other."""
        self.run("kill", "-s", signal, str(self.main_pid(unit)))

    def drop_in(self, unit: str, name: str, *lines: str) -> None:
        """Write a drop-in as an admin would, NAME.conf for a unit, and run daemon-reload."""
        self.write(f"/etc/systemd/system/{unit}.d/{name}.conf", "\n".join([*lines, ""]))
        self.systemctl("daemon-reload")

    def exists(self, path: str) -> bool:
        """Return whether `path` exists."""
        return self.run("test", "-e", path, check=False).returncode == 0

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.run("cat", path).stdout

    def write(self, path: str, text: str, *, mode: str = "644") -> None:
        """Write a file, and create its folder. An existing file keeps owner and mode."""
        folder = str(Path(path).parent)
        script = 'mkdir -p "$0"; [ -e "$1" ] || install -m "$2" /dev/null "$1"; cat >"$1"'
        self.run("/bin/sh", "-ec", script, folder, path, mode, input=text)

    def copy_in(self, source: Path, path: str) -> None:
        """Copy a file or a folder to `path` inside, owned by root."""

        def clean(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            if "__pycache__" in member.name or "_cache" in Path(member.name).name:
                return None
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            return member

        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(source, Path(path).name, filter=clean)
        folder = str(Path(path).parent)
        self.run("mkdir", "-p", folder)
        self.run("tar", "-x", "-C", folder, input=archive.getvalue())

    # Its state

    def journal(self, unit: str | None = None, *options: str) -> list[dict[str, Any]]:
        """Return the journal's entries of a unit, oldest first, each a dict of its fields."""
        units = [] if unit is None else ["-u", unit]
        text = self.run("journalctl", "--no-pager", "-q", "-o", "json", *units, *options).stdout
        return [json.loads(line) for line in text.splitlines()]

    def messages(self, unit: str | None = None, *options: str) -> list[str]:
        """Return the texts of the journal's entries of a unit, oldest first."""
        return [str(entry.get("MESSAGE")) for entry in self.journal(unit, *options)]

    def influx(self, query: str, db: str = "battery") -> list[Row]:
        """Return the rows of a query; times in ns. None if the server or database is missing."""
        command = ("influx", "-precision", "ns", "-format", "json", "-database", db)
        answer = self.run(*command, "-execute", query, check=False)
        if answer.returncode != 0:
            return []
        return [
            dict(zip(series["columns"], values, strict=True))
            for result in json.loads(answer.stdout).get("results", [])
            for series in result.get("series", [])
            for values in series.get("values", [])
        ]

    def wait(self, what: str, condition: Callable[[], T], timeout: float = BOUND) -> T:
        """Return the first true value of `condition`; AssertionError, naming `what`, without."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            late = time.monotonic() > deadline
            assert not late, f"waited {timeout:g} s for {what}\n{self.journal_tail()}"
            time.sleep(PAUSE)
        return value

    def journal_tail(self, lines: int = 40) -> str:
        """Return the last lines of the journal, for error texts."""
        return self.run("journalctl", "--no-pager", "-n", str(lines), check=False).stdout

    # Entering it

    def entry(self, *command: str) -> list[str]:
        """Return the command line that runs a command inside; its environment is ENVIRONMENT."""
        inside = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        return ["nsenter", f"--target={self._leader}", *inside, "--", *command]

    def forwarded(self, port: int) -> Forwarded:
        """Return a port of its loopback for programs on the host, as a context manager."""
        return Forwarded(self._leader, port)

    def _console_tail(self, lines: int = 40) -> str:
        size = os.fstat(self._console.fileno()).st_size
        text = os.pread(self._console.fileno(), size, 0).decode(errors="replace")
        return "\n".join(["--- its console, last lines:", *text.splitlines()[-lines:]])

    def _booted(self) -> str:
        """Return the system's state after its boot, "" until then."""
        state = self.run("systemctl", "is-system-running", check=False, timeout=10).stdout.strip()
        return state if state in {"running", "degraded", "maintenance"} else ""

    def _find_leader(self) -> int:
        """Return the id of the machine's process 1 on the host, 0 while there is none."""
        assert self._keeper is not None
        families = [self._keeper.pid]
        while families:
            parent = families.pop()
            with suppress(FileNotFoundError, ProcessLookupError):
                status = dict(
                    line.split(":\t", 1)
                    for line in Path(f"/proc/{parent}/status").read_text().splitlines()
                    if ":\t" in line
                )
                if status["Name"] == "systemd" and status["NSpid"].split()[-1] == "1":
                    return parent
                children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
                families += map(int, children)
        return 0

    def _wait_booting(self, what: str, condition: Callable[[], T]) -> T:
        deadline = time.monotonic() + BOUND
        while not (value := condition()):
            assert self._keeper is not None
            if time.monotonic() > deadline or self._keeper.poll() is not None:
                raise MachineError(f"no sign of {what} of {self.name}\n{self._console_tail()}")
            time.sleep(0.02)
        return value

"""Processes that tests and demo start, and that never outlive them.

Rules: each child has its own process group, so that Ctrl-C in a terminal reaches only the parent,
which then stops the child in order. If the thread that started a child ends without stopping it,
even by SIGKILL, the kernel kills the child: start children from the main thread. A child's output
goes into its log file, and each error ends with the tail of that log.
"""

import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

SETPRIV = Path("/usr/bin/setpriv")  # of util-linux, on every Debian
GONE = (FileNotFoundError, PermissionError)  # the errors of /proc for a process that has just ended
START_SECONDS = 30.0  # a loaded machine is slow; a port in use shows at once
STOP_SECONDS = 10.0
WORKERS = 16  # at the most, of tests that run side by side


class PartError(RuntimeError):
    """A part could not be started or stopped; the text ends with the tail of its log."""


def free_port() -> int:
    """Return a TCP port that was just free on 127.0.0.1.

    It lies below the ports that the kernel gives to outgoing connections. Otherwise one of those
    could take it while a server is down, and a client that reconnects to a local port of that range
    now and then connects to itself. Each worker of parallel tests has its own range of ports, so
    that none takes another's while a server is down.
    """
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first, last = 10_000, max(first_outgoing, 20_000)
    worker = re.fullmatch("gw([0-9]+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    if worker:
        share = (last - first) // WORKERS
        first += int(worker[1]) % WORKERS * share
        last = first + share
    while True:
        port = random.randrange(first, last)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """A child process with a log file; as a context manager it is started and stopped."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.environment = environment
        self.cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After a failure its cause counts, and not an error while stopping.
        self.stop() if error is None else self.kill()

    @property
    def pid(self) -> int:
        """The process id. Raises PartError when it was never started or was stopped."""
        if self._child is None:
            raise PartError(f"{self.name} is not started")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal), or None while it runs or is not started."""
        return None if self._child is None else self._child.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and has neither ended nor been stopped; frozen counts too."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it. Raises PartError when it already runs."""
        if self.running:
            raise PartError(f"{self.name} runs already")
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [SETPRIV, "--pdeathsig", "KILL", "--", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.cwd,
                process_group=0,
            )
        # From here on it is killed with this thread, and signals reach the program itself.
        with suppress(*GONE):
            while Path(f"/proc/{self.pid}/exe").readlink() == SETPRIV:
                time.sleep(0.001)

    def stop(self, timeout: float = STOP_SECONDS) -> int | None:
        """End it by SIGTERM and return its exit code; None when it was not started.

        Raises PartError, after SIGKILL, when it has not ended in `timeout` seconds.
        """
        if self._child is None:
            return None
        child, self._child = self._child, None
        # A stopped process handles only SIGKILL and SIGCONT; one that has ended, no signal.
        child.terminate()
        child.send_signal(signal.SIGCONT)
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise PartError(
                f"{self.name} did not end within {timeout:g} s of SIGTERM\n{self.tail()}"
            ) from None
        finally:
            child.kill()  # nothing happens when it has ended
            child.wait()

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would; nothing happens when it does not run."""
        if self._child is not None:
            child, self._child = self._child, None
            child.kill()
            child.wait()

    def freeze(self) -> None:
        """Stop its execution: connections stay open and are accepted, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Resume it after `freeze`."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop it, if it runs, and start it again."""
        self.stop()
        self.start()

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log, headed by the log's name."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"--- {self.log.name}, last lines:", *text.splitlines()[-lines:]])


class Server(Process):
    """A process that listens on one TCP port of 127.0.0.1, the same one at every start.

    A `port` of 0 becomes a free one at the first start. A class whose configuration files contain
    the port overrides `configure`, which is called before each start.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, command, log, environment=environment)
        self.port = port

    def configure(self) -> None:
        """Write the configuration for `self.port`."""

    def start(self) -> None:
        """Start it and wait until it listens. Raises PartError."""
        attempts = 1 if self.port else 5  # another process may take a free port before we do
        for attempt in range(attempts):
            if attempts > 1:
                self.port = free_port()
            self.configure()
            super().start()
            try:
                self._wait_until_listening()
            except PartError:
                self.kill()
                if attempt == attempts - 1:
                    if attempts > 1:
                        self.port = 0
                    raise
            else:
                return

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(self.pid, self.port):
            if not self.running:
                raise PartError(f"{self.name} ended with {self.exit_code} at start\n{self.tail()}")
            if time.monotonic() > deadline:
                raise PartError(
                    f"{self.name} does not listen on port {self.port} after {START_SECONDS:g} s"
                    f"\n{self.tail()}"
                )
            time.sleep(0.005)


def _listens(pid: int, port: int) -> bool:
    # An accepted connection could be another server's, which took the port before this one.
    sockets = set()
    with suppress(*GONE):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(*GONE):  # that descriptor is closed
                sockets.add(str(descriptor.readlink()))
    listed = [Path("/proc/net", family).read_text().splitlines()[1:] for family in ("tcp", "tcp6")]
    for line in chain(*listed):
        fields = line.split()  # 1: local address, 3: state (0A is LISTEN), 9: inode
        local = fields[1].endswith(f":{port:04X}")
        if local and fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            return True
    return False

"""A terminal for tests: a pane of a separate tmux server, with a size that the test chooses.

Rules: the server runs in the foreground as a child, so that it never outlives the test. It reads no
configuration, and has its socket in the test's directory. A pane's content is read as plain text,
or with the escape sequences that draw it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import TOP
from tests.support.daemon import wait
from tests.support.part import Part
from tests.support.process import Process

UTF8 = "C.UTF-8"


class Tmux(Part):
    """A server; each pane is a separate session."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "tmux"
        own = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TERM")}
        self._environment = {**own, "LC_ALL": UTF8}
        self._server = Process(
            "tmux",
            ["/usr/bin/tmux", "-u", "-f", "/dev/null", "-S", str(self._socket), "-D"],
            directory / "tmux.log",
            environment=self._environment,
            cwd=TOP,
        )
        self._panes = 0

    def set_up(self) -> None:
        """Start the server."""
        self._server.start()
        wait("tmux", self._socket.exists)

    def close(self) -> None:
        """Stop it, and the programs in its panes."""
        self._server.kill()

    def pane(self, command: Sequence[str | Path], width: int, height: int) -> Pane:
        """Run a command in a pane of this size; it stays when the command has ended."""
        self._panes += 1
        name = f"pane{self._panes}"
        self.ask("new-session", "-d", "-s", name, "-x", width, "-y", height, *command)
        return Pane(self, f"{name}:")

    def ask(self, *arguments: object) -> str:
        """Send the server a command; return its output."""
        return subprocess.run(
            ["/usr/bin/tmux", "-N", "-S", self._socket, *map(str, arguments)],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout


class Pane:
    """A terminal with a program, and its content."""

    def __init__(self, server: Tmux, name: str) -> None:
        self._server = server
        self._name = name

    @property
    def text(self) -> str:
        """Its content as plain text."""
        return self._server.ask("capture-pane", "-p", "-t", self._name)

    @property
    def drawn(self) -> str:
        """The same, with the escape sequences for colours and styles."""
        return self._server.ask("capture-pane", "-e", "-p", "-t", self._name)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._server.ask("send-keys", "-t", self._name, *keys)

    def resize(self, width: int, height: int) -> None:
        """Resize it."""
        self._server.ask("resize-window", "-t", self._name, "-x", width, "-y", height)

    def wait_for(self, *texts: str) -> str:
        """Wait until it shows all of these, with line breaks as blanks; return the whole text."""

        def shown() -> str:
            text = self.text
            plain = " ".join(text.split())
            return text if all(each in plain for each in texts) else ""

        try:
            return wait(f"{texts}", shown)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows this:\n{self.text}") from None

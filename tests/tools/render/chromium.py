"""Debian's Chromium, driven over a pair of pipes by its DevTools protocol.

Rules: one thread uses a connection. Answers to commands come in any order, events in between; both
are queued here until they are read. No process and no file is left behind.

Source: Chrome DevTools Protocol, "--remote-debugging-pipe": messages end with a null byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root has none, and the pages are this project's
    "--remote-debugging-pipe",
    "--hide-scrollbars",  # so that a page has the requested width
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
)
CHUNK = 1 << 16
END = b"\0"

Json = dict[str, Any]


class BrowserError(Exception):
    """The browser rejected a command, exited, or did not answer in time."""


class Chromium:
    """A browser without a window, as a context manager."""

    def __enter__(self) -> Chromium:
        program = next((path for path in map(shutil.which, PROGRAMS) if path), None)
        if program is None:
            raise BrowserError("there is no Chromium: tests/tools/install dashboards")
        self._profile = tempfile.mkdtemp(prefix="render-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        start = 'exec "$@" 3<&"$THEIRS_IN" 4>&"$THEIRS_OUT"'
        high = [_above(each) for each in (theirs_in, theirs_out)]
        self._process = subprocess.Popen(
            ["bash", "-c", start, "bash", program, *FLAGS, f"--user-data-dir={self._profile}"],
            env={**os.environ, "THEIRS_IN": str(high[0]), "THEIRS_OUT": str(high[1])},
            pass_fds=high,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for each in high:
            os.close(each)
        self._number = 0
        self._rest = b""
        self._answers: dict[int, Json] = {}
        self._events: deque[Json] = deque()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._in, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(5)  # it exits when its pipe is closed
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, *, session: str = "", timeout: float = 30, **given: Any) -> Json:
        """Send a command and return its result. Raises BrowserError."""
        self._number += 1
        number = self._number
        message: Json = {"id": number, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + END)
        deadline = time.monotonic() + timeout
        while number not in self._answers:
            self._read(deadline, method)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: Json = answer["result"]
        return result

    def event(self, session: str, *, timeout: float) -> Json:
        """Return the next event of a session, with `method` and `params`. Raises BrowserError."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event.get("sessionId") == session:
                    self._events.remove(event)
                    return event
            self._events.clear()  # of ended sessions
            self._read(deadline, "an event")

    def _read(self, deadline: float, awaited: str) -> None:
        if not self._selector.select(deadline - time.monotonic()):
            raise BrowserError(f"the browser did not answer in time: {awaited}")
        chunk = os.read(self._in, CHUNK)
        if not chunk:
            raise BrowserError("the browser has ended")
        *whole, self._rest = (self._rest + chunk).split(END)
        for text in whole:
            message = json.loads(text)
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._events.append(message)


def _above(descriptor: int) -> int:
    """Duplicate the descriptor to a number that the shell does not use."""
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20)
    os.close(descriptor)
    return higher

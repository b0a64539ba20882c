"""A total time limit for the operations on a socket.

The timeout of a socket restarts with each byte: a peer that sends byte by byte can block it for
ever. Here another thread shuts the socket down, so that a blocked read returns its end.

Rules: one thread at a time uses a `Deadline`, except for `abort`. The watcher thread continues
between spans: starting a thread for each takes half as long as a request to a local database. It
ends when it wakes up and no span is under way, and with `close`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Deadline:
    """Shuts a socket down after a total time limit."""

    def __init__(self) -> None:
        self.expired = False  # in the latest span
        self._sock: socket.socket | None = None
        self._end = 0.0
        self._under_way = False
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._wakes = 0.0  # when the watcher wakes, at the latest

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[Deadline]:
        """Limit the operations in the block to so many seconds, from now on."""
        with self._changed:
            self.expired, self._under_way = False, True
            self._end = time.monotonic() + seconds
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="deadline", daemon=True)
                self._watcher.start()
            elif self._end < self._wakes:
                self._changed.notify()
        try:
            yield self
        finally:
            with self._changed:
                self._under_way = False

    def watch(self, sock: socket.socket | None) -> None:
        """Shut down this socket when the time is over, instead of the one before."""
        self._sock = sock
        if self.expired:  # in the meantime
            self.abort()

    def left(self) -> float:
        """Return the seconds left, at least 0.01. Raises TimeoutError if none are left."""
        if self.expired:
            raise TimeoutError("timed out")
        return max(0.01, self._end - time.monotonic())

    def abort(self) -> None:
        """End the span under way, from any thread."""
        self.expired = True
        if self._sock is not None:
            with contextlib.suppress(OSError):  # the socket is closed already
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop watching; the socket is unchanged."""
        with self._changed:
            self._under_way, self._sock = False, None
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while self._under_way:
                self._wakes = self._end
                left = self._end - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                else:
                    self.abort()
                    self._under_way = False
            self._watcher = None


@contextlib.contextmanager
def shutdown_after(sock: socket.socket, seconds: float) -> Iterator[Deadline]:
    """Shut `sock` down after so many seconds; `expired` of the deadline says whether it did."""
    deadline = Deadline()
    deadline.watch(sock)
    try:
        with deadline.within(seconds):
            yield deadline
    finally:
        deadline.close()

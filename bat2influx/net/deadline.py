"""A time limit in all for what is done with a socket.

The timeout of a socket begins anew with each byte: a peer that drips holds it for ever. Here
the kernel ends it, from another thread: whoever reads from the socket meets with its end.

Rules: one `Deadline` is used by one thread at a time, but for `cut`. The thread that watches over
it outlives a span: to start one for each takes as long as half of a request to a database nearby.
It ends when it wakes up and nothing is under way, and with `close`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Deadline:
    """Shuts a socket down once the time for all that is done with it is over."""

    def __init__(self) -> None:
        self.expired = False  # in the latest span
        self._sock: socket.socket | None = None
        self._end = 0.0
        self._under_way = False
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._wakes = 0.0  # when, at the latest

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[Deadline]:
        """Give what is done meanwhile so many seconds, from now on."""
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
        """Have this one shut down when the time is up, in place of the one before."""
        self._sock = sock
        if self.expired:  # just now
            self.cut()

    def left(self) -> float:
        """Return the seconds that are left, 0.01 at the least. Raises TimeoutError: none are."""
        if self.expired:
            raise TimeoutError("timed out")
        return max(0.01, self._end - time.monotonic())

    def cut(self) -> None:
        """End what is under way, from any thread."""
        self.expired = True
        if self._sock is not None:
            with contextlib.suppress(OSError):  # it has ended just now
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Watch no more; the socket stays as it is."""
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
                    self.cut()
                    self._under_way = False
            self._watcher = None


@contextlib.contextmanager
def cut_after(sock: socket.socket, seconds: float) -> Iterator[Deadline]:
    """Shut `sock` down once so many seconds are over; the deadline tells whether that happened."""
    deadline = Deadline()
    deadline.watch(sock)
    try:
        with deadline.within(seconds):
            yield deadline
    finally:
        deadline.close()

"""A time limit in all for what is done with a socket.

The timeout of a socket begins anew with each byte, so that a peer that drips holds it for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def cut_after(sock: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Shut `sock` down once so many seconds are over; the event tells whether that has happened.

    The kernel does it, from another thread: whoever reads from the socket meets with its end.
    """
    over = threading.Event()

    def cut() -> None:
        over.set()
        with contextlib.suppress(OSError):  # it has ended just now
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, seconds), cut)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()

"""Name resolution with a time limit, which the C library does not have.

A resolver that hangs keeps its thread until it gives up. Whoever asks for the same name meanwhile
waits for that answer, so that threads do not pile up; an answer that came too late for one attempt
serves the next, so that a slow resolver is no different from a name that is unknown for a while.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

_lock = threading.Lock()
_open: dict[tuple[str, int], _Question] = {}  # asked, and the answer not fetched yet


class _Question(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"resolving {host}", daemon=True)
        self.host, self.port = host, port
        self.found: list[Any] = []
        self.error: OSError | None = None

    def run(self) -> None:
        try:
            self.found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            self.error = error
        except UnicodeError as error:  # a label of the name is too long
            self.error = OSError(str(error))


def resolve(host: str, port: int, timeout: float) -> list[Any]:
    """Return what socket.getaddrinfo does; raise TimeoutError or OSError if not in `timeout` s."""
    with _lock:
        question = _open.get((host, port))
        if question is None:
            question = _Question(host, port)
            question.start()
            _open[host, port] = question
    question.join(timeout)
    if question.is_alive():
        raise TimeoutError(f"name resolution of {host} takes more than {timeout:.1f} s")
    with _lock:
        if _open.get((host, port)) is question:
            del _open[host, port]
    if question.error:
        raise question.error
    return question.found

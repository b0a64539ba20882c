"""Name resolution with a time limit, which the C library does not have.

A hanging resolver blocks its thread until it returns. Further calls for the same name wait for that
answer, so that threads do not accumulate; an answer that is too late for one attempt serves the
next, so that a slow resolver looks like a name that is unknown for a while. After STUCK seconds
without an answer the thread is given up: the next attempt starts a new one, because the resolver
may work again. There are at most MAX_STUCK abandoned threads.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

STUCK = 300.0  # s; resolv.conf(5) allows 30 s five times for one name server
MAX_STUCK = 8  # abandoned threads; each reserves 8 MB of addresses, and uses almost no memory

_lock = threading.Lock()
_open: dict[tuple[str, int], _Question] = {}  # under way, or not fetched yet
_stuck: list[_Question] = []


class _Question(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"resolving {host}", daemon=True)
        self.host, self.port = host, port
        self.began = time.monotonic()
        self.found: list[Any] = []
        self.error: OSError | None = None

    def run(self) -> None:
        try:
            self.found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            self.error = error
        except UnicodeError as error:  # a label of the name is too long
            self.error = OSError(str(error))

    @property
    def is_stuck(self) -> bool:
        return self.is_alive() and time.monotonic() >= self.began + STUCK


def resolve(host: str, port: int, timeout: float) -> list[Any]:
    """Return the result of socket.getaddrinfo. Raises OSError; TimeoutError after `timeout` s."""
    with _lock:
        question = _asked(host, port)
    question.join(timeout)
    if question.is_alive():
        raise TimeoutError(f"name resolution of {host} takes more than {timeout:.1f} s")
    with _lock:
        if _open.get((host, port)) is question:
            del _open[host, port]
    if question.error:
        raise question.error
    return question.found


def _asked(host: str, port: int) -> _Question:
    """Return the resolution under way, or start a new one."""
    question = _open.get((host, port))
    if question is not None and question.is_stuck:
        _stuck[:] = [each for each in _stuck if each.is_alive()]
        if len(_stuck) < MAX_STUCK:
            _stuck.append(question)
            question = None
    if question is None:
        question = _Question(host, port)
        question.start()
        _open[host, port] = question
    return question

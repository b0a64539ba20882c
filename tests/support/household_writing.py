"""Writes lines into real databases, in large requests, while the caller makes the next lines.

Rules: a request that fails, even in part, ends the run: `close` raises its error. At most one
request per server is under way, so that memory stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tests.standins.databases.database_server import DatabaseServer

TOGETHER = 40_000  # lines in a request
PATIENCE = 120.0  # s


class Writing:
    """A writer of lines into a database of each of these servers."""

    def __init__(self, servers: Sequence[DatabaseServer], db: str) -> None:
        self._servers = servers
        self._db = db
        self._lines: list[bytes] = []
        self._pool = ThreadPoolExecutor(len(servers))
        self._pending: list[Future[bytes]] = []
        self.count = 0

    def __enter__(self) -> Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._send()
                self._settle()
        finally:
            self._pool.shutdown()

    def add(self, lines: Iterable[bytes]) -> None:
        """Write lines, now or later. Raises the error of an earlier request."""
        self._lines += lines
        if len(self._lines) >= TOGETHER:
            self._send()

    def _send(self) -> None:
        self._settle()
        if not self._lines:
            return
        body = b"\n".join(self._lines)
        self.count += len(self._lines)
        self._lines.clear()
        self._pending = [
            self._pool.submit(server.ask, "/write", {"db": self._db}, body, timeout=PATIENCE)
            for server in self._servers
        ]

    def _settle(self) -> None:
        for each in self._pending:
            each.result()
        self._pending.clear()

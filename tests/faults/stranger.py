"""Somebody else on the broker's port, who does not talk as a broker does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from tests.faults.house import House


class Stranger(ThreadingTCPServer):
    """Does `talk` on each connection, and then ends it; `calls` counts them."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], talk: Callable[[socket.socket], object]) -> None:
        self.calls = 0
        self._talk = talk
        super().__init__(address, BaseRequestHandler)

    def finish_request(self, request: object, client_address: object) -> None:
        """Talk."""
        assert isinstance(request, socket.socket)
        self.calls += 1
        with suppress(OSError, IndexError):  # IndexError: it ended within a packet
            self._talk(request)


@contextmanager
def stranger(house: House, talk: Callable[[socket.socket], object]) -> Iterator[Stranger]:
    """Have the broker be off for a block, and a stranger in its place."""
    house.broker.stop()
    try:
        with Stranger((house.address("gx"), house.broker.port), talk) as made:
            threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield made
            finally:
                made.shutdown()
    finally:
        house.broker.start()

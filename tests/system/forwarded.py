"""A port of a machine, on the host's loopback: for a browser, which has to run on the host.

Rules: connections are made by a thread that has entered the machine's network for good, because a
socket belongs to the network in which it was created. A connection ends with either side of it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from contextlib import suppress
from queue import SimpleQueue

from tests.support.part import Part

HOST = "127.0.0.1"
CLONE_NEWNET = 0x4000_0000  # setns(2)
CHUNK = 65_536  # bytes
DEADLINE = 30.0  # s to connect


class Forwarded(Part):
    """Listens while it is in use, and forwards to `port` of the process `leader`'s network."""

    def __init__(self, leader: int, port: int) -> None:
        self._target = HOST, port
        self._network = os.open(f"/proc/{leader}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._server = socket.create_server((HOST, 0))
        self._accepted: SimpleQueue[socket.socket | None] = SimpleQueue()
        self.port: int = self._server.getsockname()[1]

    def set_up(self) -> None:
        """Accept connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=self._connect, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepted.put(None)

    def _accept(self) -> None:
        with suppress(OSError):  # the server is closed
            while True:
                self._accepted.put(self._server.accept()[0])

    def _connect(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        entered = libc.setns(self._network, CLONE_NEWNET)
        os.close(self._network)
        assert entered == 0, os.strerror(ctypes.get_errno())
        while (here := self._accepted.get()) is not None:
            there = socket.create_connection(self._target, DEADLINE)
            there.settimeout(None)
            for pair in ((here, there), (there, here)):
                threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)

"""A time limit for an HTTP request in all, which `requests` does not have.

Its own timeout begins anew with each byte, so that an answer that drips holds it for ever. Here the
socket is made by the cutter, and shut down when the time is up.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter

from bat2influx import names


class Cutter:
    """The time limit of a request in all: makes its socket, and shuts it down when time is up."""

    def __init__(self, host: str, port: int) -> None:
        self.expired = False
        self.reached = True  # whether the server may have seen something of the request
        self._host, self._port = host, port
        self._sock: socket.socket | None = None
        self._end = 0.0

    @contextlib.contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        self.expired, self.reached = False, True
        self._end = time.monotonic() + seconds
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        self.expired = True
        if self._sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def connect(self) -> socket.socket:
        """Return a socket connected to the first address that answers in half of the time left."""
        failure = OSError("no address")
        self.reached = False
        most = 0.8 * self._left()  # so that it is not the cutter that ends it, without a reason
        for family, kind, protocol, _, address in names.resolve(self._host, self._port, most):
            self._sock = sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left() / 2)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self._left())
            except OSError as error:
                sock.close()
                failure = error
            else:
                self.reached = True
                return sock
        raise failure

    def _left(self) -> float:
        if self.expired:
            raise TimeoutError("timed out")
        return max(0.01, self._end - time.monotonic())


class Adapter(HTTPAdapter):  # type: ignore[misc]
    """Has the cutter make the connections."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        cutter = self._cutter

        class Connection(urllib3.connection.HTTPConnection):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                return cutter.connect()

        class Pool(urllib3.HTTPConnectionPool):  # type: ignore[misc]
            ConnectionCls = Connection

        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool}

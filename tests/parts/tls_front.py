"""TLS in front of a real server that speaks none, or that cannot ask for a client's certificate.

Rules: it passes on to a port of 127.0.0.1 what a client says after the handshake, and back what
the server answers, and knows nothing of either. Without a handshake nothing reaches the server.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

from tests.parts.certificates import Certificate
from tests.parts.peers import Peer


class TlsFront(Peer):
    """Shows `certificate` on `port`, and passes on to the server at port `to`.

    With `clients` a client has to show a certificate that this authority has signed. What the
    clients have shown is in `shown`, their common names, and why some were refused in `refused`.
    """

    def __init__(
        self, to: int, certificate: Certificate, *, clients: Certificate | None = None
    ) -> None:
        self.shown: list[str] = []
        self.refused: list[str] = []
        self._to = to
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.cert, certificate.key)
        if clients is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(clients.cert)
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Do the handshake, and pass on until either side ends."""
        try:
            secured = self._context.wrap_socket(connection, server_side=True)
        except OSError as error:
            self.refused.append(getattr(error, "reason", None) or str(error))
            return
        self.shown += _common_names(secured)
        with secured, socket.create_connection(("127.0.0.1", self._to)) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self.closing.is_set():  # one thread alone may use a TLS connection
                both = [secured, server]
                ready = [secured] if secured.pending() else select.select(both, [], [], 0.1)[0]
                for source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    (server if source is secured else secured).sendall(data)


def _common_names(secured: ssl.SSLSocket) -> list[str]:
    shown: Any = secured.getpeercert() or {}
    return [
        value for part in shown.get("subject", ()) for name, value in part if name == "commonName"
    ]

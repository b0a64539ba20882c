"""TLS in front of a real server that has none, or that cannot require a client certificate.

Rules: after the handshake it relays the bytes of client and server, to a port of 127.0.0.1 and
back, without interpreting them. Without a handshake nothing reaches the server.
"""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.standins.network.certificates import Certificate
from tests.standins.network.mqtt_peers import Peer


class TlsFront(Peer):
    """Serves TLS with `certificate` on `port`, and relays to the server at port `to`.

    With `clients` a client has to send a certificate that this authority has signed. `shown` has
    the common names of the clients' certificates, `refused` the reasons of rejected handshakes.
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
        """Do the handshake, and relay until either side ends."""
        secured = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        try:
            secured.do_handshake()
        except OSError as error:
            self.refused.append(getattr(error, "reason", None) or str(error))
            _end(secured)
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


def client_certificate(directory: Path, by: Certificate, *, name: str = "client") -> Certificate:
    """Make a certificate for a client called `name`, signed by `by`, in `name`.pem and .key.

    Its extended key usage is that of a client; those from `certificates` are for servers.
    """
    cert, key, request, extensions = (
        directory / f"{name}.{kind}" for kind in ("pem", "key", "csr", "ext")
    )
    extensions.write_text("basicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth\n")
    new = "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", f"/CN={name}"
    _openssl("req", *new, "-out", request)
    signed = "-CA", by.cert, "-CAkey", by.key, "-CAcreateserial", "-extfile", extensions
    _openssl("x509", "-req", "-in", request, *signed, "-days", "365", "-out", cert)
    digest = sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).digest()
    return Certificate(cert, key, digest.hex(":").upper())


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _end(refused: ssl.SSLSocket) -> None:
    """Read until the other side ends, because a reset would overtake the last bytes sent."""
    with refused, suppress(OSError):
        socket.socket.shutdown(refused, socket.SHUT_WR)
        while socket.socket.recv(refused, 65_536):
            pass


def _common_names(secured: ssl.SSLSocket) -> list[str]:
    shown: Any = secured.getpeercert() or {}
    return [
        value for part in shown.get("subject", ()) for name, value in part if name == "commonName"
    ]

"""A link with TLS.

TLS never has to wait for the other direction here: without renegotiation it reads only to read, and
writes only to write.
"""

from __future__ import annotations

import ssl
from typing import Any

from bat2influx.mqtt.link import RECEIVE, Link
from bat2influx.net.tls import peer_certificate


class SecuredLink(Link):
    """A connected socket after the handshake."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._secured = sock

    @property
    def pending(self) -> bool:
        """Whether there is read-ahead data, here or in OpenSSL, which select() does not see."""
        return super().pending or self._secured.pending() > 0

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate, in DER."""
        return peer_certificate(self._secured)

    @property
    def certificate_fields(self) -> dict[str, Any]:
        """The certificate's content, as from ssl.SSLSocket.getpeercert; {} if not verified."""
        return dict(self._secured.getpeercert() or {})

    @property
    def version(self) -> str | None:
        """The version of TLS, such as TLSv1.3."""
        return self._secured.version()

    def send(self, data: bytes) -> int:
        """Return how many bytes were sent; BlockingIOError if there is no room yet."""
        try:
            return self._secured.send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None

    def _receive(self) -> bytes:
        try:
            return self._secured.recv(RECEIVE)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None

"""One end of a TCP connection in asyncio, with or without TLS.

Rules: TLS is OpenSSL's over two buffers in memory, so that each byte of a handshake can be delayed,
and no byte is read that OpenSSL would leave unread. Closing a connection with unread bytes makes
the kernel reset it; real brokers end connections with bytes that they do not understand like that.
"""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress

_CHUNK = 65_536


class Line:
    """A connection without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ahead = b""

    async def receive(self) -> bytes:
        """Return received bytes, or b"" at the end. Raises OSError on an error."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        return await self._receive()

    async def take(self, size: int) -> bytes:
        """Return exactly `size` bytes. Raises EOFError when they do not come."""
        while len(self._ahead) < size:
            more = await self._receive()
            if not more:
                raise EOFError
            self._ahead += more
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken

    async def send(self, data: bytes) -> None:
        """Send, and wait while the peer does not take what it was sent before."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        """Send all queued bytes and end the connection."""
        self._writer.close()
        await self._closed()

    async def drop(self) -> None:
        """End it as the kernel does for a program that closes it: by RST if bytes are unread."""
        if self._unread():
            linger = struct.pack("ii", 1, 0)
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self.abort()

    async def abort(self) -> None:
        """End it now, and drop bytes that the peer has not yet received."""
        self._writer.transport.abort()
        await self._closed()

    async def _receive(self) -> bytes:
        return await self._reader.read(_CHUNK)

    def _unread(self) -> bool:
        return bool(self._ahead)

    async def _closed(self) -> None:
        with suppress(OSError):
            await self._writer.wait_closed()


class TlsLine(Line):
    """A connection in TLS, the server's end; `shake_hands` comes first."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        super().__init__(reader, writer)
        self.first = b""  # the first bytes that came: too few to hold a secret
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def shake_hands(self, drip: float) -> None:
        """Do the handshake; with `drip` send byte by byte, that many seconds apart.

        Raises ssl.SSLError, EOFError or OSError, after it has sent the peer OpenSSL's alert.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._drip(drip)
                await self._feed()
                if self._incoming.eof:
                    raise EOFError from None
            except ssl.SSLError:
                await self._drip(drip)
                raise
            else:
                return await self._drip(drip)

    async def ignore(self) -> None:
        """Answer nothing until the peer disconnects."""
        while await super()._receive():
            pass

    async def send(self, data: bytes) -> None:
        """Send, and wait while the peer does not take what it was sent before."""
        self._tls.write(data)
        await super().send(self._outgoing.read())

    async def close(self) -> None:
        """Send close_notify and all queued bytes, and end the connection."""
        with suppress(ssl.SSLError):  # no close_notify from the peer yet, or no handshake
            self._tls.unwrap()
        self._writer.write(self._outgoing.read())
        await super().close()

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                self._writer.write(self._outgoing.read())
                if self._incoming.eof:
                    return b""
                await self._feed()

    async def _feed(self) -> None:
        chunk = await super()._receive()
        self.first = (self.first + chunk)[:8]
        self._incoming.write(chunk) if chunk else self._incoming.write_eof()

    async def _drip(self, pause: float) -> None:
        data = self._outgoing.read()
        if not pause:
            await super().send(data)
            return
        for byte in data:
            await super().send(bytes([byte]))
            await asyncio.sleep(pause)

    def _unread(self) -> bool:
        return bool(self._ahead or self._incoming.pending)

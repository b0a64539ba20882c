"""One request and its answer, in HTTP/1.1, on a connected socket; http.client parses the answer.

The caller supplies the bytes of the request. The answer is bounded in size, and in time by the
deadline: http.client itself accepts lines of 64 KiB, for which the parser of headers needs ten
times the memory.

Rules: the head of an answer counts once it is complete, whatever happens to its body. Nothing is
decompressed, no redirect followed, no cookie kept. A body that is not read to its end, or data
after it, closes the connection.

Source: RFC 9112 (messages), sections 4 to 7 and 9.3; RFC 9110, section 15.2 (interim answers).
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from bat2influx.service import lean_imports

with lean_imports.imports_of_http_client():
    from http.client import HTTPException, HTTPResponse

MAX_BODY = 64 * 1024  # bytes of an answer that are read; a list of databases is far shorter
LONGEST_LINE = 8192  # bytes of the status line, of each header, and of a chunk's size line
MAX_HEADERS = 100  # including the empty line at the end; http.client's own bound
_CHUNK = 8192  # bytes
_BEGINS = b"HTTP/"


class NoHttpError(Exception):
    """The answer is not HTTP; `begun` has its first bytes."""

    def __init__(self, begun: bytes = b"") -> None:
        super().__init__("no HTTP")
        self.begun = begun[:8]


class NoAnswerError(ConnectionError):
    """The connection was closed before an answer came."""


class Headers(Mapping[str, str]):
    """The headers of an answer, by names in any case; the first of several equal names."""

    def __init__(self) -> None:
        self._by_name: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, name: str, value: str) -> None:
        """Add a header, unless the name exists."""
        self._by_name.setdefault(name.lower(), value)


class Answer(NamedTuple):
    """An answer; `whole` is whether the complete body was read.

    `reason` is the reason phrase. `kept` is whether the connection can be used again.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    kept: bool


class _Stream(io.BufferedReader):
    """Buffered input of a socket, in lines that are bounded and complete.

    It also stands in for the socket, from which http.client requests a file.
    """

    first = b""  # the first line that was read

    def makefile(self, _mode: str) -> _Stream:
        """Return itself."""
        return self

    def close(self) -> None:
        """Stay open, although http.client closes the file after an answer."""

    def readline(self, _size: int | None = -1) -> bytes:
        """Return a line. Raises NoHttpError if it is too long, NoAnswerError if incomplete."""
        line = super().readline(LONGEST_LINE + 1)
        self.first = self.first or line
        if len(line) > LONGEST_LINE:
            raise NoHttpError(self.first)
        if not line.endswith(b"\n"):
            begun = self.first[: len(_BEGINS)]
            if begun != _BEGINS[: len(begun)]:
                raise NoHttpError(begun)
            raise NoAnswerError("no complete answer")
        return line


def exchange(
    sock: socket.socket,
    method: str,
    request: bytes,
    begun: Callable[[], None] = lambda: None,
    most: int = MAX_BODY,
) -> Answer:
    """Send a request, made with `method`; return its answer.

    `begun` is called when the head of the answer is complete; at most `most` bytes of its body are
    read. A server may answer and close the connection before it has read all of a request: then the
    answer counts. Raises OSError, including NoAnswerError, and NoHttpError.
    """
    ended: OSError | None = None
    try:
        sock.sendall(request)
    except (BrokenPipeError, ConnectionResetError) as error:
        ended = error
    raw: Any = sock.makefile("rb", buffering=0)
    with raw:
        stream = _Stream(raw)
        try:
            response = _read_head(stream, method)
        except NoAnswerError:
            if isinstance(ended, ConnectionResetError):
                raise ended from None
            raise
        begun()
        body, whole = _read_body(response, method, most)
        kept = whole and not response.will_close and ended is None
        kept = kept and not _has_more(sock, stream)
    headers = Headers()
    for name, value in response.headers.items():
        headers.add(name, " ".join(value.split()))
    return Answer(response.status, response.reason.strip(), headers, body, whole, kept)


def _read_head(stream: _Stream, method: str) -> HTTPResponse:
    """Return the head of the final answer, after interim answers (1xx)."""
    while True:
        response = HTTPResponse(stream, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
        except HTTPException:
            raise NoHttpError(stream.first) from None
        if response.status >= 200 or response.status == 101:
            return response


def _read_body(response: HTTPResponse, method: str, most: int) -> tuple[bytes, bool]:
    """Return the received part of the body, and whether it is complete.

    A reset after an answer does not invalidate it. A compressed body counts as empty, because the
    request did not allow compression.
    """
    if method == "CONNECT" and response.status // 100 == 2:
        response.will_close = False  # further data is from the server behind the proxy
        return b"", True
    counted = response.length is not None
    body, whole = bytearray(), False
    try:
        while part := response.read1(_CHUNK):
            body += part
            if len(body) > most:
                break
        else:
            whole = not (counted and response.length)
    except (OSError, HTTPException, NoHttpError, ValueError):
        pass
    packed = response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity")
    return (b"", False) if body and packed else (bytes(body[:most]), whole)


def _has_more(sock: socket.socket, stream: _Stream) -> bool:
    """Return whether there is data after an answer, which would count as the next answer."""
    before = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return bool(stream.peek(1))
    except OSError:  # no data, or a closed connection, which the next request detects
        return False
    finally:
        sock.settimeout(before)

"""One request and its answer, in HTTP/1.1, on a socket that is connected; http.client reads it.

What leaves are bytes that the caller has made. What comes is bounded in every direction but time,
which is the deadline's: http.client itself takes lines of 64 KiB, of which the parser of headers
needs ten times the size.

Rules: the head of an answer counts from its last line on, whatever becomes of its body. Nothing
is unpacked, no redirect followed, no cookie kept. What is not read to its end costs the connection,
and so does what comes behind it.

Source: RFC 9112 (messages), sections 4 to 7 and 9.3; RFC 9110, section 15.2 (interim answers).
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bat2influx.service import lean_imports

with lean_imports.imports_of_http_client():
    from http.client import HTTPException, HTTPResponse

MOST_BODY = 64 * 1024  # bytes of an answer that are read; a list of databases is far shorter
LONGEST_LINE = 8192  # bytes, of an answer's first line, of each of its headers, and of a chunk's
MOST_HEADERS = 100  # with the empty line at their end; it is http.client's own bound
_CHUNK = 8192  # bytes
_BEGINS = b"HTTP/"


class NoHttpError(Exception):
    """What came is no HTTP; `begun` is how it begins."""

    def __init__(self, begun: bytes = b"") -> None:
        super().__init__("no HTTP")
        self.begun = begun[:8]


class NoAnswerError(ConnectionError):
    """The connection ended before there was an answer."""


class Headers(Mapping[str, str]):
    """The headers of an answer, by any spelling of their names; of several alike the first."""

    def __init__(self) -> None:
        self._by_name: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, name: str, value: str) -> None:
        """Take in one more."""
        self._by_name.setdefault(name.lower(), value)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came; `whole` is whether all of the body did, and could be read.

    `words` are those of the status. `kept` is whether the connection takes a further request.
    """

    status: int
    words: str
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    kept: bool


class _Stream(io.BufferedReader):
    """What comes on a socket, in lines that are bounded and have an end.

    It stands for the socket, too, of which http.client asks for a file.
    """

    first = b""  # line that was read

    def makefile(self, _mode: str) -> _Stream:
        """Return itself."""
        return self

    def close(self) -> None:
        """Stay open: http.client closes what has no further answer for it."""

    def readline(self, _size: int | None = -1) -> bytes:
        """Return a line. Raises NoHttpError for a long one, NoAnswerError for half a one."""
        line = super().readline(LONGEST_LINE + 1)
        self.first = self.first or line
        if len(line) > LONGEST_LINE:
            raise NoHttpError(self.first)
        if not line.endswith(b"\n"):
            begun = self.first[: len(_BEGINS)]
            if begun != _BEGINS[: len(begun)]:
                raise NoHttpError(begun)
            raise NoAnswerError("no answer, or half a one")
        return line


def exchange(
    sock: socket.socket,
    method: str,
    request: bytes,
    begun: Callable[[], None] = lambda: None,
    most: int = MOST_BODY,
) -> Answer:
    """Send a request, made with `method`; return its answer.

    `begun` is called when the head of the answer is there, `most` is how many bytes of its body are
    read. A server that has had enough may answer
    and end the connection before it has all of a request: then the answer counts. Raises OSError,
    NoAnswerError among them, and NoHttpError.
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
    """Return the head of the answer, past those that only say that it is to come."""
    while True:
        response = HTTPResponse(stream, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
        except HTTPException:
            raise NoHttpError(stream.first) from None
        if response.status >= 200 or response.status == 101:
            return response


def _read_body(response: HTTPResponse, method: str, most: int) -> tuple[bytes, bool]:
    """Return the body as far as it came, and whether that is all.

    A reset behind an answer takes nothing of it away. A body that is packed is none, because
    nobody has asked for that.
    """
    if method == "CONNECT" and response.status // 100 == 2:
        response.will_close = False  # what follows is of the server behind the proxy
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
    """Return whether something lies behind an answer, which would count as that to the next."""
    before = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return bool(stream.peek(1))
    except OSError:  # nothing, or an end that the next request meets with
        return False
    finally:
        sock.settimeout(before)

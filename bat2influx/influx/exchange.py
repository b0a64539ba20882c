"""One request and its answer, in HTTP/1.1, on a socket that is connected.

What leaves are bytes that the caller has made. What comes is bounded in every direction but time,
which is the deadline's. http.client is not used: with the parser of mails that it has for headers
it takes 1 MB, and it reads lines of 64 KiB.

Rules: the head of an answer counts from its last line on, whatever becomes of its body. Nothing
is unpacked, no redirect followed, no cookie kept. What is not read to its end costs the connection.

Source: RFC 9112 (messages), sections 4 to 7 and 9.3; RFC 9110, section 15.2 (interim answers).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

MOST_BODY = 64 * 1024  # bytes of an answer that are read; a list of databases is far shorter
LONGEST_LINE = 8192  # bytes, of an answer's first line, of each of its headers, and of a chunk's
MOST_HEADERS = 100
_CHUNK = 8192  # bytes
_STATUS = re.compile(rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]([^\r\n]*))?\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n]*)\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_ENDS = (b"\r\n", b"\n")  # of a head, or of trailers
_BEGINS = b"HTTP/"


class NoHttpError(Exception):
    """What came is no HTTP; `begun` is how it begins."""

    def __init__(self, begun: bytes = b"") -> None:
        super().__init__("no HTTP")
        self.begun = begun[:8]


class NoAnswerError(ConnectionError):
    """The connection ended before there was an answer."""


class _BrokenBodyError(Exception):
    """A body is not framed as it has to be, or ends early."""


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


class _Head(NamedTuple):
    minor: int  # version of HTTP/1
    status: int
    words: str
    headers: Headers


def exchange(
    sock: socket.socket, method: str, request: bytes, begun: Callable[[], None] = lambda: None
) -> Answer:
    """Send a request, made with `method`; return its answer.

    `begun` is called when the head of the answer is there. A server that has had enough may answer
    and end the connection before it has all of a request: then the answer counts. Raises OSError,
    NoAnswerError among them, and NoHttpError.
    """
    ended: OSError | None = None
    try:
        sock.sendall(request)
    except (BrokenPipeError, ConnectionResetError) as error:
        ended = error
    with sock.makefile("rb") as stream:
        try:
            head = _read_head(stream)
        except NoAnswerError:
            if isinstance(ended, ConnectionResetError):
                raise ended from None
            raise
        begun()
        body, whole, framed = _read_body(stream, head, method)
    connection = head.headers.get("Connection", "").lower()
    stays = "close" not in connection if head.minor else "keep-alive" in connection
    kept = whole and framed and stays and ended is None
    return Answer(head.status, head.words, head.headers, body, whole, kept)


def _read_head(stream: BinaryIO) -> _Head:
    """Return the head of the answer, past those that only say that it is to come."""
    while True:
        line = _line(stream)
        match = _STATUS.fullmatch(line)
        if match is None:
            cut = not line.endswith(b"\n") and line[: len(_BEGINS)] == _BEGINS[: len(line)]
            raise NoAnswerError("no answer") if cut else NoHttpError(line)
        headers = _read_headers(stream)
        status = int(match[2])
        if status >= 200 or status == 101:
            words = (match[3] or b"").decode("latin-1").strip()
            return _Head(int(match[1]), status, words, headers)


def _read_headers(stream: BinaryIO) -> Headers:
    headers, name, value = Headers(), "", ""
    for _ in range(MOST_HEADERS + 1):
        line = _line(stream)
        if not line.endswith(b"\n"):
            raise NoAnswerError("half an answer")
        if name and line[:1] in b" \t":  # goes on with the one before
            value += " " + line.decode("latin-1").strip()
            continue
        if name:
            headers.add(name, value)
        if line in _ENDS:
            return headers
        match = _HEADER.fullmatch(line)
        name, value = "", ""
        if match is not None:  # what is no header is left out
            name, value = match[1].decode("ascii"), match[2].decode("latin-1").strip()
    raise NoHttpError


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise NoHttpError(line)
    return line


def _read_body(stream: BinaryIO, head: _Head, method: str) -> tuple[bytes, bool, bool]:
    """Return the body as far as it came, whether that is all, and whether its end shows.

    A reset behind an answer takes nothing of it away. A body that is packed is none, because
    nobody has asked for that.
    """
    length = _length(head, method)
    if length == 0:
        return b"", True, True
    coding = head.headers.get("Transfer-Encoding", "identity").lower()
    if coding == "chunked":
        parts, framed = _chunks(stream), True
    else:
        framed = length is not None and coding == "identity"
        parts = _counted(stream, length if framed else None)
    body, whole = bytearray(), False
    try:
        for part in parts:
            body += part
            if len(body) > MOST_BODY:
                break
        else:
            whole = True
    except (OSError, _BrokenBodyError):
        pass
    if body and head.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        return b"", False, framed
    return bytes(body[:MOST_BODY]), whole, framed


def _length(head: _Head, method: str) -> int | None:
    """Return how long the body is, 0 for none; None where nothing that counts says so."""
    if head.status in (101, 204, 304) or (method == "CONNECT" and head.status // 100 == 2):
        return 0
    said = head.headers.get("Content-Length", "")
    chunked = "Transfer-Encoding" in head.headers  # which comes before it
    return int(said) if not chunked and _LENGTH.fullmatch(said) else None


def _counted(stream: BinaryIO, left: int | None) -> Iterator[bytes]:
    """Yield the parts of a body with so many bytes, or with all up to the end."""
    while left is None or left > 0:
        part = stream.read1(_CHUNK if left is None else min(left, _CHUNK))  # type: ignore[attr-defined]
        if not part:
            if left is None:
                return
            raise _BrokenBodyError
        left = None if left is None else left - len(part)
        yield part


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the parts of a body that comes in chunks; what they say beside is left out."""
    while match := _SIZE.fullmatch(stream.readline(LONGEST_LINE + 1)):
        size = int(match[1], 16)
        if size == 0:
            for _ in range(MOST_HEADERS + 1):
                if stream.readline(LONGEST_LINE + 1) in _ENDS:
                    return
            break
        yield from _counted(stream, size)
        if stream.readline(3) not in _ENDS:
            break
    raise _BrokenBodyError

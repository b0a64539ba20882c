"""One request and its answer on a socket: which bytes count as an answer, and the bounds."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bat2influx.influx.exchange import (
    LONGEST_LINE,
    MAX_BODY,
    MAX_HEADERS,
    Answer,
    NoAnswerError,
    NoHttpError,
    exchange,
)

OK = b"HTTP/1.1 200 OK\r\n"
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection, with timeouts of 60 s."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60.0)
    theirs.settimeout(60.0)
    with ours, theirs:
        yield ours, theirs


def answered(
    data: bytes, method: str = "POST", *, ends: bool = True, most: int = MAX_BODY
) -> Answer:
    """Return the result for such an answer; then the connection `ends`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60.0)

        def say() -> None:
            try:
                theirs.sendall(data)
            except OSError:  # more than is wanted
                return
            if ends:
                theirs.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=say)
        thread.start()
        try:
            return exchange(ours, method, b"x", most=most)
        finally:
            ours.close()
            thread.join()


def test_a_request_is_sent_unchanged_and_the_connection_stays(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """`begun` is called when the head of the answer is complete."""
    ours, theirs = pair
    begun: list[int] = []
    theirs.sendall(b"HTTP/1.1 400 Bad Request \r\nX-A: b\r\nContent-Length: 2\r\n\r\nno")
    made = exchange(ours, "POST", b"one", lambda: begun.append(1))
    assert (made.status, made.reason, made.body) == (400, "Bad Request", b"no")
    assert (made.whole, made.kept, begun) == (True, True, [1])
    assert theirs.recv(9) == b"one"
    theirs.sendall(GONE)
    assert exchange(ours, "POST", b"two").status == 204
    assert theirs.recv(9) == b"two"


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (GONE, 204, "No Content"),
        (b"HTTP/1.0 204 No Content\n\n", 204, "No Content"),
        (b"HTTP/1.1 204\r\n\r\n", 204, ""),
        (b"HTTP/1.1  204  a\xfc \r\n\r\n", 204, "aü"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n" + GONE,
            204,
            "No Content",
        ),
        (b"HTTP/1.1 999 Odd\r\n\r\n", 999, "Odd"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", 101, "Switching"),
    ],
)
def test_interim_answers_are_skipped(data: bytes, status: int, words: str) -> None:
    """The status is that of the final answer."""
    made = answered(data)
    assert (made.status, made.reason, made.body, made.whole) == (status, words, b"", True)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02F",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2x4 No\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"\r\n" + GONE,
        b"HTTP/1.1 200 " + LONGEST_LINE * b"x" + b"\r\n\r\n",
        OK + b"X: " + LONGEST_LINE * b"x" + b"\r\n\r\n",
        OK + (MAX_HEADERS + 1) * b"X: y\r\n" + b"\r\n",
        OK + (MAX_HEADERS + 1) * b" y\r\n" + b"\r\n",
    ],
)
def test_other_protocols_and_oversized_heads_are_no_answer(data: bytes) -> None:
    """The error has the first bytes, which show an alert of TLS."""
    with pytest.raises(NoHttpError) as found:
        answered(data)
    assert found.value.begun in data


@pytest.mark.parametrize(
    "data", [b"", b"HT", b"HTTP/1.1 2", OK[:-1], OK, OK + b"X-", OK + b"X: y\r\n"]
)
def test_an_incomplete_head_is_no_answer(data: bytes) -> None:
    """Nothing of it counts, because a further header may change its meaning."""
    with pytest.raises(NoAnswerError):
        answered(data)


def test_lines_and_headers_may_reach_their_bounds() -> None:
    """The bounds themselves are allowed."""
    line = b"X: " + (LONGEST_LINE - 5) * b"x" + b"\r\n"
    made = answered(OK + line + (MAX_HEADERS - 3) * b"Y: z\r\n" + b"Content-Length: 0\r\n\r\n")
    assert len(made.headers["X"]) == LONGEST_LINE - 5
    assert made.kept
    assert http.client._MAXHEADERS == MAX_HEADERS


def test_headers_are_found_in_any_case() -> None:
    """The first of equal names counts; folded lines are joined; an invalid line ends all."""
    head = b"X-Influxdb-Version:1.8 \r\nx-influxdb-VERSION: 2\r\nFolded: a\r\n\t b\r\n"
    headers = answered(OK + head + b"no header\r\nContent-Length: 0\r\n\r\n").headers
    assert headers["x-influxdb-version"] == headers["X-Influxdb-Version"] == "1.8"
    assert headers.get("FOLDED") == "a b"
    assert set(headers) == {"x-influxdb-version", "folded"}
    assert len(headers) == 2


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "body", "whole", "kept"),
    [
        (OK + b"Content-Length: 3\r\n\r\nabcd", b"abc", True, False),
        (OK + b"Content-Length: 0\r\n\r\n", b"", True, True),
        (OK + b"Content-Length: 3\r\n\r\nab", b"ab", False, False),
        (OK + b"Content-Length: 3\r\nConnection: Close\r\n\r\nabc", b"abc", True, False),
        (OK + b"\r\nabc", b"abc", True, False),
        (OK + b"Content-Length: -3\r\n\r\nabc", b"abc", True, False),
        (OK + b"Content-Length: \xb2\r\n\r\nabc", b"abc", True, False),
        (OK + b"Content-Length: 9\r\nTransfer-Encoding: odd\r\n\r\nabc", b"abc", False, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", True, False),
        (
            b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\na",
            b"a",
            True,
            True,
        ),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", b"", True, True),
        (CHUNKED + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", b"abc", True, True),
        (CHUNKED + b"A \r\n0123456789\r\n00\r\nTrailer: x\r\n\r\n", b"0123456789", True, True),
        (CHUNKED + b"1\r\na\r\n", b"a", False, False),
        (CHUNKED + b"2\r\na", b"a", False, False),
        (CHUNKED + b"1\r\nabc\r\n0\r\n\r\n", b"a", False, False),
        (CHUNKED + b"odd\r\na\r\n0\r\n\r\n", b"", False, False),
        (CHUNKED + b"\r\n", b"", False, False),
        (CHUNKED + b"1;" + LONGEST_LINE * b"x" + b"\r\na\r\n0\r\n\r\n", b"", False, False),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", b"", False, False),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", b"", True, True),
        (OK + b"Content-Encoding: identity\r\nContent-Length: 1\r\n\r\na", b"a", True, True),
    ],
)
def test_a_body_ends_where_its_framing_says(
    data: bytes, body: bytes, whole: bool, kept: bool
) -> None:
    """An incomplete body is kept; only a complete one keeps the connection."""
    made = answered(data)
    assert (made.status, made.body, made.whole, made.kept) == (made.status, body, whole, kept)


@pytest.mark.parametrize("head", [b"\r\n", b"Content-Length: 9999999\r\n\r\n"])
def test_a_body_is_read_up_to_its_bound(head: bytes) -> None:
    """64 KiB; a longer one closes the connection."""
    made = answered(OK + head + b"x" * 10 * MAX_BODY, ends=False)
    assert (len(made.body), made.whole, made.kept) == (MAX_BODY, False, False)
    made = answered(OK + b"Content-Length: %d\r\n\r\n" % MAX_BODY + b"x" * MAX_BODY, ends=False)
    assert (len(made.body), made.whole, made.kept) == (MAX_BODY, True, True)


@pytest.mark.parametrize("most", [10, 3 * MAX_BODY])
def test_the_caller_sets_the_bound_of_a_body(most: int) -> None:
    """To the byte."""
    made = answered(OK + b"\r\n" + b"x" * 10 * MAX_BODY, ends=False, most=most)
    assert (len(made.body), made.whole, made.kept) == (most, False, False)
    made = answered(OK + b"Content-Length: %d\r\n\r\n" % most + b"x" * most, most=most)
    assert (len(made.body), made.whole) == (most, True)


def test_an_endless_chunk_is_read_up_to_the_bound() -> None:
    """It is not requested as a whole."""
    made = answered(CHUNKED + b"fffffffffff\r\n" + b"x" * 10 * MAX_BODY, ends=False)
    assert (len(made.body), made.whole, made.kept) == (MAX_BODY, False, False)


def test_data_after_an_answer_closes_the_connection() -> None:
    """Otherwise the next request would take it as its answer."""
    for size in (0, 3, 8192 - len(OK) - len(b"Content-Length: 8000\r\n\r\n"), 20_000):
        head = OK + b"Content-Length: %d\r\n\r\n" % size
        made = answered(head + b"x" * size + GONE, ends=False)
        assert (len(made.body), made.whole, made.kept) == (size, True, False)


def test_a_tunnel_has_no_body() -> None:
    """Data after a successful answer to CONNECT are from the server behind it."""
    made = answered(b"HTTP/1.0 200 Connection established\r\n\r\n", "CONNECT", ends=False)
    assert (made.status, made.body, made.whole) == (200, b"", True)


def reset(sock: socket.socket) -> None:
    """End a connection with a reset, as the kernel does with unread data."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname(), timeout=60.0)
        theirs, _ = server.accept()
        with ours, theirs:
            yield ours, theirs


def test_a_reset_after_an_answer_does_not_invalidate_it(
    tcp: tuple[socket.socket, socket.socket],
) -> None:
    """A server may answer and close the connection while the body is unread."""
    ours, theirs = tcp
    theirs.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\ntoo large")
    reset(theirs)
    made = exchange(ours, "POST", b"x" * 1_000_000)
    assert (made.status, made.body, made.kept) == (413, b"too large", False)


def test_a_reset_without_an_answer_is_raised(
    tcp: tuple[socket.socket, socket.socket],
) -> None:
    """Whether it comes while sending or while reading."""
    ours, theirs = tcp
    reset(theirs)
    with pytest.raises(ConnectionError):
        exchange(ours, "POST", b"x" * 1_000_000)


PIECES = st.sampled_from(
    [
        *(OK, b"HTTP/1.1 ", b"204", b" ", b"\r\n", b"\n", b"Content-Length: ", b"abc", b";", b": "),
        *(
            b"Transfer-Encoding: ",
            b"chunked",
            b"3",
            b"0",
            b"f",
            b"\0",
            b"\xff",
            b"Connection: close",
        ),
    ]
)


@given(st.lists(PIECES, max_size=20).map(b"".join))
@example(CHUNKED + b"0\r\n")
def test_any_bytes_are_an_answer_or_one_of_three_errors(data: bytes) -> None:
    """A connection is kept only after a complete body."""
    try:
        made = answered(data)
    except (NoHttpError, NoAnswerError):
        return
    assert made.whole or not made.kept
    assert len(made.body) <= len(data)

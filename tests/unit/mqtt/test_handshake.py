"""The handshake with a broker: the trouble of each failure, and that the socket is closed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.mqtt import handshake
from bat2influx.mqtt.handshake import secure
from bat2influx.net.tls import Tls, fingerprint_of
from tests.support.tls_by_hand import openssl, verification

ANY = Tls(trust_any=True)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected socket that does not block, and its peer, which waits for 60 s at the most."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(60.0)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def shaken(monkeypatch: pytest.MonkeyPatch) -> Callable[[OSError | None], None]:
    """Return a function that ends each handshake so; the shown certificate is b"shown"."""

    def set_to(error: OSError | None) -> None:
        def shake_hands(_secured: ssl.SSLSocket, _timeout: float) -> None:
            if error:
                raise error

        monkeypatch.setattr(handshake, "_shake_hands", shake_hands)
        monkeypatch.setattr(handshake, "peer_certificate", lambda _: b"shown")

    return set_to


def outcome(sock: socket.socket, tls: Tls = ANY, **more: Any) -> ssl.SSLSocket | Trouble:
    """Start TLS with venus.local."""
    return secure(sock, more.pop("host", "venus.local"), 8883, tls, "/etc/x.ini", **more)


@pytest.mark.parametrize(
    ("error", "cause", "text"),
    [
        (verification(10), "certificate date", "has expired"),
        (verification(9), "certificate date", "is not valid yet"),
        (verification(62), "certificate name", "not for the name venus.local"),
        (
            verification(18, "self-signed certificate"),
            "certificate untrusted",
            "(self-signed certificate)",
        ),
        (TimeoutError(), "protocol", "does not answer in TLS"),
        (openssl("UNSUPPORTED_PROTOCOL"), "tls version", "does not support TLS 1.2 or later"),
        (openssl("WRONG_VERSION_NUMBER"), "no tls", "does not use TLS"),
        (ConnectionResetError(), "no tls", "does not use TLS"),
        (openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "tls", "certificate required"),
        (openssl("BAD_SIGNATURE"), "tls", "(bad signature)"),
        (OSError("odd"), "tls", "(odd)"),
    ],
)
def test_each_end_of_a_handshake_has_a_cause(
    pair: tuple[socket.socket, socket.socket],
    shaken: Callable[[OSError | None], None],
    error: OSError,
    cause: str,
    text: str,
) -> None:
    """It names the failure, and the socket is closed."""
    ours, theirs = pair
    shaken(error)
    why = outcome(ours)
    assert isinstance(why, Trouble)
    assert why.cause == cause
    assert text in why.text
    assert theirs.recv(1) == b""


@pytest.mark.parametrize(
    ("sent", "ends", "cause"),
    [
        (b"", True, "no tls"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "no tls"),
        (b"\x20\x02\x00\x00", True, "no tls"),
        (b"", False, "protocol"),
    ],
    ids=["ends", "HTTP", "MQTT", "says nothing"],
)
def test_a_real_handshake_with_a_port_without_tls_ends(
    pair: tuple[socket.socket, socket.socket], sent: bytes, ends: bool, cause: str
) -> None:
    """After the time limit if the peer does not answer, and with that cause."""
    ours, theirs = pair
    theirs.sendall(sent)
    if ends:
        theirs.shutdown(socket.SHUT_WR)
    why = outcome(ours, timeout=0.05 if cause == "protocol" else 60.0)
    assert isinstance(why, Trouble)
    assert why.cause == cause
    assert theirs.recv(1) == b"\x16"  # a record of a handshake is all that left
    with suppress(ConnectionResetError):
        while theirs.recv(4096):
            pass


def test_a_name_that_cannot_be_one_in_tls_is_trouble(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Python raises ValueError for it; here it is a failed handshake."""
    why = outcome(pair[0], host=".local")
    assert isinstance(why, Trouble)
    assert why.cause == "tls"
    assert pair[1].recv(1) == b""


def test_the_name_is_sent_without_its_last_dot(
    pair: tuple[socket.socket, socket.socket], shaken: Callable[[OSError | None], None]
) -> None:
    """No certificate has that dot."""
    shaken(None)
    secured = outcome(pair[0], host="venus.local.")
    assert isinstance(secured, ssl.SSLSocket)
    assert secured.server_hostname == "venus.local"
    secured.close()


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"none", "no certificate in it")]
)
def test_a_file_of_authorities_that_cannot_be_used_is_named(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path, content: bytes | None, why: str
) -> None:
    """Nothing was sent, and the socket is closed."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    found = outcome(pair[0], Tls(str(path)))
    assert isinstance(found, Trouble)
    assert found.cause == "ca file"
    assert f"ca_file {path} cannot be used ({why})" in found.text
    assert pair[1].recv(1) == b""


def test_a_certificate_other_than_the_pinned_one_ends_the_connection(
    pair: tuple[socket.socket, socket.socket], shaken: Callable[[OSError | None], None]
) -> None:
    """Both fingerprints are in the message; the pinned one is accepted without other checks."""
    shaken(None)
    pinned, shown = fingerprint_of(b"pinned"), fingerprint_of(b"shown")
    secured = outcome(pair[0].dup(), Tls(fingerprint=shown))
    assert isinstance(secured, ssl.SSLSocket)
    secured.close()
    why = outcome(pair[0], Tls(fingerprint=pinned))
    assert isinstance(why, Trouble)
    assert (why.cause, why.backoff) == ("certificate changed", Backoff.CERTIFICATE)
    assert f"{shown} instead of {pinned}" in why.text
    assert pair[1].recv(1) == b""

"""Proxy variables and ~/.netrc: used only if the configuration enables them."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bat2influx.net.tls import Tls
from tests.standins.databases.http_peers import ACCEPTED, HttpPeer
from tests.standins.databases.victoria import VictoriaMetrics
from tests.standins.network.certificates import authority, signed_certificate
from tests.standins.network.mqtt_peers import Peer
from tests.support import programs
from tests.support.writing import lines, write, writer

BATCH = lines(count=3)
OTHER = base64.b64encode(b"somebody:else")


class Proxy(Peer):
    """A proxy for CONNECT and for absolute URLs; its requests are in `asked`."""

    def __init__(self, to: int) -> None:
        self.asked: list[bytes] = []
        self._to = to
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Relay one connection, to a permitted address."""
        with socket.create_connection(("127.0.0.1", self._to)) as server:
            head = connection.recv(65_536)
            self.asked.append(head.split(b"\r\n", 1)[0])
            if head.startswith(b"CONNECT "):
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head)
            threading.Thread(target=_pump, args=(server, connection), daemon=True).start()
            _pump(connection, server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except OSError:  # either side has disconnected
        pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with a ~/.netrc, and no proxy."""
    programs.find("victoria-metrics")  # before HOME, and so the cache, changes
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield tmp_path


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("use", [False, True])
def test_a_login_of_netrc_is_used_only_if_enabled(use: bool) -> None:
    """Otherwise a login for another purpose would be sent to the database."""
    with HttpPeer(ACCEPTED) as peer:
        assert write(writer(peer.port, use_environment=use), BATCH).accepted == 3
    assert (OTHER in peer.requests[0]) is use


@pytest.mark.usefixtures("home")
def test_the_login_of_the_file_takes_precedence_over_that_of_netrc() -> None:
    """With user and password, and with a token."""
    with HttpPeer(ACCEPTED) as peer:
        own = writer(peer.port, use_environment=True, user="me", password="mine")
        assert write(own, BATCH).accepted == 3
        assert write(writer(peer.port, use_environment=True, token="t0k€n"), BATCH).accepted == 3
    basic, token = peer.requests
    assert b"Authorization: Basic " + base64.b64encode(b"me:mine") in basic
    assert b"Authorization: Token " + "t0k€n".encode() in token
    assert OTHER not in basic + token


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("use", [False, True])
def test_a_proxy_is_used_only_if_enabled(use: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the request goes to the proxy, with the absolute URL."""
    with HttpPeer(ACCEPTED) as peer, Proxy(peer.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        made = writer(peer.port, use_environment=use, address="127.0.0.1")
        assert write(made, BATCH).accepted == 3
    url = b"GET http://127.0.0.1:%d/ping HTTP/1.1" % peer.port
    assert proxy.asked == ([url] if use else [])


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("use", [False, True])
def test_tls_goes_through_a_proxy_from_end_to_end(
    use: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is checked for the database's name, whatever is in between."""
    signer = authority(tmp_path)
    certificate = signed_certificate(tmp_path, signer, names=("localhost",))
    with (
        VictoriaMetrics(tmp_path / "victoria", certificate=certificate) as server,
        Proxy(server.port) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        for tls in (Tls(str(signer.cert)), Tls(fingerprint=certificate.fingerprint)):
            made = writer(server.port, use_environment=use, address="localhost", tls=tls)
            assert write(made, BATCH).accepted == 3
    url = b"CONNECT localhost:%d HTTP/1.%%d" % server.port
    assert all(asked in (url % 0, url % 1) for asked in proxy.asked)
    assert len(proxy.asked) == (2 if use else 0)

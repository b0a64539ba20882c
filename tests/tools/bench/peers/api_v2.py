"""The write API of InfluxDB 2 in front of an InfluxDB 1, for a peer that has no other.

    /usr/bin/python3 -m tests.tools.bench.peers.api_v2 DATABASE-PORT

It prints the port of 127.0.0.1 on which it listens. A bucket is the database of that name, tokens
are ignored, and a body may be compressed by gzip. InfluxDB has this API from 1.8 on; Debian's does
not. Its processor time does not count for a peer.
"""

from __future__ import annotations

import gzip
import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

_behind = threading.local()


class Handler(BaseHTTPRequestHandler):
    """Relays writes, and answers health checks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    database_port = 0

    def do_GET(self) -> None:
        """Answer /ping, /health and /ready."""
        self._answer(200, b'{"name":"influxdb","status":"pass","version":"2"}')

    def do_HEAD(self) -> None:
        """Answer /ping."""
        self._answer(204, b"")

    def do_POST(self) -> None:
        """Relay a write."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        to = as_v1(self.path)
        if to is None:
            self._answer(404, b'{"code":"not found","message":"only writes"}')
            return
        if not hasattr(_behind, "connection"):
            _behind.connection = http.client.HTTPConnection("127.0.0.1", self.database_port)
        _behind.connection.request("POST", to, body)
        answer = _behind.connection.getresponse()
        self._answer(answer.status, answer.read())

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204 and self.command != "HEAD":
            self.wfile.write(body)


def as_v1(path: str) -> str | None:
    """Return the request of InfluxDB 1 for one of 2, None if it is no write."""
    asked = urlsplit(path)
    query = parse_qs(asked.query)
    if asked.path != "/api/v2/write" or "bucket" not in query:
        return None
    precision = query.get("precision", ["ns"])[0]
    precision = "u" if precision == "us" else precision
    return "/write?" + urlencode({"db": query["bucket"][0], "precision": precision})


def main() -> None:
    """Run the command line."""
    Handler.database_port = int(sys.argv[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

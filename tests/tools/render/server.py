"""The server of the page: its files, its job, and values as from Grafana's server.

Rules: it listens on loopback alone. A job is a dashboard to show, with all parameters; it records
the queries to the database, in order of time.
"""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.tools.render import influxql, promql
from tests.tools.render.frames import Json, QueryError

TIMEOUT = 60  # s for an answer of the database
LEAST = "1s"  # of $__interval, as in etc/grafana/provisioning/datasources
KEPT = 3600  # s for which the browser may cache the page's files
BARE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Dashboard</title>
<link rel="stylesheet" href="/page.css"><script>window.__grafana_public_path__ = "/";</script>
<div id="root"></div><script type="module" src="/page.js"></script></html>"""


@dataclass(frozen=True)
class Source:
    """A database: Grafana's name of its kind (influxdb, prometheus), address, and login."""

    kind: str
    url: str
    db: str = ""
    user: str = ""
    password: str = ""

    @classmethod
    def of(cls, given: tuple[str, ...]) -> Source:
        """Return that for ("influxdb", url, db, user, password) or ("victoriametrics", url)."""
        name, *rest = given
        return cls({"victoriametrics": "prometheus"}.get(name, name), *rest)

    def ask(self, path: str, parameters: dict[str, str]) -> Json:
        """Return the database's answer, also an error. Raises OSError."""
        address, body = f"{self.url.rstrip('/')}{path}", urllib.parse.urlencode(parameters)
        if self.kind == "influxdb":
            request = urllib.request.Request(f"{address}?{body}")
        else:
            request = urllib.request.Request(address, body.encode())
        if self.user:
            login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            status = f"{error.code} {error.reason}"
        try:
            return json.loads(text)
        except ValueError:
            return {"error": text.strip() or status}


@dataclass
class Job:
    """A dashboard to show, and its queries."""

    source: Source
    page: dict[str, Any]
    queries: list[str] = field(default_factory=list)

    def query(self, question: Json) -> Json:
        """Return the frames of each query, or its error."""
        return {"results": [self._result(each, question) for each in question["queries"]]}

    def options(self, question: Json) -> Json:
        """Return the choices of a variable. Raises QueryError."""
        query = question["query"]
        if self.source.kind == "influxdb":
            return {"options": influxql.options(query, self._influxql(query))}
        now = self.page["time"]["to"]
        start, end = question.get("from") or now, question.get("to") or now
        asked, pattern = promql.options(query, start, end)
        return {"options": promql.offered(self._ask(asked, query), pattern)}

    def _result(self, target: Json, question: Json) -> Json:
        ref_id = target["refId"]
        try:
            return {"refId": ref_id, "frames": [*self._frames(target, question)]}
        except (QueryError, OSError) as wrong:
            return {"refId": ref_id, "error": str(wrong)}

    def _frames(self, target: Json, question: Json) -> Iterator[Json]:
        start, end = question["from"], question["to"]
        if self.source.kind == "influxdb":
            answer = self._influxql(influxql.statement(target["query"], start, end))
            yield from influxql.frames(target, answer)
            return
        several = len(question["queries"]) > 1
        for asked in promql.asked(target, start, end, question["interval"]):
            answer = self._ask(asked, asked[1]["query"])
            yield from promql.frames(target, answer, several=several, question=asked)

    def _influxql(self, query: str) -> Json:
        parameters = {"db": self.source.db, "epoch": "ms", "q": query}
        return self._ask(("/query", parameters), query)

    def _ask(self, asked: promql.Asked, query: str) -> Json:
        self.queries.append(query)
        return self.source.ask(*asked)


class Server:
    """Serves a built page and jobs, as a context manager, in a separate thread."""

    def __init__(self, built: Path) -> None:
        self._jobs: dict[str, Job] = {}
        handler = partial(_Handler, self._jobs, directory=str(built))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, job: Job) -> str:
        """Add a job, and return the address of its page."""
        name = job.page["id"] = str(len(self._jobs))
        self._jobs[name] = job
        return f"http://127.0.0.1:{self._server.server_port}/#{name}"


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, jobs: dict[str, Job], *rest: Any, **others: Any) -> None:
        self._jobs = jobs
        super().__init__(*rest, **others)

    def do_GET(self) -> None:
        what, _, name = self.path.removeprefix("/").partition("/")
        if not what:
            self._send(BARE, "text/html")
        elif what == "job":
            self._send_json(self._jobs[name].page)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        what, _, name = self.path.removeprefix("/").partition("/")
        job = self._jobs[name]
        try:
            self._send_json(job.query(question) if what == "query" else job.options(question))
        except (QueryError, OSError) as wrong:
            self._send(str(wrong).encode(), "text/plain", status=502)

    def end_headers(self) -> None:
        """Let the browser cache the page's program for the next page."""
        if self.command == "GET" and "." in self.path:
            self.send_header("Cache-Control", f"max-age={KEPT}")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: the job has all records."""

    def _send_json(self, answer: Json) -> None:
        self._send(json.dumps(answer).encode(), "application/json")

    def _send(self, body: bytes, kind: str, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

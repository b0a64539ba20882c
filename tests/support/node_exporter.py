"""The real node exporter, with the text-file collector alone.

Rules: it listens on 127.0.0.1, and reads `*.prom` in one directory at each scrape. The parser of
its answer shares no code with the writer of the files.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from tests.support import programs
from tests.support.process import Server

_SAMPLE = re.compile(r"([a-z0-9_]+(?:\{.*\})?) (\S+)")


class NodeExporter(Server):
    """A node exporter that reads the text files in `directory`; its log goes to `log`."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.directory = directory
        self._program = programs.find("prometheus-node-exporter")
        super().__init__("node exporter", [], log, environment=self._program.environment)
        self._opener = build_opener(ProxyHandler({}))

    def configure(self) -> None:
        """Put the port into the command line, the only configuration."""
        self.command = [
            self._program.path,
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={self.directory}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def scrape(self) -> str:
        """Return its answer at /metrics."""
        with self._opener.open(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def samples(self) -> dict[str, float]:
        """Return the scraped values, by name and labels, the labels in the order of the text."""
        return samples(self.scrape())


def samples(text: str) -> dict[str, float]:
    """Return the samples of a text in Prometheus' format."""
    matches = (_SAMPLE.fullmatch(line) for line in text.splitlines())
    return {match[1]: float(match[2]) for match in matches if match}

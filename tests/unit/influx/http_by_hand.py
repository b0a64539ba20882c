"""An HTTP client with a transport made by hand, which answers or fails as a test requires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from bat2influx.config.settings import Influx
from bat2influx.influx import http
from bat2influx.influx.exchange import Answer, Headers
from bat2influx.influx.http import HttpClient
from bat2influx.net.deadline import Deadline
from tests.support.writing import CONFIG, DEFAULTS


class Asked(NamedTuple):
    """A recorded request."""

    method: str
    path: str
    data: bytes
    content: str


class Transport:
    """Stands in for a `Transport`: calls `act`, and records the requests in `asked`."""

    def __init__(self, influx: Influx, most: int) -> None:
        self.influx = influx
        self.most = most
        self.deadline = Deadline()
        self.connections = 0
        self.reached = True
        self.asked: list[Asked] = []
        self.act: Callable[[], Answer] = lambda: answer(204)

    def exchange(
        self, method: str, path: str, data: bytes, content: str, begun: Callable[[], None]
    ) -> Answer:
        """Carry out a request."""
        self.asked.append(Asked(method, path, data, content))
        made = self.act()
        begun()
        return made


def client(monkeypatch: pytest.MonkeyPatch, **ini: Any) -> tuple[HttpClient, Transport]:
    """Return a client and the stand-in for its transport; `ini` as in [Influx]."""
    made: list[Transport] = []

    def transport(influx: Influx, most: int) -> Transport:
        made.append(Transport(influx, most))
        return made[0]

    monkeypatch.setattr(http, "Transport", transport)
    return HttpClient(DEFAULTS._replace(**ini), CONFIG), made[0]


def answer(
    status: int, body: bytes = b"", words: str = "Words", *, whole: bool = True, **headers: str
) -> Answer:
    """Return an answer."""
    made = Headers()
    for name, value in headers.items():
        made.add(name.replace("_", "-"), value)
    return Answer(status, words, made, body, whole, kept=True)


def failing(failure: BaseException) -> Callable[[], Answer]:
    """Return a function that raises."""

    def act() -> Answer:
        raise failure

    return act

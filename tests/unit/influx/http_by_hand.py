"""An HTTP client with a package `influxdb` made by hand, that answers or fails as a test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests

from bat2influx.influx import http
from bat2influx.influx.http import HttpClient
from tests.support.writing import CONFIG, DEFAULTS


class Package:
    """Takes the place of `InfluxDBClient`: does what `act` does, and keeps what it was given."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.asked: dict[str, Any] = {}
        self.act: Callable[[], object] = lambda: None

    def request(self, path: str, method: str, **asked: Any) -> None:
        """Carry out a request."""
        self.asked = {"path": path, "method": method, **asked}
        self.act()

    def answer(self, response: requests.Response) -> None:
        """Answer, as far as the hook of the session sees it."""
        for hook in self.given["session"].hooks["response"]:
            hook(response)


def client(monkeypatch: pytest.MonkeyPatch, **ini: Any) -> tuple[HttpClient, Package]:
    """Return a client, and what is in the place of the package; `ini` as in [Influx]."""
    made: list[Package] = []

    def package(**given: Any) -> Package:
        made.append(Package(**given))
        return made[0]

    monkeypatch.setattr(http, "InfluxDBClient", package)
    return HttpClient(replace(DEFAULTS, **ini), CONFIG), made[0]


def response(
    status: int, body: bytes | None = b"", reason: str | None = "Words", **headers: str
) -> requests.Response:
    """Return an answer as requests has it."""
    made = requests.Response()
    made.status_code, made.reason, made._content = status, reason, body
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


def failing(failure: BaseException) -> Callable[[], None]:
    """Return what raises."""

    def act() -> None:
        raise failure

    return act

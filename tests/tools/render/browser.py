"""Renders a dashboard as users would see it: a picture and a report.

    with Browser() as browser:
        page = browser.render(path, ("influxdb", url, "battery", "grafana", "pw"), width=800)

`render` does the same for a single one. The browser is started once for all dashboards; for the
page see tests/tools/render/__init__.py.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests import TOP
from tests.tools.render.chromium import BrowserError, Chromium
from tests.tools.render.server import LEAST, Job, Server, Source

NAME = "bat2influx"  # of the data source, as provisioned
TIMEOUT = 120  # s until a page is drawn
UNMOVED = {"name": "prefers-reduced-motion", "value": "reduce"}  # no animations
START_HEIGHT = 900  # px of the window; the picture has the page's height
MOST_HEIGHTS = 4  # attempts to set the height that a page needs
# Two frames have been drawn: the first may have been under way.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

Values = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Panel:
    """The report of a panel.

    `title_cut`: the title ends in an ellipsis. `error`: the panel's error text. `empty`: it has
    queries and got no values. `series`: names of its series; of a table, of its columns. `text`:
    its text, except that of a canvas. `cut`: its texts that are cut off at the side. `smallest`:
    the size of its smallest letters in px, None without text. `scrolls`: its content is larger
    than its height or width. `box`: x, y, width, height in px.
    """

    id: int
    type: str
    title: str
    title_cut: bool
    error: str | None
    empty: bool
    series: list[str]
    text: str
    cut: list[str]
    smallest: float | None
    scrolls: bool
    box: tuple[int, int, int, int]

    @property
    def double(self) -> list[str]:
        """Names of series that occur more than once."""
        return sorted({each for each in self.series if self.series.count(each) > 1})


@dataclass(frozen=True)
class Page:
    """A rendered dashboard.

    `queries`: the queries to the database, in order. `overflow`: the page is wider than the window.
    `problems`: errors in the page's log, except those of panels.
    """

    png: bytes
    panels: list[Panel]
    queries: list[str]
    overflow: bool
    problems: list[str]
    height: int

    def panel(self, title: str) -> Panel:
        """Return the panel with a title. Raises KeyError."""
        for each in self.panels:
            if each.title == title:
                return each
        raise KeyError(title)


class Browser:
    """Renders many dashboards, one after the other, as a context manager."""

    def __enter__(self) -> Browser:
        self._server = Server(built())
        self._chromium = Chromium()
        self._server.__enter__()
        try:
            self._chromium.__enter__()
        except BaseException:
            self._server.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._chromium.__exit__()
        self._server.__exit__()

    def render(
        self,
        dashboard: Path | Mapping[str, Any],
        source: tuple[str, ...],
        *,
        theme: str = "dark",
        width: int = 1600,
        time: tuple[int | None, int] | None = None,
        variables: Values | None = None,
        zone: str = "UTC",
        scale: float = 1,
        beside: Path | None = None,
    ) -> Page:
        """Render a dashboard (a file of JSON, or its content).

        `source` is ("influxdb", url, db, user, password) or ("victoriametrics", url). `theme` is
        dark or light, `width` that of the window in px, `scale` pixels of the picture for each of
        them. `time` is from and to in ms since 1970, and `to` is also "now" for the page; without
        `from` the dashboard's own range ends there, without both the clock's time is now.
        `variables` are values by name, "$__all" for All; `zone` is the browser's time zone.
        `beside` is the folder with all dashboards, by default that of the file.

        Raises BrowserError if the page does not finish.
        """
        job = Job(
            Source.of(source),
            _page(dashboard, Source.of(source), theme, time, variables or {}, beside),
        )
        address = self._server.add(job)
        target = self._chromium.call("Target.createTarget", url="about:blank")["targetId"]
        try:
            png, report, problems = self._shown(target, address, (width, scale), zone)
        finally:
            self._chromium.call("Target.closeTarget", targetId=target)
        return Page(
            png,
            [Panel(**{**each, "box": (*each["box"],)}) for each in report["panels"]],
            job.queries,
            report["overflow"],
            problems,
            report["height"],
        )

    def _shown(
        self, target: str, address: str, size: tuple[int, float], zone: str
    ) -> tuple[bytes, dict[str, Any], list[str]]:
        """Return the picture of a page, its report, and its logged errors."""
        given = {"targetId": target, "flatten": True}
        session = self._chromium.call("Target.attachToTarget", **given)["sessionId"]
        call = partial(self._chromium.call, session=session)
        window = {"width": size[0], "deviceScaleFactor": size[1], "mobile": False}
        call("Page.enable")
        call("Runtime.enable")
        call("Runtime.addBinding", name="rendered")
        call("Emulation.setDeviceMetricsOverride", **window, height=START_HEIGHT)
        call("Emulation.setTimezoneOverride", timezoneId=zone)
        call("Emulation.setLocaleOverride", locale="en-GB")
        call("Emulation.setEmulatedMedia", features=[UNMOVED])
        call("Page.navigate", url=address)
        height, problems = self._await(session)
        # The window needs the page's height before the picture is taken: Grafana's grid redraws its
        # panels for another size, and a picture at that moment would have none of them.
        for _ in range(MOST_HEIGHTS):
            window["height"] = height
            call("Emulation.setDeviceMetricsOverride", **window)
            report = self._report(call)
            if report["height"] == height:
                break
            height = report["height"]
        clip = {"x": 0, "y": 0, "width": size[0], "height": height, "scale": 1}
        taken = call("Page.captureScreenshot", format="png", clip=clip)
        return base64.b64decode(taken["data"]), report, problems

    @staticmethod
    def _report(call: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """Return the page's own report, once it is drawn."""
        evaluated = call(
            "Runtime.evaluate",
            expression=f"{DRAWN}.then(report)",
            awaitPromise=True,
            returnByValue=True,
            timeout=TIMEOUT,
        )
        if "exceptionDetails" in evaluated:
            raise BrowserError(f"the page failed: {evaluated['exceptionDetails']}")
        report: dict[str, Any] = evaluated["result"]["value"]
        return report

    def _await(self, session: str) -> tuple[int, list[str]]:
        """Return the height of the page once it is drawn, and its logged errors."""
        problems: list[str] = []
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                event = self._chromium.event(session, timeout=deadline - time.monotonic())
            except BrowserError as broken:
                raise BrowserError(f"{broken}; the page logged: {problems}") from None
            given = event["params"]
            if event["method"] == "Runtime.bindingCalled":
                return int(given["payload"]), problems
            if event["method"] == "Runtime.exceptionThrown":
                details = given["exceptionDetails"]
                thrown = details.get("exception", {}).get("description", details["text"])
                raise BrowserError(f"the page failed: {thrown}")
            if event["method"] == "Runtime.consoleAPICalled" and given["type"] == "error":
                told = (each.get("description", each.get("value")) for each in given["args"])
                problems.append(" ".join(map(str, told)))


def render(dashboard: Path | Mapping[str, Any], source: tuple[str, ...], **how: Any) -> Page:
    """Render one dashboard in a new browser; arguments are those of Browser.render."""
    with Browser() as browser:
        return browser.render(dashboard, source, **how)


def built() -> Path:
    """Return the folder of the page; build it if it does not exist."""
    made = subprocess.run(
        [TOP / "tests/tools/render/build"], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(made.stdout.strip())


def _page(
    dashboard: Path | Mapping[str, Any],
    source: Source,
    theme: str,
    span: tuple[int | None, int] | None,
    variables: Values,
    beside: Path | None,
) -> dict[str, Any]:
    if isinstance(dashboard, Path):
        beside = beside or dashboard.parent
        dashboard = _read(dashboard)
    others = [_read(path) for path in sorted(beside.glob("*.json"))] if beside else []
    start, end = span or (None, None)
    return {
        "dashboard": dashboard,
        "others": [{key: each.get(key) for key in ("uid", "title", "tags")} for each in others],
        "kind": source.kind,
        "name": NAME,
        "least": LEAST,
        "theme": theme,
        "time": {"from": start, "to": end if start else None, "now": end},
        "values": dict(variables),
    }


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read

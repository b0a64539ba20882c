"""Two databases with an hour of values, and a browser that shows dashboards made for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.tools.render.browser import Browser, Page, Panel

END = 1_790_000_000  # s since 1970
MINUTES = 60
POWER = {"home": 1500.0, "boat": -50.0}  # W

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A database with an hour of power at two sites, and its queries."""

    source: tuple[str, ...]
    browser: Browser

    @property
    def of_influxdb(self) -> bool:
        """The kind of the database."""
        return self.source[0] == "influxdb"

    def power(
        self, site: str = ".*", *, ref_id: str = "A", name: str = "", last: bool = False
    ) -> Json:
        """Return a target: the power of sites, named by their site unless there is a name."""
        if self.of_influxdb:
            what = "last" if last else "mean"
            by = '"site"' if last else 'time($__interval), "site" fill(none)'
            text = f'SELECT {what}("Power") FROM "dc" WHERE "site" =~ /^{site}$/ AND $timeFilter'
            return self.target(f"{text} GROUP BY {by}", name or "$tag_site", ref_id)
        expr = f'dc_Power{{site=~"{site}"}}'
        return {**self.target(expr, name or "{{site}}", ref_id), "instant": last, "range": not last}

    def target(self, text: str, name: str = "", ref_id: str = "A") -> Json:
        """Return a target of a text."""
        if self.of_influxdb:
            return {"refId": ref_id, "rawQuery": True, "query": text, "alias": name}
        return {"refId": ref_id, "expr": text, "legendFormat": name}

    def render(self, *panels: Json, **how: Any) -> Page:
        """Render panels, each below the one before unless they have a position."""
        dashboard = {
            "title": "Test",
            "uid": "test",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": how.pop("given", [])},
            "links": how.pop("links", []),
            "panels": [
                {
                    "id": number,
                    "type": "timeseries",
                    "title": f"Panel {number}",
                    "datasource": {"type": "influxdb" if self.of_influxdb else "prometheus"},
                    "gridPos": {"x": 0, "y": 4 * number, "w": 24, "h": 4},
                    **panel,
                }
                for number, panel in enumerate(panels, 1)
            ],
        }
        how.setdefault("time", (None, END * 1000))
        return self.browser.render(dashboard, self.source, **how)

    def one(self, panel: Json, **how: Any) -> Panel:
        """Render one panel and return its report."""
        page = self.render(panel, **how)
        assert page.problems == []
        (shown,) = page.panels
        return shown


@contextmanager
def both_databases(folder: Path, more: str = "") -> Iterator[dict[str, Asked]]:
    """Start both databases and one browser; yield the data sources by their names.

    `more` are lines that both get too.
    """
    lines = "\n".join(
        f"dc,site={site} Power={power} {(END - minute * 60) * 10**9}"
        for minute in range(MINUTES)
        for site, power in POWER.items()
    )
    lines = f"{lines}\n{more}"
    with (
        InfluxDB(folder / "influxdb") as influxdb,
        VictoriaMetrics(folder / "victoria") as victoria,
        Browser() as browser,
    ):
        influxdb.query("CREATE DATABASE battery")
        influxdb.write(lines, "battery")
        victoria.write(lines, "battery")
        victoria.flush()
        yield {
            "influxdb": Asked(("influxdb", influxdb.url, "battery", "", ""), browser),
            "victoriametrics": Asked(("victoriametrics", victoria.url), browser),
        }


def at(y: int, height: int) -> Json:
    """Return the place of a panel over the whole width."""
    return {"x": 0, "y": y, "w": 24, "h": height}

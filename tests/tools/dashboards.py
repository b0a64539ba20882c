"""Pictures of the dashboards, as Grafana shows them: for checks, and for docs/pictures.

    /usr/bin/python3 -m tests.tools.dashboards [--to FOLDER] [--days 32] [overview battery …]
    /usr/bin/python3 -m tests.tools.dashboards --docs

A real InfluxDB and a real VictoriaMetrics are filled with houses (household_filled.py), and each
dashboard is rendered in a browser (tests/tools/render): in both themes, at three widths, of both
databases. The program prints `faults`, and exits 1 if there are any.
"""

from __future__ import annotations

import argparse
import copy
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path
from typing import Any

from tests import TOP
from tests.support import household_filled
from tests.support.grafana import FOLDERS, INFLUXDB, PROMETHEUS, load
from tests.support.household_filled import Filled
from tests.support.household_weather import DAY
from tests.tools.render.browser import Browser, Page

KINDS = {"influxdb": INFLUXDB, "victoriametrics": PROMETHEUS}
NAMES = ("overview", "battery", "grid", "solar", "energy", "daemon")
HOUSES = {
    "house": household_filled.house,
    "nine": household_filled.nine,
    "two_sites": household_filled.two_sites,
    "fleet": household_filled.fleet,
}
SEVERAL = ("two_sites", "fleet")  # pictures of these show the rows below
THEMES, WIDTHS = ("dark", "light"), (1600, 800, 400)
LEAST_LETTERS = 9.5  # px; smaller ones are illegible at an arm's length
MAX_BYTES = 300_000  # of a picture in docs/pictures
COLOURS = 256  # of such a picture: enough for flat areas and thin letters
NOON = 13 * 3600  # s of the day, UTC, at the end of such a picture: after a morning with sun
SAID_INSTEAD = ("needs preset", "needs self_measurement", "run bat2influx setup-db")

# Pictures of the documents: name of the file, house, dashboard, theme, width.
DOCUMENTS = (
    ("overview.png", "house", "overview", "dark", 1600),
    ("overview-light.png", "house", "overview", "light", 1600),
    ("overview-phone.png", "house", "overview", "light", 400),
    ("overview-nine.png", "nine", "overview", "dark", 1600),
    ("overview-sites.png", "two_sites", "overview", "light", 1600),
    ("overview-fleet.png", "fleet", "overview", "dark", 1600),
    ("battery.png", "house", "battery", "dark", 1600),
    ("grid.png", "house", "grid", "light", 1600),
    ("solar.png", "house", "solar", "dark", 1600),
    ("energy.png", "house", "energy", "light", 1600),
    ("daemon.png", "house", "daemon", "dark", 1600),
)

Json = dict[str, Any]


def opened(dashboard: Json) -> Json:
    """Return a dashboard with all its rows opened, as by a click on each."""
    made = copy.deepcopy(dashboard)
    panels: list[Json] = []
    more = 0  # grid lines by which opened rows move the rest down
    for panel in made["panels"]:
        panel["gridPos"]["y"] += more
        inside = panel.pop("panels", []) if panel["type"] == "row" else []
        panels.append(panel)
        if not inside:
            continue
        panel["collapsed"] = False
        top = min(each["gridPos"]["y"] for each in inside)
        for each in inside:
            each["gridPos"]["y"] += panel["gridPos"]["y"] + 1 - top
        panels += inside
        more += max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in inside) - (
            panel["gridPos"]["y"] + 1
        )
    made["panels"] = panels
    return made


def faults(page: Page, may_be_empty: Sequence[str] = SAID_INSTEAD) -> Iterator[str]:
    """Yield the faults of a page, one line each.

    An empty panel needs one of the texts of `may_be_empty`.
    """
    yield from page.problems
    if page.overflow:
        yield "it is wider than the window"
    for panel in page.panels:
        if panel.error:
            yield f"{panel.title}: {panel.error}"
        if panel.empty and not any(each in panel.text for each in may_be_empty):
            yield f"{panel.title}: no value ({panel.text!r})"
        if panel.title_cut:
            yield f"{panel.title}: its title is cut"
        if panel.double:
            yield f"{panel.title}: twice {', '.join(panel.double)}"
        if panel.cut:
            yield f"{panel.title}: cut off are {', '.join(panel.cut)}"
        if panel.smallest is not None and panel.smallest < LEAST_LETTERS:
            yield f"{panel.title}: letters of {panel.smallest:.1f} px"


def rendered(
    browser: Browser, filled: Filled, database: str, name: str, *, rows: bool = True, **how: Any
) -> Page:
    """Render a dashboard of one database, with all its `rows` open, at the end of its values."""
    kind = KINDS[database]
    how = {"time": (None, filled.end * 1000), "beside": FOLDERS[kind], **how}
    dashboard = load(name, kind)
    dashboard = opened(dashboard) if rows else dashboard
    return browser.render(dashboard, filled.sources[database], **how)


def small(png: bytes) -> bytes:
    """Return a picture of COLOURS colours. Raises ValueError if it has more than MAX_BYTES."""
    from PIL import Image

    made = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=0).save(made, "PNG", optimize=True)
    if len(made.getvalue()) > MAX_BYTES:
        text = f"a picture of {len(made.getvalue()):,} bytes; {MAX_BYTES:,} are allowed"
        raise ValueError(text)
    return made.getvalue()


def main() -> int:
    """Run the command line."""
    options = _options()
    folder = TOP / "docs/pictures" if options.docs else options.to
    folder.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for house in [each for each in HOUSES if each in options.houses]:
        pictures = _documents(house) if options.docs else _all(house, options.dashboards)
        with (
            tempfile.TemporaryDirectory() as place,
            Browser() as browser,
            _filled(house, Path(place), options.days) as filled,
        ):
            for file, database, name, theme, width in pictures:
                how: dict[str, Any] = {"theme": theme, "width": width}
                if options.docs:
                    how |= {"rows": house in SEVERAL, "time": (None, _moment(house, filled) * 1000)}
                page = rendered(browser, filled, database, name, **how)
                (folder / file).write_bytes(small(page.png) if options.docs else page.png)
                found = [*faults(page)]
                wrong += len(found)
                print(f"{file}: {len(page.png) / 1000:.0f} kB", *found, sep="\n    ", flush=True)
    return min(wrong, 1)


def _filled(house: str, place: Path, days: float) -> AbstractContextManager[Filled]:
    if house == "house":
        return HOUSES[house](place, days=days)
    return HOUSES[house](place)


def _moment(house: str, filled: Filled) -> int:
    """Return the end of the time range of a picture in the documents, in s since 1970.

    For a fleet it is the end of its values, because offline devices are counted from there.
    """
    return filled.end if house == "fleet" else filled.end - (filled.end - NOON) % DAY


def _documents(house: str) -> Iterator[tuple[str, str, str, str, int]]:
    for file, of, name, theme, width in DOCUMENTS:
        if of == house:
            yield file, "influxdb", name, theme, width


def _all(house: str, names: Sequence[str]) -> Iterator[tuple[str, str, str, str, int]]:
    for database, name, theme, width in product(KINDS, names, THEMES, WIDTHS):
        yield f"{house}-{name}-{database}-{theme}-{width}.png", database, name, theme, width


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.tools.dashboards")
    parser.add_argument("dashboards", nargs="*", default=[*NAMES], help="all by default")
    parser.add_argument("--houses", nargs="+", choices=HOUSES, default=[*HOUSES])
    parser.add_argument("--days", type=float, default=32.0, help="days of the house with presets")
    parser.add_argument("--to", type=Path, default=Path("dashboard-pictures"), help="a folder")
    parser.add_argument("--docs", action="store_true", help="only the pictures of docs/pictures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

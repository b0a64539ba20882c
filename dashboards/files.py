"""The files of the dashboards and the alert rules."""

from __future__ import annotations

import json

from dashboards import alerts, battery, daemon, energy, grid, overview, solar
from dashboards.variables import INFLUXDB, PROMETHEUS

BOARDS = tuple(each.BOARD for each in (overview, battery, grid, solar, energy, daemon))
FOLDERS = {INFLUXDB: "etc/grafana/dashboards", PROMETHEUS: "etc/grafana/victoriametrics"}


def made() -> dict[str, str]:
    """Return the text of each file, by its path in the project."""
    boards = {
        f"{folder}/{board.name}.json": json.dumps(
            board.json(language), indent=1, ensure_ascii=False
        )
        + "\n"
        for language, folder in FOLDERS.items()
        for board in BOARDS
    }
    return boards | alerts.files()

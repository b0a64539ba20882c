"""Writes the dashboards and alert rules to etc/grafana: `python3 -m dashboards`."""

from __future__ import annotations

from pathlib import Path

from dashboards.files import made

TOP = Path(__file__).parents[1]

for path, text in made().items():
    (TOP / path).parent.mkdir(parents=True, exist_ok=True)
    (TOP / path).write_text(text, encoding="utf-8")

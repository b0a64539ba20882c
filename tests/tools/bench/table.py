"""Figures, each with its reference, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests import TOP

BEGIN, END = (f"<!-- made by make bench: {which} -->" for which in ("begin", "end"))


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure, and its target.

    `ratio` is the value divided by the reference's, both of the same run. `least` and `most` bound
    the ratio if there is one, otherwise the value; None is no bound.
    """

    what: str
    value: float
    unit: str
    reference: float | None = None
    beside: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """The value divided by its reference."""
        return self.value / self.reference if self.reference else None

    @property
    def met(self) -> bool:
        """Whether it meets its target."""
        counts = self.value if self.ratio is None else self.ratio
        low = self.least is not None and counts < self.least
        return not low and not (self.most is not None and counts > self.most)

    @property
    def wanted(self) -> str:
        """Its target, as a text."""
        if self.least is not None:
            return f"≥ {short(self.least)}"
        return "" if self.most is None else f"≤ {short(self.most)}"


def short(number: float | None) -> str:
    """Return a number in three digits or more."""
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def lines(figures: Sequence[Figure]) -> list[str]:
    """Return a table in Markdown."""
    rows = [("", "bat2influx", "beside", "ratio", "wanted", "")]
    rows += [
        (
            each.what,
            f"{short(each.value)} {each.unit}".strip(),
            "" if each.reference is None else f"{short(each.reference)} {each.unit}, {each.beside}",
            short(each.ratio),
            each.wanted,
            _verdict(each),
        )
        for each in figures
    ]
    return rows_of(rows)


def filled(page: str, made: Sequence[str]) -> str:
    """Return a page with these lines in place of those of an earlier run.

    Raises ValueError for a page without the markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no place for a table: the page has no {BEGIN} and {END}")
    return "\n".join([before + begin, "", *made, "", end + after])


def _verdict(figure: Figure) -> str:
    if not figure.wanted:
        return ""
    return "met" if figure.met else "NOT MET"


def rows_of(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    made = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [made[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *made[1:]]


def as_json(figures: Iterable[Figure], notes: Sequence[str] = ()) -> str:
    """Return all of it, with the commit and the machine, so that two runs can be compared."""
    time = f"{datetime.now(UTC):%FT%TZ}"
    about = {"commit": commit(), "machine": machine(), "notes": [*notes], "time": time}
    made = [asdict(each) | {"ratio": each.ratio, "met": each.met} for each in figures]
    return json.dumps(about | {"figures": made}, indent=1, ensure_ascii=False)


def machine() -> str:
    """Return a description of this machine."""
    text = Path("/proc/cpuinfo").read_text()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}, {platform.platform()}"


def load() -> str:
    """Return this machine's load averages of 1, 5 and 15 min."""
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def commit(revision: str = "") -> str:
    """Return the commit of a revision, or the checkout's, with a + if files differ from it."""
    more = (revision,) if revision else ("--dirty=+",)
    command = ("git", "describe", "--always", "--abbrev=12", *more)
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

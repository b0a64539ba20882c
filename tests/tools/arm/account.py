"""The report of each tree: seconds, values, memory, unit tests; a line for each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NS = 1_000_000_000
MB = 1e6
HEAD = (
    "tree",
    "seconds",
    "published",
    "stored",
    "missing",
    "twice",
    "spooled",
    "memory",
    "python3",
    "unit tests",
    "took",
)


@dataclass(frozen=True)
class Result:
    """The results of one tree; `memory` and `bare` are in bytes, `took` in s."""

    tree: str
    seconds: int  # of `of`; seconds with a value of each fast field
    of: int
    published: int
    stored: int
    missing: int
    twice: int
    spooled: int  # values on disk when the daemon was stopped
    memory: int
    bare: int  # the same of an idle python3
    unit_tests: str  # pytest's last line, or "none"
    took: float

    @property
    def faults(self) -> list[str]:
        """Return the faults, as texts."""
        found = []
        if self.seconds < self.of:
            found.append(f"{self.of - self.seconds} of {self.of} seconds lack a value")
        if self.missing:
            found.append(f"{self.missing} values are missing")
        if self.twice:
            found.append(f"{self.twice} values are stored twice")
        if not self.spooled:
            found.append("nothing was on disk during the outage")
        if not re.match(r"none|\d+ passed", self.unit_tests):
            found.append(f"unit tests: {self.unit_tests}")
        return [f"{self.tree}: {each}" for each in found]


def covered(stored: Mapping[str, Sequence[int]], first: int, seconds: int) -> int:
    """Return in how many seconds of the clock each field has a value.

    `stored` has the timestamps of each field in ns, `first` is the Unix time of the first second.
    """
    all_have = set(range(first, first + seconds))
    for stamps in stored.values():
        all_have &= {stamp // NS for stamp in stamps}
    return len(all_have) if stored else 0


def emulated(maps: str, emulator: str) -> int:
    """Return the bytes in memory that are the emulated program's, from its /proc/PID/smaps.

    The emulator's memory is left out: its file, recognised by the end of its path, its heap, its
    stack, and the translated code, which is the only memory both writable and executable.
    """
    total, ours = 0, False
    for line in maps.splitlines():
        words = line.split(maxsplit=5)
        if "-" in words[0] and len(words) >= 5 and not words[0].endswith(":"):
            name = words[5] if len(words) > 5 else ""
            theirs = name.endswith(emulator) or name.startswith("[") or words[1].startswith("rwx")
            ours = not theirs
        elif ours and words[0] == "Rss:":
            total += int(words[1]) << 10
    return total


def table(results: Sequence[Result]) -> str:
    """Return a table to read, with sizes in MB and times in minutes."""
    rows = [HEAD]
    for each in results:
        cells = [each.tree, f"{each.seconds} of {each.of}"]
        counts = (each.published, each.stored, each.missing, each.twice, each.spooled)
        cells += [f"{count:,}" for count in counts]
        cells += [f"{size / MB:.1f} MB" for size in (each.memory, each.bare)]
        cells += [each.unit_tests, f"{math.ceil(each.took / 60)} min"]
        rows.append(tuple(cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

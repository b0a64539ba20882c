"""The first entries of the two changelogs: CHANGELOG.md for users, and debian/changelog.

Rules: texts in, values out. An entry that cannot be parsed is None, or has empty parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

HEADING = re.compile(r"(?m)^## (\S+) \((.+)\)$")
FIRST_LINE = re.compile(r"bat2influx \((\S+)\) (\S+); urgency=\w+\n")
TRAILER = re.compile(r"(?m)^ -- .+ <.+>  (.+)$")


@dataclass(frozen=True)
class Entry:
    """The first entry of CHANGELOG.md. `when` is its text: a date, or "not released yet"."""

    version: str
    when: str
    text: str


@dataclass(frozen=True)
class DebianEntry:
    """The first entry of debian/changelog. `revision` is "" if there is none.

    `date` is the day in UTC, as 2026-11-22, and "" if it cannot be parsed.
    """

    version: str
    revision: str
    distribution: str
    date: str


def first_entry(changelog: str) -> Entry | None:
    """Return the first entry of CHANGELOG.md."""
    heading = HEADING.search(changelog)
    if heading is None:
        return None
    rest = changelog[heading.end() :]
    following = HEADING.search(rest)
    text = rest[: following.start()] if following else rest
    return Entry(heading[1], heading[2], text.strip())


def first_debian_entry(changelog: str) -> DebianEntry | None:
    """Return the first entry of debian/changelog."""
    first = FIRST_LINE.match(changelog)
    if first is None:
        return None
    version, hyphen, revision = first[1].rpartition("-")
    if not hyphen:
        version, revision = first[1], ""
    trailer = TRAILER.search(changelog)
    return DebianEntry(version, revision, first[2], _day(trailer[1]) if trailer else "")


def notes(entry: Entry) -> str:
    """Return the release notes, as a file of Markdown."""
    return f"# bat2influx {entry.version}\n\nReleased {entry.when}.\n\n{entry.text}\n"


def _day(date: str) -> str:
    try:
        return parsedate_to_datetime(date).date().isoformat()
    except ValueError:
        return ""

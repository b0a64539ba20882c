"""Text that came from a stranger, made fit for a terminal and for a comment in the ini file."""

from __future__ import annotations


def plain(text: str, longest: int = 60) -> str:
    """Return `text` in one line of at most `longest` printable characters.

    What is not printable (control characters, ends of lines, marks that turn the direction of
    writing) becomes a blank, so that it moves no cursor and begins no line.
    """
    kept = "".join(char if char.isprintable() else " " for char in text[: 4 * longest])
    line = " ".join(kept.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def span(seconds: float) -> str:
    """Return a span for people: 8 s, 12 min, 3 h, 5 days."""
    for unit, size in (("days", 172_800.0), ("h", 7200.0), ("min", 120.0)):
        if seconds >= size:
            one = {"days": 86_400.0, "h": 3600.0, "min": 60.0}[unit]
            return f"{seconds / one:.0f} {unit}"
    return f"{seconds:.0f} s"

"""Makes untrusted text safe for a terminal, and for a comment in the ini file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_NAMED = 20  # of untrusted names, of which there may be a thousand


def some(names: Sequence[object], between: str = ", ") -> str:
    """Return the first MAX_NAMED of `names` as text, and the number of the others."""
    others = len(names) - MAX_NAMED
    if others > 0:
        return f"{between.join(map(str, names[:MAX_NAMED]))} and {others:,} others"
    return between.join(map(str, names))


def plain(text: str, longest: int = 60) -> str:
    """Return `text` in one line of at most `longest` printable characters.

    An unprintable character (control characters, ends of lines, marks that change the direction of
    writing) becomes a space, so that it moves no cursor and begins no line.
    """
    return shortened(" ".join(_printable(text[: 4 * longest]).split()), longest)


def clean(text: str) -> str:
    """Return `text` with a space for each unprintable character; its line breaks stay.

    All output of commands passes this function last. plain() is for text that must be one line of
    limited length.
    """
    return "\n".join(_printable(line) for line in text.split("\n"))


def without(secrets: Sequence[str], record: Any) -> str:
    """Return a NamedTuple as Python prints it, without the fields whose names are in `secrets`."""
    shown = (f"{name}={value!r}" for name, value in record._asdict().items() if name not in secrets)
    return f"{type(record).__name__}({', '.join(shown)})"


def shortened(text: str, longest: int) -> str:
    """Return `text` in at most `longest` characters; a cut text ends with an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def span(seconds: float) -> str:
    """Return a duration as text: 8 s, 12 min, 3 h, 5 days."""
    for unit, size in (("days", 172_800.0), ("h", 7200.0), ("min", 120.0)):
        if seconds >= size:
            one = {"days": 86_400.0, "h": 3600.0, "min": 60.0}[unit]
            return f"{seconds / one:.0f} {unit}"
    return f"{seconds:.0f} s"

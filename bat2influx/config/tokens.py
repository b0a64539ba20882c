"""Extracts the token of a database from pasted text: a whole header, quotes, spaces around it.

Rule: no message holds any part of the token.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from configobj.validate import ValidateError

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"  # which str.strip keeps
_QUOTES = frozenset("\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb")
# RFC 9110, 11.6.2; InfluxDB 2 requires Token, InfluxDB 3 accepts Bearer, too.
_PREFIX = re.compile(r"(?i:(authorization)\s*[:=]\s*|(bearer|token)\s*[:=]?(?:\s+|$))")
_VARIABLE = re.compile(r"(?:export\s+)?[A-Z][A-Z0-9_]*_TOKEN=(?=[^=])")
_WORD = re.compile("[!-~]+")


class Bare(NamedTuple):
    """A token alone, '' for none, and what was removed around it, in words for people."""

    token: str
    left_out: tuple[str, ...]


def bare(written: str) -> Bare:
    """Return the token in `written`, a word of printable ASCII.

    Raises ValueError, with a text for people, if something else is left, or nothing.
    """
    rest, left_out = written, list[str]()
    while part := _part(rest):
        rest, what = part
        if what not in left_out:
            left_out.append(what)
    if not _WORD.fullmatch(rest) and written:
        raise ValueError(f"{_fault(rest, left_out)}; write the token alone")
    return Bare(rest, tuple(left_out))


def remark(written: str) -> str | None:
    """Return a note about a valid token with other text around it; None without such text."""
    left_out = bare(written).left_out
    if not left_out:
        return None
    return f"ignored, because not part of it: {', '.join(left_out)}; write the token alone"


def token(value: str | list[str]) -> str | list[str]:
    """Return a valid token unchanged; `bare` extracts it. Raises ValidateError."""
    try:
        bare(str(value))
    except ValueError as error:
        raise ValidateError(str(error)) from None
    return value


def _part(text: str) -> tuple[str, str] | None:
    """Return the text without its outermost part that is not the token, and what that is."""
    stripped = text.strip().strip(_INVISIBLE)
    if stripped != text:
        return stripped, "spaces"
    if prefix := _PREFIX.match(text):
        words = "'Authorization:'" if prefix[1] else f"'{prefix[2].capitalize()}'"
        return text[prefix.end() :], words
    if variable := _VARIABLE.match(text):
        return text[variable.end() :], "the name of a variable"
    if len(text) > 1 and {text[0], text[-1]} <= _QUOTES:
        return text[1:-1], "quotes"
    return None


def _fault(rest: str, left_out: list[str]) -> str:
    odd = next((char for char in rest if not _WORD.fullmatch(char)), "")
    what = "a space" if odd.isspace() else f"U+{ord(odd):04X}" if odd else "nothing but "
    what += "" if odd else " and ".join(left_out)
    return f"must be one word of printable ASCII characters, and holds {what}"

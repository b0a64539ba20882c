"""Removes the configured secrets from a database's texts, in whatever encoding they return. Pure.

A server, or a proxy in front of it, may repeat the login that it was sent: as it is, in JSON or
HTML, URL-encoded, in a mix of these, as in the header, or within a text in base64. Characters that
are later shown as a blank, or not at all, may be between its characters.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator

from bat2influx.config.settings import Influx
from bat2influx.influx.influxql import HIDDEN

Mask = Callable[[str], str]
SHORT = 3  # characters; a secret this short occurs in every text, and is hidden only as a word
_BETWEEN = 3  # invisible characters between two characters of a secret
_UNSEEN = (
    r"[\0-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
    f"{{0,{_BETWEEN}}}"
)
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def mask_of(*influxes: Influx, more: Iterable[str] = ()) -> Mask:
    """Return a function that removes the secrets of these, and `more`, from a text.

    Apply it before the text is cut.
    """
    patterns = {
        pattern
        for influx in influxes
        for secret in (influx.password, influx.token, *more)
        if secret
        for pattern in _patterns(secret, influx.user)
    }
    if not patterns:
        return lambda text: text
    any_form = re.compile("|".join(sorted(patterns, key=len, reverse=True)))
    return lambda text: any_form.sub(HIDDEN, text)


def _patterns(secret: str, user: str) -> Iterator[str]:
    """Yield patterns for each form of a secret; in base64 it may be anywhere in a text."""
    spelled = _UNSEEN.join(map(_spelled, secret))
    yield spelled if len(secret) > SHORT else rf"(?<!\w){spelled}(?!\w)"
    whole = secret.encode()
    for login in (whole, f"{user}:{secret}".encode()):
        form = base64.b64encode(login).decode().rstrip("=")
        yield _either_alphabet(form) if len(form) > SHORT else rf"(?<!\w){form}(?!\w)"
    for before, skipped in enumerate((0, 2, 3)):  # bytes; of the text in base64, characters
        encoded = base64.b64encode(bytes(before) + whole).decode()
        middle = encoded[skipped : (before + len(whole)) * 4 // 3]
        if len(middle) > 2 * SHORT:
            yield _either_alphabet(middle)


def _either_alphabet(form: str) -> str:
    """Return a pattern for a text in base64, of the standard or the URL alphabet."""
    return re.escape(form).replace(r"\+", "[+-]").replace("/", "[/_]")


def _spelled(char: str) -> str:
    """Return a pattern for a character: itself, escaped, or in one of the usual encodings."""
    number, units = ord(char), char.encode("utf-16-be", "surrogatepass")
    ways = [
        re.escape(char),
        "".join(
            rf"%(?:25){{0,3}}{_digits(f'{byte:02x}')}" for byte in char.encode(errors="replace")
        ),
        "".join(
            rf"\\{{1,8}}u{_digits(units[at : at + 2].hex())}" for at in range(0, len(units), 2)
        ),
        f"&(?:amp;){{0,3}}#0{{0,6}}{number};",
        f"&(?:amp;){{0,3}}#[xX]0{{0,6}}{_digits(f'{number:x}')};",
    ]
    if number < 256:
        ways.append(rf"\\{{1,8}}x{_digits(f'{number:02x}')}")
    if char in _NAMED:
        ways.append(f"&(?:amp;){{0,3}}{_NAMED[char]};")
    if char == " ":
        ways.append(r"\+")
    return rf"\\{{0,8}}(?:{'|'.join(ways)})"


def _digits(text: str) -> str:
    """Return a pattern for hexadecimal digits in either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in text)

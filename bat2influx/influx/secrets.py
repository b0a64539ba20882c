"""Secrets in what a database says: none of ours is shown, in whatever form it comes back. Pure.

A server, or what stands before it, may repeat the login that it was sent: as it is, within JSON or
HTML, encoded as for a URL, in parts of these, as the header has it, or in the middle of a text that
it has in base64. What is shown later as a blank, or not at all, may stand between its characters.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator

from bat2influx.config.settings import Influx
from bat2influx.influx.influxql import HIDDEN

Mask = Callable[[str], str]
SHORT = 3  # characters; one of so few is in every text, and is hidden where it stands by itself
_BETWEEN = 3  # characters that are not shown, between two of a secret
_UNSEEN = (
    r"[\0-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
    f"{{0,{_BETWEEN}}}"
)
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def mask_of(*influxes: Influx, more: Iterable[str] = ()) -> Mask:
    """Return what takes the secrets of these, and `more`, out of a text before it is cut."""
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
    """Yield what finds each form of a secret; in base64 it may stand anywhere in a text."""
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
    """Return what finds a text of base64, be it the one for a URL."""
    return re.escape(form).replace(r"\+", "[+-]").replace("/", "[/_]")


def _spelled(char: str) -> str:
    """Return what finds a character: itself, behind backslashes, or in one of the usual codes."""
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
    """Return what finds hexadecimal digits in letters of either size."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in text)

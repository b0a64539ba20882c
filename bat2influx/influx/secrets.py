"""Secrets in what a database says: none of ours is shown, in whatever form it comes back. Pure.

A server, or what stands before it, may repeat the login that it was sent: as it is, within JSON,
encoded as for a URL, or as the header has it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from bat2influx.config.settings import Influx
from bat2influx.influx.influxql import HIDDEN, quote_string

Mask = Callable[[str], str]
SHORT = 3  # characters


def mask_of(influx: Influx) -> Mask:
    """Return what takes the secrets of `influx` out of a text, before it is cut to any length."""
    forms = sorted(_forms(influx), key=len, reverse=True)
    if not forms:
        return lambda text: text
    any_form = re.compile("|".join(map(_pattern, forms)))
    return lambda text: any_form.sub(HIDDEN, text)


def _forms(influx: Influx) -> set[str]:
    found: set[str] = set()
    for secret in filter(None, (influx.password, influx.token)):
        encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
        found |= {secret, repr(secret)[1:-1], html.escape(secret), quote_string(secret)[1:-1]}
        found |= {json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)}
        found |= encoded | {form.replace("%", "%25") for form in encoded}
        for login in (secret, f"{influx.user}:{secret}", f":{secret}"):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                found.add(encode(login.encode()).decode().rstrip("="))
    return found


def _pattern(form: str) -> str:
    """Return what finds a form, with the codes of an encoded one in letters of either size."""
    pattern = re.sub("%([0-9A-F])([0-9A-F])", _code, re.escape(form))
    # One of a letter or two is in every text; it is hidden where it stands by itself.
    return pattern if len(form) > SHORT else rf"(?<!\w){pattern}(?!\w)"


def _code(code: re.Match[str]) -> str:
    return "%" + "".join(f"[{digit}{digit.lower()}]" for digit in code.groups())

"""Secrets in a database's texts are hidden in every form."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest

from bat2influx.influx.secrets import mask_of
from tests.support.writing import DEFAULTS

PASSWORD = "Ge heim:\"ni's/§%&<"


def forms(secret: str, user: str) -> dict[str, str]:
    """Return the forms in which a server may repeat a secret."""
    return {
        "as it is": secret,
        "JSON": json.dumps(secret),
        "JSON with letters": json.dumps(secret, ensure_ascii=False),
        "URL": quote(secret, safe=""),
        "URL with slashes": quote(secret),
        "query": quote_plus(secret),
        "small query": quote_plus(secret).replace("%3A", "%3a").replace("%2F", "%2f"),
        "parameters": urlencode({"u": user, "p": secret}),
        "Basic": base64.b64encode(f"{user}:{secret}".encode()).decode(),
        "Basic for a URL": base64.urlsafe_b64encode(f"{user}:{secret}".encode()).decode(),
        "base64": base64.b64encode(secret.encode()).decode(),
        "Python": repr(secret),
        "JSON of Go": go_json(secret),
        "JSON in JSON": json.dumps(go_json(secret)),
        "HTML": html.escape(secret),
        "HTML by numbers": "".join(f"&#{ord(char)};" for char in secret),
        "HTML of HTML": html.escape(html.escape(secret)),
        "all of a URL": "".join(f"%{byte:02x}" for byte in secret.encode()),
        "twice a URL": quote(quote(secret, safe=""), safe=""),
        "half a URL": secret.replace("<", "%3C").replace(":", "%3a"),
        "with what is not shown": "\u200b".join(secret),
        "with what becomes a blank": "\t".join(secret),
    }


def go_json(secret: str) -> str:
    """Return it in the JSON of InfluxDB and VictoriaMetrics."""
    text = json.dumps(secret, ensure_ascii=False)[1:-1]
    for char in "&<>":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


@pytest.mark.parametrize("name", forms("x", "u"))
@pytest.mark.parametrize("secret", [PASSWORD, "apiv3_x-Y==", "ab"])
@pytest.mark.parametrize("kind", ["password", "token"])
def test_a_secret_is_hidden_in_each_form(name: str, secret: str, kind: str) -> None:
    """In the middle of a text, and twice."""
    influx = DEFAULTS._replace(user="me", **{kind: secret})
    form = forms(secret, "me")[name]
    shown = mask_of(influx)(f"1 {form} 2 {form} 3")
    assert secret not in shown
    assert form.strip("\"'=") not in shown
    assert "…" in shown


@pytest.mark.parametrize("before", ["", "a", "ab", '{"user":"me","password":"'])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_in_base64_a_secret_may_be_within_a_text(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    """Except for a character at each end, which shares bits with its neighbour."""
    secret = "apiv3_x-Y?>~ÿ"
    shown = mask_of(DEFAULTS._replace(token=secret))(encode(f"{before}{secret}z".encode()).decode())
    assert "…" in shown
    assert len(shown) <= len(before) * 4 // 3 + 6


def test_of_several_logins_none_is_shown() -> None:
    """An administrator's, the file's, and those from elsewhere."""
    admin, own = DEFAULTS._replace(user="a", password="one"), DEFAULTS._replace(password="twoo")
    assert mask_of(admin, own, more=["three3"])("one twoo three3") == "… … …"


def test_a_long_text_is_searched_quickly() -> None:
    """Whatever it contains: it may be 64 KiB from a peer."""
    mask = mask_of(DEFAULTS._replace(user="me", password="aaaaaaaa b", token=PASSWORD))
    for part in ("a", "\t", "a\t", "\\", "%25", "&amp;", "&#0", "\\u0061", "aaaaaaaa "):
        started = time.process_time()
        mask(part * (65_536 // len(part)))
        assert time.process_time() - started < 5.0


def test_a_secret_of_a_letter_does_not_hide_the_text() -> None:
    """It is hidden only as a separate word."""
    assert mask_of(DEFAULTS._replace(token="t"))("not t, that") == "not …, that"


def test_without_a_secret_nothing_is_hidden() -> None:
    """An empty password would be in every text."""
    assert mask_of(DEFAULTS._replace(user="me"))("me: no") == "me: no"

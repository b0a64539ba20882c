"""Secrets in what a database says: in whatever form they come back, they are hidden."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import quote, quote_plus, urlencode

import pytest

from bat2influx.influx.secrets import mask_of
from tests.support.writing import DEFAULTS

PASSWORD = "Ge heim:\"ni's/§%&<"


def forms(secret: str, user: str) -> dict[str, str]:
    """Return in what forms a server may repeat a secret."""
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
    }


@pytest.mark.parametrize("name", forms("x", "u"))
@pytest.mark.parametrize("secret", [PASSWORD, "apiv3_x-Y==", "ab"])
@pytest.mark.parametrize("kind", ["password", "token"])
def test_a_secret_is_hidden_in_each_form(name: str, secret: str, kind: str) -> None:
    """In the middle of a text, and twice."""
    influx = replace(DEFAULTS, user="me", **{kind: secret})
    form = forms(secret, "me")[name]
    shown = mask_of(influx)(f"1 {form} 2 {form} 3")
    assert secret not in shown
    assert form.strip("\"'=") not in shown
    assert "…" in shown


def test_a_secret_of_a_letter_does_not_hide_the_text() -> None:
    """It is hidden where it stands by itself."""
    assert mask_of(replace(DEFAULTS, token="t"))("not t, that") == "not …, that"


def test_where_there_is_no_secret_nothing_is_hidden() -> None:
    """An empty password is in every text."""
    assert mask_of(replace(DEFAULTS, user="me"))("me: no") == "me: no"

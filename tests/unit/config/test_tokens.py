"""The token of a database in pasted text."""

from __future__ import annotations

import pytest
from configobj.validate import ValidateError

from bat2influx.config.tokens import bare, remark, token

TOKEN = "aPi-v3_hunter+Zq7/=="


@pytest.mark.parametrize(
    ("around", "left_out"),
    [
        ("{}", []),
        ("Bearer {}", ["'Bearer'"]),
        ("bearer\t{}", ["'Bearer'"]),
        ("TOKEN  {}", ["'Token'"]),
        ("Token: {}", ["'Token'"]),
        ("token = {}", ["'Token'"]),
        ("Token Bearer {}", ["'Token'", "'Bearer'"]),
        ("Authorization: Token {}", ["'Authorization:'", "'Token'"]),
        ("authorization:Bearer {}", ["'Authorization:'", "'Bearer'"]),
        (' "Authorization: Bearer {} "\n', ["spaces", "quotes", "'Authorization:'", "'Bearer'"]),
        ("INFLUX_TOKEN={}", ["the name of a variable"]),
        ("export INFLUXDB3_AUTH_TOKEN='{}'", ["the name of a variable", "quotes"]),
        (" {}", ["spaces"]),
        ("{}\t\n", ["spaces"]),
        ("\u00a0{}\u200b", ["spaces"]),
        ('"{}"', ["quotes"]),
        ("'{}'", ["quotes"]),
        ("`{}`", ["quotes"]),
        ("\u201e{}\u201c", ["quotes"]),
        ('Bearer "{}"', ["'Bearer'", "quotes"]),
    ],
)
def test_text_around_a_token_is_ignored(around: str, left_out: list[str]) -> None:
    """Words of a header, spaces and quotes, in any order, and each is named once."""
    written = around.format(TOKEN)
    assert bare(written) == (TOKEN, tuple(left_out))
    assert token(written) == written
    said = remark(written)
    if left_out:
        assert (
            said == f"ignored, because not part of it: {', '.join(left_out)}; write the token alone"
        )
    else:
        assert said is None


@pytest.mark.parametrize(
    "written", ["Bearer123", "token=abc", "tokens", "a=b", 'it"s', "MY_TOKEN==", "Token-1", "x;y"]
)
def test_a_word_that_only_looks_like_more_is_the_token(written: str) -> None:
    """An administrator of InfluxDB 2 may have chosen any word."""
    assert bare(written) == (written, ())


def test_an_empty_token_is_none() -> None:
    """It is the default, without a note."""
    assert bare("") == ("", ())
    assert remark("") is None


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ("Token", "nothing but 'Token'"),
        ("bearer ", "nothing but spaces and 'Bearer'"),
        ("Authorization: Token", "nothing but 'Authorization:' and 'Token'"),
        ("  ", "nothing but spaces"),
        ('""', "nothing but quotes"),
        (f"my {TOKEN}", "a space"),
        (f"{TOKEN}\n{TOKEN}", "a space"),
        (f"{TOKEN[:4]}\u2026", "U+2026"),
        (f"{TOKEN[:4]}\u200b{TOKEN[4:]}", "U+200B"),
        (f"{TOKEN}\x1b", "U+001B"),
    ],
)
def test_an_invalid_token_is_rejected_without_being_shown(written: str, holds: str) -> None:
    """Otherwise the database would reject a cut or wrapped one only later."""
    expected = f"must be one word of printable ASCII characters, and holds {holds}"
    for refused in (bare, remark, token):
        with pytest.raises((ValueError, ValidateError)) as raised:
            refused(written)
        assert str(raised.value) == f"{expected}; write the token alone"
        assert TOKEN[:4] not in str(raised.value)

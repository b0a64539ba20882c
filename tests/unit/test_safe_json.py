"""Untrusted JSON: its value, or none; never an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.safe_json import parse, parse_object

NONE = [b"", b"{", b"nonsense", b"\xff", "\ud800", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"a":[1,2.5,null,true,"\xc3\xbc"]}', {"a": [1, 2.5, None, True, "ü"]}),
        ('"text"', "text"),
        (b"[]", []),
        (b"null", None),
        (b" 7 ", 7),
    ],
)
def test_json_gives_its_value(data: bytes | str, found: Any) -> None:
    """As bytes or as text."""
    assert parse(data) == found


@pytest.mark.parametrize("data", NONE)
def test_invalid_json_gives_none(data: bytes | str) -> None:
    """Whether it is cut off, not UTF-8, nested too deep, or an endless number."""
    assert parse(data) is None
    assert parse_object(data) == {}


@pytest.mark.parametrize("data", [b"[]", b"7", b'"text"', b"null", b"true"])
def test_another_type_gives_an_empty_object(data: bytes) -> None:
    """So a look-up of any key finds none."""
    assert parse_object(data) == {}


def test_an_object_gives_its_values() -> None:
    """Of two equal keys the last one is used."""
    assert parse_object(b'{"a":1,"b":{},"a":2}') == {"a": 2, "b": {}}


@given(st.binary() | st.text())
def test_nothing_is_ever_raised(data: bytes | str) -> None:
    """For any input."""
    parse(data)
    assert isinstance(parse_object(data), dict)

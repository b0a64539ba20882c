"""JSON of a stranger: what it holds, or nothing; never an error."""

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
def test_json_is_what_it_holds(data: bytes | str, found: Any) -> None:
    """As bytes or as text."""
    assert parse(data) == found


@pytest.mark.parametrize("data", NONE)
def test_what_is_no_json_is_none(data: bytes | str) -> None:
    """Whether it is cut off, not UTF-8, nested too deep, or a number without end."""
    assert parse(data) is None
    assert parse_object(data) == {}


@pytest.mark.parametrize("data", [b"[]", b"7", b'"text"', b"null", b"true"])
def test_what_is_no_object_is_an_empty_one(data: bytes) -> None:
    """Whoever looks for a key finds none."""
    assert parse_object(data) == {}


def test_an_object_is_what_it_holds() -> None:
    """Of two keys that are the same the last one counts."""
    assert parse_object(b'{"a":1,"b":{},"a":2}') == {"a": 2, "b": {}}


@given(st.binary() | st.text())
def test_nothing_is_ever_raised(data: bytes | str) -> None:
    """Whatever comes."""
    parse(data)
    assert isinstance(parse_object(data), dict)

"""The VRM cloud: the host of a device, and the password of an account."""

from __future__ import annotations

import pytest

from bat2influx.venus import vrm


@pytest.mark.parametrize(
    ("portal", "number"),
    [
        ("", 0),
        ("a", 97),
        ("0", 48),
        ("00", 96),
        ("000", 16),  # 144 - 128
        ("zz", 116),  # 244 - 128
        ("c0619ab12345", 117),  # 757 - 5 * 128
        ("C0619AB12345", 117),
        ("0123456789ab", 80),  # 525 + 97 + 98 - 5 * 128
    ],
)
def test_the_host_follows_from_the_portal_id(portal: str, number: int) -> None:
    """The code points of its lower-case letters and its digits, added up, modulo 128."""
    assert vrm.host_of(portal) == f"mqtt{number}.victronenergy.com"


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("0a1b2c", "Token 0a1b2c"),
        ("Token 0a1b2c", "Token 0a1b2c"),
        ("token  0a1b2c ", "Token 0a1b2c"),
        ("Token", "Token Token"),
        ("Tokenish", "Token Tokenish"),
        ("", ""),
    ],
)
def test_the_word_token_stands_in_front_of_an_access_token_once(
    written: str, password: str
) -> None:
    """Whether or not it is copied with the word, the login is the same."""
    assert vrm.password_of(written) == password

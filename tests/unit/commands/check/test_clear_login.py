"""A note about a login that is sent unencrypted."""

from __future__ import annotations

import pytest

from bat2influx.commands.check.clear_login import clear_login
from bat2influx.commands.steps import NOTE, Step

NOTED = [Step(NOTE, "login", "the password is sent unencrypted over the network; do this")]


@pytest.mark.parametrize(
    ("what", "host", "addresses", "tls", "noted"),
    [
        ("the password", "venus.local", ["192.0.2.7"], False, True),
        ("the password", "venus.local", [], False, True),
        ("the password", "192.0.2.7", [], False, True),
        ("the password", "fe80::1%eth0", [], False, True),
        ("the password", "db", ["127.0.0.1", "192.0.2.7"], False, True),
        ("the password", "venus.local", ["192.0.2.7"], True, False),
        ("", "venus.local", ["192.0.2.7"], False, False),
        ("the password", "localhost", [], False, False),
        ("the password", "Localhost.", [], False, False),
        ("the password", "127.0.0.1", [], False, False),
        ("the password", "::1", [], False, False),
        ("the password", "db", ["127.0.0.1", "::1"], False, False),
    ],
)
def test_a_secret_that_others_can_read_is_noted(
    what: str, host: str, addresses: list[str], tls: bool, noted: bool
) -> None:
    """Not if it is encrypted, stays on this machine, or is empty."""
    found = [*clear_login(what, host, addresses, "do this", tls=tls)]
    assert found == (NOTED if noted else [])

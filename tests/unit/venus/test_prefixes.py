"""The prefix of a device's topics, by the messages that a broker retains."""

from __future__ import annotations

import pytest
from paho.mqtt.client import topic_matches_sub

from bat2influx.config import checks
from bat2influx.venus.prefixes import ELSEWHERE, MAX_PREFIX, MAX_PREFIXES, PrefixSearch

P, OTHER = "c0619ab1c2d3", "0a1b2c3d4e5f"
SERIAL = b'{"value":"c0619ab1c2d3"}'


def found(*prefixes: str, own: str = "", payload: bytes = SERIAL) -> tuple[str, ...]:
    """Return the prefixes found if serial numbers are retained under these prefixes."""
    search = PrefixSearch(own)
    for prefix in prefixes:
        search.process(f"{prefix}N/{P}/system/0/Serial", payload)
    return search.prefixes()


@pytest.mark.parametrize("prefix", ["", "home/", "home/cellar/", "boat 2/", "Küche/"])
def test_a_prefix_of_up_to_two_levels_is_found(prefix: str) -> None:
    """By one of the subscriptions, and in the form of the configuration."""
    topic = f"{prefix}N/{P}/system/0/Serial"
    assert [topic_matches_sub(each, topic) for each in ELSEWHERE].count(True) == 1
    assert found(prefix, own="boat/") == (prefix,)
    assert checks.prefix(prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    [
        "own/",
        "$SYS/",
        "a/b/c/",
        "/",
        "a//",
        "N/",
        "home/W/",
        " home/",
        "ho\nme/",
        "ho\x1b[2Jme/",
        "\u202eemoh/",
        'a"b/',
        f"{'x' * MAX_PREFIX}/",
    ],
)
def test_what_could_not_be_configured_is_no_prefix(prefix: str) -> None:
    """An untrusted topic goes neither to a terminal nor into the file."""
    assert found(prefix, own="own/") == ()


@pytest.mark.parametrize("payload", [b"", b'{"value":null}', b"x"])
def test_a_serial_without_a_number_is_no_device(payload: bytes) -> None:
    """A message that removes a device does not count."""
    assert found("home/", payload=payload) == ()


def test_other_topics_are_no_hint() -> None:
    """Only the message that a device has retained counts."""
    search = PrefixSearch()
    for topic in (f"home/N/{P}/vebus/275/Serial", f"home/R/{P}/system/0/Serial", "", "home/N/+"):
        search.process(topic, SERIAL)
    search.process("home/N/a b/system/0/Serial", SERIAL)
    assert search.prefixes() == ()


def test_the_device_that_is_configured_counts_before_others() -> None:
    """If the portal id is known, prefixes of other devices do not count."""
    search = PrefixSearch()
    search.process(f"home/N/{P}/system/0/Serial", SERIAL)
    search.process(f"boat/N/{OTHER}/system/0/Serial", SERIAL)
    assert search.prefixes(OTHER) == ("boat/",)
    assert search.prefixes("unknown") == search.prefixes() == ("boat/", "home/")


def test_a_broker_that_invents_prefixes_takes_no_more_memory() -> None:
    """The numbers of prefixes and of devices below each are limited."""
    search = PrefixSearch()
    for number in range(5 * MAX_PREFIXES):
        search.process(f"home/N/p{number}/system/0/Serial", SERIAL)
        search.process(f"made-up-{number}/N/{P}/system/0/Serial", SERIAL)
    assert len(search.found) == MAX_PREFIXES
    assert len(search.found["home/"]) == MAX_PREFIXES

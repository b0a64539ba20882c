"""Guesses what stands in front of a device's topics, from the serial numbers that a broker retains.

A bridge may put a prefix in front of N/ and R/. The one retained message of a device is then below
that prefix, and shows it to whoever subscribes one or two levels deeper than the device itself
would need.

Rules: pure. A topic is a stranger's text: a prefix that could not stand in the configuration, or
would not be seen as it is, is none.
"""

from __future__ import annotations

import re

from bat2influx.venus import protocol

# One level and two, and none at all for a prefix that is configured and should not be.
ELSEWHERE = (protocol.PORTALS, f"+/{protocol.PORTALS}", f"+/+/{protocol.PORTALS}")
MOST_PREFIXES = 8  # that are kept of one broker: a person can try so many
MAX_PREFIX = 120  # characters
_SPLIT = re.compile(r"((?:[^/]+/){0,2})(N/[^/]+/system/0/Serial)")
_ODD = frozenset("+#'\"")


class PrefixSearch:
    """The prefixes under which a broker has devices. Hand each message to `see`.

    `found` has the portal ids by prefix; a prefix has a slash at its end, and '' is none. The
    prefix `own` is passed over.
    """

    def __init__(self, own: str = "") -> None:
        self.found: dict[str, list[str]] = {}
        self._own = own

    def see(self, topic: str, payload: bytes) -> None:
        """Take a message into account, whatever its topic, which has nothing cut off."""
        match = _SPLIT.fullmatch(topic)
        if match is None or not protocol.names_device(payload):
            return
        prefix, portal = match[1], protocol.portal_of(match[2])
        if portal is None or prefix == self._own or not _may_be_configured(prefix):
            return
        if prefix in self.found or len(self.found) < MOST_PREFIXES:
            portals = self.found.setdefault(prefix, [])
            if portal not in portals and len(portals) < MOST_PREFIXES:
                portals.append(portal)

    def prefixes(self, portal: str = "") -> tuple[str, ...]:
        """Return those of the device `portal`, or of any where that is '' or has none; in order."""
        own = [prefix for prefix, portals in self.found.items() if portal in portals]
        return tuple(sorted(own or self.found))


def _may_be_configured(prefix: str) -> bool:
    """Return whether it fits topic_prefix, and into a line of a log, as it is."""
    last = prefix.removesuffix("/").rpartition("/")[2]
    odd = prefix[:1] == "$" or prefix != prefix.strip() or _ODD & {*prefix}
    return len(prefix) <= MAX_PREFIX and prefix.isprintable() and not odd and last not in {*"NRW"}

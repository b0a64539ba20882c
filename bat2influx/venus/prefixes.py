"""Detects the prefix of a device's topics, from the serial numbers that a broker retains.

A bridge may put a prefix before N/ and R/. The one retained message of a device is then below that
prefix. A subscription one or two levels deeper than usual shows it.

Rules: pure. A topic is untrusted text: a prefix that could not be configured, or would not be
displayed as it is, is ignored.
"""

from __future__ import annotations

import re

from bat2influx.venus import protocol

# One and two levels, and none for a prefix that is configured by mistake.
ELSEWHERE = (protocol.PORTALS, f"+/{protocol.PORTALS}", f"+/+/{protocol.PORTALS}")
MAX_PREFIXES = 8  # kept of one broker: as many as a user can try
MAX_PREFIX = 120  # characters
_SPLIT = re.compile(r"((?:[^/]+/){0,2})(N/[^/]+/system/0/Serial)")
_ODD = frozenset("+#'\"")


class PrefixSearch:
    """The prefixes under which a broker has devices. Pass each message to `process`.

    `found` has the portal ids by prefix; a prefix ends with a slash, and '' is no prefix. The
    prefix `own` is ignored.
    """

    def __init__(self, own: str = "") -> None:
        self.found: dict[str, list[str]] = {}
        self._own = own

    def process(self, topic: str, payload: bytes) -> None:
        """Process a message of any topic; the topic must be complete."""
        match = _SPLIT.fullmatch(topic)
        if match is None or not protocol.names_device(payload):
            return
        prefix, portal = match[1], protocol.portal_of(match[2])
        if portal is None or prefix == self._own or not _may_be_configured(prefix):
            return
        if prefix in self.found or len(self.found) < MAX_PREFIXES:
            portals = self.found.setdefault(prefix, [])
            if portal not in portals and len(portals) < MAX_PREFIXES:
                portals.append(portal)

    def prefixes(self, portal: str = "") -> tuple[str, ...]:
        """Return the prefixes of `portal`, or all if that is '' or has none; sorted."""
        own = [prefix for prefix, portals in self.found.items() if portal in portals]
        return tuple(sorted(own or self.found))


def _may_be_configured(prefix: str) -> bool:
    """Return whether a prefix is valid as topic_prefix and printable in a log line."""
    last = prefix.removesuffix("/").rpartition("/")[2]
    odd = prefix[:1] == "$" or prefix != prefix.strip() or _ODD & {*prefix}
    return len(prefix) <= MAX_PREFIX and prefix.isprintable() and not odd and last not in {*"NRW"}

"""How many bytes are kept of the devices of a fleet.

The devices, or anyone with access to the broker, determine which devices and topics exist. So the
memory for them is counted in bytes, names included, and what does not fit is ignored. The figures
were measured, and are checked by tests/unit/fleet/test_memory.py.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

DEVICE = 600  # bytes of a device, with its keepalives and its entries here and in reports
SERIES = 850  # bytes of a field of a topic, with the head of its line (influx/lineprotocol.py)
REQUEST = 100  # bytes of a requested topic, without its name
ALMOST = 0.95  # the share of the limit from which the memory counts as full


class Memory:
    """The memory used for each device, and for all of them."""

    def __init__(self, most: int) -> None:
        """`most` is the limit for all of it, in bytes."""
        self.used = 0
        self._most = most
        self._of: dict[str, int] = {}  # bytes by portal id

    @property
    def full(self) -> bool:
        """Whether at least 95 % (ALMOST) of the memory is used."""
        return self.used >= self._most * ALMOST

    def reserve_device(self, portal: str) -> bool:
        """Return whether there is room for another device; if so, reserve it."""
        return self._reserve(portal, DEVICE + len(portal))

    def reserve_series(self, portal: str, topic: str, fields: int) -> bool:
        """Return whether there is room for a topic with `fields` fields; if so, reserve it."""
        return self._reserve(portal, fields * (SERIES + len(topic)))

    def reserve_requests(self, portal: str, topics: Iterable[str]) -> bool:
        """Return whether there is room for requests to a device; if so, reserve it."""
        return self._reserve(portal, sum(REQUEST + len(topic) for topic in topics))

    def forget(self, portal: str) -> None:
        """Release everything of a device."""
        self.used -= self._of.pop(portal, 0)

    def _reserve(self, portal: str, size: int) -> bool:
        if self.used + size > self._most:
            return False
        self.used += size
        self._of[portal] = self._of.get(portal, 0) + size
        return True

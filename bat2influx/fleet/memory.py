"""How much is kept of what the devices of a fleet have said, in bytes.

Which devices and topics there are is for the devices to say, or for whoever has access to the
broker. So what is known of them is counted in bytes, names included, and what does not fit is left
out. The figures were measured, and are checked by tests/unit/fleet/test_memory.py.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

DEVICE = 600  # bytes, with its keepalives, its place here and in what is told
SERIES = 850  # bytes of a field of a topic, with the head of its line (influx/lineprotocol.py)
REQUEST = 100  # bytes of a topic that is asked for, but for its name
ALMOST = 0.95  # of what may be used: from here on it is full


class Memory:
    """What is used for each device, and for all of them."""

    def __init__(self, most: int) -> None:
        """`most` is how many bytes all of it may take."""
        self.used = 0
        self._most = most
        self._of: dict[str, int] = {}  # bytes by portal id

    @property
    def full(self) -> bool:
        """Whether there is no room to speak of."""
        return self.used >= self._most * ALMOST

    def takes_device(self, portal: str) -> bool:
        """Return whether there is room for another device, which is taken then."""
        return self._takes(portal, DEVICE + len(portal))

    def takes_series(self, portal: str, topic: str, fields: int) -> bool:
        """Return whether there is room for a topic of a device that is stored as so many fields."""
        return self._takes(portal, fields * (SERIES + len(topic)))

    def takes_requests(self, portal: str, topics: Iterable[str]) -> bool:
        """Return whether there is room for what is to be asked for of a device."""
        return self._takes(portal, sum(REQUEST + len(topic) for topic in topics))

    def forget(self, portal: str) -> None:
        """Nothing is known of a device any more."""
        self.used -= self._of.pop(portal, 0)

    def _takes(self, portal: str, size: int) -> bool:
        if self.used + size > self._most:
            return False
        self.used += size
        self._of[portal] = self._of.get(portal, 0) + size
        return True

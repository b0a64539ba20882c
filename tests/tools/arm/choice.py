"""Selects the unit tests for another processor: those of modules that depend on its sizes.

Under emulation all of them take long. Selected are modules that pack bytes, call the kernel or
SQLite, or have integers above 32 bits: numbers of rows, nanoseconds, checksums, bounds.
"""

from __future__ import annotations

import re
from pathlib import Path

DEPENDS = re.compile(
    r"^(?:import|from) (?:array|ctypes|fcntl|mmap|resource|sqlite3|struct|zlib)\b"
    r"|\bclock_gettime|\btime_ns\(|\b0x[0-9A-Fa-f_]{8,}|\b(?:2 ?\*\*|1 ?<<) ?[3-6][0-9]\b",
    re.MULTILINE,
)
# Modules without such text that still handle numbers of this size.
ALSO = ("influx/lineprotocol.py", "mqtt/packets.py", "reading.py", "venus/protocol.py")
# Tests of a call that the emulation rejects (qemu-user 7.2: ENOPROTOOPT for IP_MULTICAST_IF), and
# the kernel of a real board accepts.
NOT_EMULATED = tuple(
    f"tests/unit/commands/discover/test_lan_search.py::{name}"
    for name in (
        "test_an_interface_that_is_up_is_searched_on",
        "test_a_search_leaves_by_its_own_interface",
    )
)


def depends_on_sizes(source: str) -> bool:
    """Return whether a module's source depends on sizes of the processor."""
    return bool(DEPENDS.search(source))


def chosen(top: Path) -> list[str]:
    """Return the unit tests of such modules in the checkout at `top`, as paths in it."""
    package, unit = top / "bat2influx", top / "tests/unit"
    modules = [
        module
        for path in sorted(package.rglob("*.py"))
        if path.name != "__init__.py"
        for module in [path.relative_to(package)]
        if str(module) in ALSO or depends_on_sizes(path.read_text())
    ]
    found = {
        str(test.relative_to(top))
        for module in modules
        for pattern in (f"test_{module.stem}.py", f"test_{module.stem}_*.py")
        for test in (unit / module.parent).glob(pattern)
    }
    return sorted(found)

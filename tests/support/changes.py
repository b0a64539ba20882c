"""All changes in a directory, as the kernel reports them (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

from tests.support.part import Part

_KINDS = {  # inotify(7)
    0x0002: "modified",
    0x0004: "attributes",
    0x0008: "closed after writing",
    0x0020: "opened",
    0x0040: "moved away",
    0x0080: "moved here",
    0x0100: "created",
    0x0200: "deleted",
    0x0400: "the directory deleted",
    0x0800: "the directory moved",
    0x4000: "events lost",
}
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Changes(Part):
    """The events of one existing directory, from the beginning of the block on.

    Opening a file for reading is an event too; reading the directory itself is none.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        path = os.fsencode(directory)
        _checked(_libc.inotify_add_watch(self._descriptor, path, sum(_KINDS) & ~0x4000))

    def new(self) -> list[str]:
        """Return the events since the last call, as in "created spool.sqlite"."""
        events: list[str] = []
        with suppress(BlockingIOError):
            while True:
                events += _events(os.read(self._descriptor, 1 << 16))
        return events

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)


def _events(data: bytes) -> list[str]:
    events, at = [], 0
    while at < len(data):
        _, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        name = data[at : at + length].rstrip(b"\0").decode()
        at += length
        kinds = [kind for bit, kind in _KINDS.items() if mask & bit]
        if kinds and (name or not mask & 0x0020):  # the directory itself, opened to be listed
            events.append(f"{', '.join(kinds)} {name}".rstrip())
    return events


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

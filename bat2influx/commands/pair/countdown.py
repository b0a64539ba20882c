"""How long a device is still waited for: one line that counts down, or now and then a line more.

A terminal has the line rewritten in place, each second; anything else gets a line at a time, so
that a journal or a file is not filled.
"""

from __future__ import annotations

from typing import TextIO

from bat2influx.commands.output import say

EACH = 30.0  # s between two lines where there is no terminal
_CLEAR = "\r\x1b[K"  # the line, from its beginning on


class Countdown:
    """Shows the seconds that are left, on `stream`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._next: float | None = None  # seconds left at which the next line is due
        self._shown = False

    def show(self, left: float) -> None:
        """Show that so many seconds are left."""
        seconds = max(0, round(left))
        text = f"waiting for the device, {seconds // 60}:{seconds % 60:02d} left"
        if self._terminal:
            self._stream.write(f"{_CLEAR}{text}")
            self._stream.flush()
            self._shown = True
        elif self._next is None or left <= self._next:
            say(text, self._stream)
            self._next = left - EACH

    def clear(self) -> None:
        """Make room for other lines."""
        if self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False

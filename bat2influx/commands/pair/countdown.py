"""Shows how long the command still waits for a device.

On a terminal one line is rewritten every second; elsewhere a new line is printed at intervals, so
that a journal or a file does not fill up.
"""

from __future__ import annotations

from typing import TextIO

from bat2influx.commands.output import say

EACH = 30.0  # s between two lines without a terminal
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
        """Remove the line, before other lines are printed."""
        if self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False

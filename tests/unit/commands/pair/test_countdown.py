"""The remaining wait for a device, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest

from bat2influx.commands.pair.countdown import EACH, Countdown


class Terminal(io.StringIO):
    """A terminal, which keeps all that was written."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_terminal_has_one_line_that_is_overwritten() -> None:
    """No line is ended, and clear() removes the line."""
    terminal = Terminal()
    countdown = Countdown(terminal)
    for left in (120.0, 119.0, 60.4, 0.2):
        countdown.show(left)
    countdown.clear()
    countdown.clear()
    shown = terminal.getvalue()
    assert "\n" not in shown
    lines = shown.split("\r\x1b[K")[1:]
    times = "2:00", "1:59", "1:00", "0:00"
    assert lines == [*(f"waiting for the device, {time} left" for time in times), ""]


def test_a_file_has_a_line_at_intervals() -> None:
    """Nothing in it moves a cursor, and there is nothing to clear."""
    stream = io.StringIO()
    countdown = Countdown(stream)
    for left in range(120, -1, -1):
        countdown.show(float(left))
    countdown.clear()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 120 / EACH + 1
    assert lines[1] == "waiting for the device, 1:30 left"
    assert stream.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nothing_is_cleared_that_was_not_shown(stream: io.StringIO) -> None:
    """The line may belong to other output."""
    Countdown(stream).clear()
    assert stream.getvalue() == ""

"""A terminal that shows the layout of layout.py: the only module that knows curses.

Rules: curses compares each drawing with the one before, and sends only the changes. The terminal is
restored at the end, whatever ends the command.
"""

from __future__ import annotations

import contextlib
import curses
import locale
import os
import select
import signal
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from bat2influx.commands.watch.layout import lay_out
from bat2influx.commands.watch.model import View
from bat2influx.commands.watch.text import ASCII, UTF8, Glyphs, Style

FRAME = 0.25  # s between two drawings, at least
TOGETHER = 0.05  # s; messages within it are drawn together
HALF = 0.5  # s; ages are drawn between two values, so that they increase evenly
ESCAPE = 25  # ms in which the rest of a key's sequence must arrive

_COLOURS = {Style.GOOD: curses.COLOR_GREEN, Style.NOTE: curses.COLOR_YELLOW}
_COLOURS |= {Style.WRONG: curses.COLOR_RED}
_STRESS = {Style.TITLE: curses.A_BOLD, Style.FAINT: curses.A_DIM, Style.WRONG: curses.A_BOLD}


def is_fit(environment: Mapping[str, str]) -> bool:
    """Tell whether stdin and stdout are a terminal with a movable cursor."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or not environment.get("TERM"):
        return False
    with contextlib.suppress(curses.error):
        curses.setupterm()
        return bool(curses.tigetstr("cup"))
    return False


def glyphs() -> Glyphs:
    """Return the characters that the terminal can show, by the locale."""
    codeset = locale.nl_langinfo(locale.CODESET)
    return UTF8 if codeset.upper().replace("-", "") == "UTF8" else ASCII


class Screen:
    """The terminal, from the beginning of the block to its end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.ended = False
        self.descriptors = (sys.stdin.fileno(),)
        self._colour = not environment.get("NO_COLOR")
        self._glyphs = glyphs()
        self._attributes: dict[Style, int] = {}
        self._first = self._page = 0
        self._drawn = self._changed_at = 0.0
        self._new = True

    def __enter__(self) -> Self:
        self._window = curses.initscr()
        try:
            self._set_up()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def notify_change(self, now: float) -> None:
        """Note that there is something to show."""
        if not self._new:
            self._new, self._changed_at = True, now

    def timeout(self, now: float) -> float:
        """Return the seconds to the next drawing."""
        if self._new:
            return max(0.0, self._next() - now)
        return 1.0 - (now - self._changed_at + HALF) % 1.0

    def due(self, now: float) -> bool:
        """Return whether to draw now: there is something new, or ages have changed by a second."""
        if self._new:
            return now >= self._next()
        return (now - self._changed_at + HALF) // 1.0 > (
            self._drawn - self._changed_at + HALF
        ) // 1.0

    def show(self, view: View) -> None:
        """Draw."""
        self._new, self._drawn = False, view.now
        width, height = self._size()
        if not (width and height):
            return
        layout = lay_out(view, width, height, first=self._first, glyphs=self._glyphs)
        self._first, self._page = layout.first, layout.page
        self._window.erase()
        for y, line in enumerate(layout.lines):
            self._window.move(y, 0)
            for text, style in line:
                with contextlib.suppress(curses.error):  # after the last cell
                    self._window.addstr(text, self._attributes[style])
        self._window.noutrefresh()
        curses.doupdate()

    def read(self) -> None:
        """Handle the pressed keys."""
        some = False
        while (key := self._window.getch()) != -1:
            some = True
            self._at_once()
            if key in (ord("q"), ord("Q")):
                self.ended = True
            elif key == ord("L") - 64:  # Ctrl-L
                self._window.clearok(True)
            else:
                self._first = max(0, self._first + self._steps(key))
        if not some and _is_gone(self.descriptors[0]):
            self.ended = True

    def _next(self) -> float:
        return max(self._drawn + FRAME, self._changed_at + TOGETHER)

    def _steps(self, key: int) -> int:
        page = max(1, self._page - 1)
        return {
            curses.KEY_UP: -1,
            curses.KEY_DOWN: 1,
            curses.KEY_PPAGE: -page,
            curses.KEY_NPAGE: page,
            curses.KEY_HOME: -(10**6),
            curses.KEY_END: 10**6,
        }.get(key, 0)

    def _set_up(self) -> None:
        curses.noecho()
        curses.cbreak()
        curses.set_escdelay(ESCAPE)
        self._window.keypad(True)
        self._window.nodelay(True)
        with contextlib.suppress(curses.error):  # the terminal cannot hide it
            curses.curs_set(0)
        # With this handler, in place of curses', the signal wakes the loop.
        signal.signal(signal.SIGWINCH, lambda *_: self._at_once())
        self._attributes = {style: _STRESS.get(style, curses.A_NORMAL) for style in Style}
        if self._colour:
            self._colour_in()

    def _colour_in(self) -> None:
        with contextlib.suppress(curses.error):
            curses.start_color()
            if not curses.has_colors():
                return
            curses.use_default_colors()
            for pair, (style, colour) in enumerate(_COLOURS.items(), 1):
                curses.init_pair(pair, colour, -1)
                self._attributes[style] |= curses.color_pair(pair)

    def _at_once(self) -> None:
        """Draw as soon as possible, because a person waits for it."""
        self._new, self._drawn, self._changed_at = True, 0.0, 0.0

    def _size(self) -> tuple[int, int]:
        """Return columns and lines, and update curses."""
        height, width = self._window.getmaxyx()
        with contextlib.suppress(OSError):
            there = os.get_terminal_size(sys.stdout.fileno())
            if 0 not in there and there != (width, height):
                width, height = there
                curses.resizeterm(height, width)
                self._window.clearok(True)
        return width, height

    def _restore(self) -> None:
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        with contextlib.suppress(curses.error):
            self._window.keypad(False)
        for call in (curses.nocbreak, curses.echo, curses.endwin):
            with contextlib.suppress(curses.error):
                call()


def _is_gone(fd: int) -> bool:
    """Return whether the terminal has been closed."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return any(mask & (select.POLLHUP | select.POLLERR) for _, mask in poll.poll(0))

"""Curses and a terminal made by hand, which note what is drawn."""

from __future__ import annotations

import curses
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.commands.watch import terminal
from bat2influx.commands.watch.text import UTF8


class Curses:
    """Stands in for curses and its one window; `calls` are the calls."""

    error = curses.error

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.keys: list[int] = []
        self.fails: set[str] = set()  # calls that raise curses.error
        self.colours = True
        self.drawn: dict[int, str] = {}  # by line
        self.attributes: dict[str, int] = {}  # by text
        self._y = 0

    def __getattr__(self, name: str) -> Any:
        if name.isupper() or name.startswith(("KEY_", "A_", "COLOR_")):
            return getattr(curses, name)

        def call(*arguments: object) -> None:
            self.calls.append(" ".join(map(str, (name, *arguments))))
            if name in self.fails:
                raise curses.error

        return call

    def initscr(self) -> Curses:
        """Begin."""
        self.calls.append("initscr")
        return self

    def has_colors(self) -> bool:
        """Tell whether there are colours."""
        return self.colours

    def color_pair(self, number: int) -> int:
        """Return the attribute of a pair."""
        return number << 8

    def getmaxyx(self) -> tuple[int, int]:
        """Return lines and columns as curses knows them."""
        return 24, 80

    def erase(self) -> None:
        """Begin a drawing."""
        self.drawn.clear()

    def move(self, y: int, _: int) -> None:
        """Go to a line."""
        self._y = y

    def addstr(self, text: str, attribute: int) -> None:
        """Draw."""
        self.drawn[self._y] = self.drawn.get(self._y, "") + text
        self.attributes[text.strip()] = attribute
        if "addstr" in self.fails:
            raise curses.error

    def getch(self) -> int:
        """Return the next key."""
        return self.keys.pop(0) if self.keys else -1


class Terminal:
    """A screen on a terminal of its own, of which a test has the other end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.curses = Curses()
        self.size = (80, 24)  # columns and lines, as the kernel knows them
        self.master, self.slave = os.openpty()
        tty = SimpleNamespace(fileno=lambda: self.slave, isatty=lambda: True)
        monkeypatch.setattr(terminal, "curses", self.curses)
        monkeypatch.setattr(sys, "stdin", tty)
        monkeypatch.setattr(terminal.sys, "stdout", tty)
        monkeypatch.setattr(os, "get_terminal_size", lambda _: self.size)
        monkeypatch.setattr(terminal, "glyphs", lambda: UTF8)

    def close(self) -> None:
        """End it."""
        os.close(self.slave)
        if self.master >= 0:
            os.close(self.master)

    @property
    def fields(self) -> list[str]:
        """The names of the rows that are drawn."""
        texts = (text.split() for text in self.curses.drawn.values())
        return [words[0] for words in texts if words and words[0][:1] == "F"]

"""The terminal of `bat2influx watch`: when and what it draws, its keys, and its end."""

from __future__ import annotations

import curses
import locale
import os
import signal
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from bat2influx.commands.watch import terminal
from bat2influx.commands.watch.terminal import FRAME, TOGETHER, Screen, glyphs, is_fit
from bat2influx.commands.watch.text import ASCII, UTF8, Style
from tests.unit.commands.watch.terminal_by_hand import Terminal
from tests.unit.commands.watch.test_layout import NOW, row, view

ROWS = tuple(row(f"F{n}", float(n)) for n in range(60))
LINES_ABOUT = 8  # title, facts, head, and how many rows are not seen
PAGE = 24 - LINES_ABOUT


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal of 80 columns."""
    made = Terminal(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def screen(at: Terminal) -> Iterator[Screen]:
    """A screen that is in use."""
    with Screen({}) as made:
        yield made


# Whether there is one


class Terminfo:
    """Stands in for curses if only the terminal's type is read."""

    error = curses.error

    def __init__(self, cup: bytes | None) -> None:
        self._cup = cup

    def setupterm(self) -> None:
        """Look up the terminal in TERM."""
        if self._cup is None:
            raise curses.error

    def tigetstr(self, name: str) -> bytes | None:
        """Return how the cursor is moved."""
        return b"x" if self._cup is None else self._cup if name == "cup" else None


@pytest.mark.parametrize(
    ("stdin", "stdout", "term", "cup", "fit"),
    [
        (True, True, "xterm", b"x", True),
        (False, True, "xterm", b"x", False),
        (True, False, "xterm", b"x", False),
        (True, True, "", b"x", False),
        (True, True, "dumb", b"", False),
        (True, True, "nonsense", None, False),
    ],
)
def test_a_terminal_needs_a_movable_cursor(
    monkeypatch: pytest.MonkeyPatch,
    stdin: bool,
    stdout: bool,
    term: str,
    cup: bytes | None,
    fit: bool,
) -> None:
    """And stdin and stdout must be one."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: stdin))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: stdout))
    monkeypatch.setattr(terminal, "curses", Terminfo(cup))
    assert is_fit({"TERM": term} if term else {}) is fit


@pytest.mark.parametrize(
    ("codeset", "shown"),
    [("UTF-8", UTF8), ("utf8", UTF8), ("ANSI_X3.4-1968", ASCII), ("ISO-8859-1", ASCII)],
)
def test_characters_are_those_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, codeset: str, shown: object
) -> None:
    """All of them with UTF-8, and otherwise those of ASCII."""
    monkeypatch.setattr(locale, "nl_langinfo", lambda _: codeset)
    assert glyphs() is shown


# When it draws


def test_the_first_drawing_is_at_once(screen: Screen) -> None:
    """There is nothing on the screen yet."""
    assert (screen.due(NOW), screen.timeout(NOW)) == (True, 0.0)


def test_messages_that_arrive_together_are_drawn_together(screen: Screen) -> None:
    """A moment after the first of them, and at most four times a second."""
    screen.show(view(*ROWS[:1]))
    screen.notify_change(NOW + 1.0)
    screen.notify_change(NOW + 1.04)
    assert not screen.due(NOW + 1.0)
    assert screen.timeout(NOW + 1.0) == pytest.approx(TOGETHER)
    assert screen.due(NOW + 1.0 + TOGETHER)
    screen.notify_change(NOW + 0.01)
    assert screen.timeout(NOW + 1.0) == pytest.approx(TOGETHER)


def test_drawings_keep_their_distance(screen: Screen) -> None:
    """Something new right after a drawing waits for the next frame."""
    screen.show(view(*ROWS[:1]))
    screen.notify_change(NOW + 0.01)
    assert screen.timeout(NOW + 0.01) == pytest.approx(FRAME - 0.01)
    assert not screen.due(NOW + FRAME - 0.001)
    assert screen.due(NOW + FRAME)


def test_without_news_ages_increase(screen: Screen) -> None:
    """Every second, in the middle between two values."""
    screen.show(view(*ROWS[:1]))
    screen.notify_change(NOW)
    screen.show(view(*ROWS[:1]))
    assert not screen.due(NOW + 0.4)
    assert screen.timeout(NOW + 0.4) == pytest.approx(0.1)
    assert screen.timeout(NOW + 0.7) == pytest.approx(0.8)
    assert screen.due(NOW + 0.5)


# What it draws


def test_the_layout_is_drawn_line_by_line(at: Terminal, screen: Screen) -> None:
    """It replaces the old one, and is sent at once."""
    screen.show(view(*ROWS[:2]))
    assert at.curses.drawn[0].startswith("bat2influx watch")
    assert at.fields == ["F0", "F1"]
    assert at.curses.calls[-2:] == ["noutrefresh", "doupdate"]
    assert max(at.curses.drawn) < 24


def test_the_last_cell_is_no_error(at: Terminal, screen: Screen) -> None:
    """Curses cannot move beyond it, and raises an error."""
    at.curses.fails = {"addstr"}
    screen.show(view(*ROWS[:2]))
    assert at.fields == ["F0", "F1"]


@pytest.mark.parametrize(
    ("size", "resized"),
    [((80, 24), []), ((100, 30), ["resizeterm 30 100", "clearok True"]), ((0, 0), [])],
)
def test_the_size_is_that_of_the_kernel(
    at: Terminal, screen: Screen, size: tuple[int, int], resized: list[str]
) -> None:
    """Curses gets a size that differs; a size of zero is unknown."""
    at.size = size
    before = len(at.curses.calls)
    screen.show(view(*ROWS))
    assert at.curses.calls[before:-2] == resized
    assert len(at.fields) == (size[1] or 24) - LINES_ABOUT


def test_a_window_without_a_cell_is_left_alone(
    at: Terminal, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a terminal that is just being made."""
    at.size = (0, 0)
    monkeypatch.setattr(at.curses, "getmaxyx", lambda: (0, 0))
    screen.show(view(*ROWS))
    assert "noutrefresh" not in at.curses.calls
    assert not screen.due(NOW)


# Keys


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ([], 0),
        ([curses.KEY_DOWN], 1),
        ([curses.KEY_DOWN] * 3 + [curses.KEY_UP], 2),
        ([curses.KEY_UP], 0),
        ([curses.KEY_NPAGE], PAGE - 1),
        ([curses.KEY_NPAGE] * 2 + [curses.KEY_PPAGE], PAGE - 1),
        ([curses.KEY_END], 60 - PAGE),
        ([curses.KEY_END, curses.KEY_HOME], 0),
        ([ord("x"), curses.KEY_RESIZE], 0),
    ],
)
def test_keys_scroll(at: Terminal, screen: Screen, keys: list[int], first: int) -> None:
    """By a row, by a page but for one, or to an end; other keys do nothing."""
    screen.show(view(*ROWS))
    at.curses.keys = keys[:]
    screen.read()
    screen.show(view(*ROWS))
    assert at.fields[0] == f"F{first}"
    assert not screen.ended


def test_a_key_is_answered_at_once(at: Terminal, screen: Screen) -> None:
    """Whatever was drawn a moment before."""
    screen.show(view(*ROWS))
    assert not screen.due(NOW)
    at.curses.keys = [curses.KEY_DOWN]
    screen.read()
    assert (screen.due(NOW), screen.timeout(NOW)) == (True, 0.0)


@pytest.mark.parametrize(("key", "ends"), [("q", True), ("Q", True), ("x", False)])
def test_q_ends(at: Terminal, screen: Screen, key: str, ends: bool) -> None:
    """And no other letter."""
    at.curses.keys = [ord(key)]
    screen.read()
    assert screen.ended is ends


def test_ctrl_l_draws_all_anew(at: Terminal, screen: Screen) -> None:
    """Where another program has written over it."""
    at.curses.keys = [12]
    screen.read()
    assert at.curses.calls[-1] == "clearok True"
    assert screen.due(NOW)


def test_a_terminal_that_is_taken_away_ends_it(at: Terminal, screen: Screen) -> None:
    """It is ready to be read, and there is no key; one that is there has nothing to read."""
    screen.read()
    assert not screen.ended
    os.close(at.master)
    at.master = -1
    screen.read()
    assert screen.ended


# Beginning and end


def test_a_terminal_is_set_up_for_keys_and_colours(at: Terminal) -> None:
    """Keys come one by one and without an echo, nobody waits for them, and no cursor is seen."""
    with Screen({}):
        assert at.curses.calls[:9] == [
            *("initscr", "noecho", "cbreak", "set_escdelay 25", "keypad True", "nodelay True"),
            *("curs_set 0", "start_color", "use_default_colors"),
        ]


def test_the_terminal_is_as_before_at_the_end(at: Terminal) -> None:
    """Whatever that is, and though a call fails."""
    at.curses.fails = {"nocbreak", "curs_set", "use_default_colors"}
    with pytest.raises(ZeroDivisionError), Screen({}):
        assert signal.getsignal(signal.SIGWINCH) is not signal.SIG_DFL
        raise ZeroDivisionError
    assert at.curses.calls[-4:] == ["keypad False", "nocbreak", "echo", "endwin"]
    assert signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL


def test_a_terminal_that_cannot_be_set_up_is_given_back(at: Terminal) -> None:
    """The error is the caller's."""
    at.curses.fails = {"cbreak"}
    with pytest.raises(curses.error), Screen({}):
        pass
    assert at.curses.calls[-1] == "endwin"


def test_a_terminal_of_another_size_is_drawn_at_once(at: Terminal, screen: Screen) -> None:
    """A signal says so."""
    screen.show(view(*ROWS))
    assert not screen.due(NOW)
    os.kill(os.getpid(), signal.SIGWINCH)
    assert screen.due(NOW)


@pytest.mark.parametrize(
    ("environment", "colours", "coloured"),
    [({}, True, True), ({"NO_COLOR": "1"}, True, False), ({}, False, False)],
)
def test_colours_are_for_who_has_and_wants_them(
    at: Terminal, environment: dict[str, str], colours: bool, coloured: bool
) -> None:
    """What is wrong is bold in any case."""
    at.curses.colours = colours
    with Screen(environment) as screen:
        attributes = screen._attributes
    assert (attributes[Style.WRONG] & ~curses.A_BOLD != 0) is coloured
    assert attributes[Style.WRONG] & curses.A_BOLD
    assert attributes[Style.PLAIN] == curses.A_NORMAL
    pairs = [call for call in at.curses.calls if call.startswith("init_pair")]
    assert pairs == (["init_pair 1 2 -1", "init_pair 2 3 -1", "init_pair 3 1 -1"] * coloured)

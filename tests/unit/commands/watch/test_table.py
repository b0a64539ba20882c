"""The table of `bat2influx watch`: its columns, what a row shows, and scrolling."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bat2influx.commands.watch.layout import lay_out
from bat2influx.commands.watch.model import FieldRow, Part, View
from bat2influx.commands.watch.table import RANGE, Table
from bat2influx.commands.watch.text import ASCII, UTF8, Glyphs, Style
from tests.unit.commands.watch.test_layout import DEVICE, of, row, text, texts, view


def table(width: int, *rows: FieldRow, glyphs: Glyphs = UTF8) -> list[str]:
    """Return head and rows of a table, with the blanks at their ends."""
    made = Table(view(*rows), width, glyphs)
    lines, _, _ = made.window(0, 100)
    return ["".join(piece.text for piece in line) for line in (made.head, *lines)]


def test_stale_values_are_marked() -> None:
    """By a mark, by a word, and by a style."""
    shown = view(row("Voltage", 52.61, 52.5, age=9), row("Current", 12.4))
    lines = texts(shown)
    assert of("Voltage", lines).startswith("! Voltage")
    assert of("Voltage", lines).endswith(" stale")
    assert " 9 s " in of("Voltage", lines)
    assert of("Current", lines).startswith("  Current")
    styles = {
        text(line).split()[-1]: {piece.style for piece in line[:4]}
        for line in lay_out(shown, 80, 24).lines
        if "stale" in text(line)
    }
    assert styles == {"stale": {Style.NOTE}}


def test_a_field_without_a_number_has_the_reason() -> None:
    """Its former value is not shown."""
    lines = texts(view(row("L2", 230.0, instead="null"), row("L3")))
    assert of("L2", lines).split()[:2] == ["L2", "null"]
    assert of("L3", lines).split() == ["L3", "V"]


# Columns

FOUR = (
    row("Voltage", 52.61),
    row("Power", -1658.0, unit="W", age=9.0),
    row("L2", 1.0, instead="null"),
    row("L3"),
)


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            38,
            [
                "  field      value      age   the las…",
                "  Voltage    52.61 V    0 s          ▁",
                "! Power   -1658    W    9 s      stale",
                "  L2          null V    0 s          ▁",
                "  L3               V                  ",
            ],
        ),
        (
            37,
            [
                "  field      value      age",
                "  Voltage    52.61 V    0 s",
                "! Power   -1658    W    9 s",
                "  L2          null V    0 s",
                "  L3               V       ",
            ],
        ),
        (
            20,
            [
                "  f…   value      a…",
                "  …    52.61 V    0…",
                "! … -1658    W    9…",
                "  …     null V    0…",
                "  …          V     …",
            ],
        ),
    ],
)
def test_columns_are_aligned(width: int, lines: list[str]) -> None:
    """Points stand below each other; a graph has eight columns at least, or there is none."""
    assert table(width, *FOUR) == lines


def test_a_wide_terminal_has_the_range_beside_the_graph() -> None:
    """The least and the largest of what the graph shows, for each row that has any."""
    values = row("Voltage", 52.61, 52.4, 53.0)
    narrow, wide = table(RANGE - 1, values, row("L3")), table(RANGE, values, row("L3"))
    assert "from" not in narrow[0]
    assert wide[0].split() == ["field", "value", "age", "from", "to", "the", "last", "2", "min"]
    assert wide[1].split()[:7] == ["Voltage", "52.61", "V", "0", "s", "52.40", "53.00"]
    assert wide[2].split() == ["L3", "V"]
    assert {len(line) for line in wide[1:]} == {RANGE}


def test_the_longest_name_has_a_third_of_the_width() -> None:
    """The others are padded to it, and a unit in ASCII may be longer."""
    lines = table(60, row("x" * 40, 1.0), row("Temp", 21.5, unit="°C"), glyphs=ASCII)
    assert lines[1].startswith(f"  {'x' * 19}~     1 ")
    assert lines[2].startswith("  Temp                    21.5 degC ")
    assert " 21.5 °C " in table(60, row("Temp", 21.5, unit="°C"))[1]


def test_a_large_number_makes_room_for_itself() -> None:
    """In all rows alike."""
    lines = table(37, row("A", 123_456_789.5), row("B", 1e12))
    assert [line.split()[1] for line in lines[1:]] == ["123456789.5", "1e+12"]
    assert lines[1].index(" V") == lines[2].index(" V")


@pytest.mark.parametrize(
    ("field", "styles"),
    [
        (row("Voltage", 1.0), [Style.PLAIN, Style.TITLE, Style.PLAIN, Style.FAINT]),
        (row("Voltage", 1.0, age=9.0), [Style.NOTE] * 4),
        (row("Voltage", 1.0, instead="null"), [Style.NOTE] * 4),
        (row("Voltage"), [Style.NOTE] * 4),
    ],
)
def test_a_row_with_a_problem_is_highlighted(field: FieldRow, styles: list[Style]) -> None:
    """Name, value, unit and age, whatever the reason."""
    (line,), _, _ = Table(view(field), 37, UTF8).window(0, 1)
    assert [piece.style for piece in line[:4]] == styles


# Scrolling


@pytest.mark.parametrize("several", [False, True])
def test_each_row_is_reached_by_scrolling(several: bool) -> None:
    """The hidden rows are counted, and scrolling stops at the end."""
    rows = tuple(row(f"Field{number_}", float(number_)) for number_ in range(60))
    parts = Part("", (DEVICE,), rows), *([Part("boat", (), rows[:1])] if several else [])
    shown = replace(view(), parts=parts)
    seen, first, end = set[str](), 0, lay_out(shown, 80, 24, first=10**6).first
    while first <= end:
        layout = lay_out(shown, 80, 24, first=first)
        names = [text(line).split()[0] for line in layout.lines if "Field" in text(line)]
        seen.update(names)
        (more,) = (text(line) for line in layout.lines if " more " in text(line))
        assert layout.first == first
        assert (f"{first} more above" in more) is (first > 0)
        if several:
            assert any(text(line) == "[Battery]" for line in layout.lines)
        else:
            below = 60 - first - len(names)
            assert (f"{below} more below" in more) is (below > 0)
        first += 1
    assert len(seen) == 60


FIVE = tuple(row(f"F{n}", float(n)) for n in range(5))


def window(shown: View, first: int, room: int) -> tuple[list[str], int, int]:
    """Return the first words of the lines, the first row, and the rows of a page."""
    lines, at, page = Table(shown, 60, UTF8).window(first, room)
    return [text(line).split()[0] for line in lines], at, page


@pytest.mark.parametrize(
    ("first", "room", "found"),
    [
        (0, 5, (["F0", "F1", "F2", "F3", "F4"], 0, 5)),
        (3, 5, (["F0", "F1", "F2", "F3", "F4"], 0, 5)),
        (0, 4, (["F0", "F1", "F2", "2"], 0, 3)),
        (1, 4, (["F1", "F2", "F3", "1"], 1, 3)),
        (9, 4, (["F2", "F3", "F4", "2"], 2, 3)),
        (-2, 4, (["F0", "F1", "F2", "2"], 0, 3)),
        (2, 2, (["F2", "2"], 2, 1)),
        (2, 1, (["2"], 2, 1)),
        (2, 0, ([], 0, 1)),
        (2, -1, ([], 0, 1)),
    ],
)
def test_a_window_is_within_the_rows(
    first: int, room: int, found: tuple[list[str], int, int]
) -> None:
    """Its last line says how many rows are hidden, if any."""
    assert window(view(*FIVE), first, room) == found


@pytest.mark.parametrize(
    ("first", "room", "names"),
    [
        (0, 4, ["home", "F0", "F1", "4"]),
        (1, 4, ["home", "F0", "F1", "4"]),
        (2, 4, ["home", "F1", "boat", "3"]),
        (3, 4, ["boat", "F2", "F3", "1"]),
        (9, 4, ["boat", "F3", "F4", "5"]),
        (2, 2, ["F1", "4"]),
    ],
)
def test_the_name_of_a_device_stays_above_its_rows(first: int, room: int, names: list[str]) -> None:
    """If there is room for it."""
    parts = Part("home", (DEVICE,), FIVE[:2]), Part("boat", (DEVICE,), FIVE[2:])
    assert window(replace(view(), parts=parts), first, room)[0] == names


def test_a_device_without_a_name_has_its_section() -> None:
    """Beside others; alone it needs none."""
    parts = Part("", (DEVICE,), FIVE[:1]), Part("boat", (DEVICE,), FIVE[1:2])
    assert window(replace(view(), parts=parts), 0, 9)[0] == ["[Battery]", "F0", "boat", "F1"]
    assert len(Table(view(*FIVE), 60, UTF8)) == 5

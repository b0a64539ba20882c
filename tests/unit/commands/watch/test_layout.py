"""The layout of `bat2influx watch`: text for a terminal of any size."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands.watch.layout import lay_out
from bat2influx.commands.watch.model import Fact, FieldRow, History, Level, Part, View
from bat2influx.commands.watch.text import ASCII, UTF8, Glyphs, Style, StyledLine, cells

NOW = 1000.0
WHEN = datetime(2026, 7, 14, 14, 3, 12, tzinfo=UTC)
TROUBLE = (
    "InfluxDB at 127.0.0.1:8086 cannot be reached (connection refused); is it running, and are"
    " address and port under [Influx] in /etc/bat2influx/bat2influx.ini right?"
)
FACTS = (
    Fact("database", "InfluxDB 1.6.7 at localhost:8086, 'battery', answers"),
    Fact("on disk", "nothing queued"),
    Fact("daemon", "not running here"),
)
DOWN = (Fact("database", TROUBLE, Level.WRONG, "database"), *FACTS[1:])
DEVICE = Fact("device", "c0619ab1c2d3 at venus.local:1883: connected, polling every 1 s")


def row(
    name: str = "Voltage", *values: float, unit: str = "V", instead: str = "", age: float = 0.0
) -> FieldRow:
    """Return a row whose latest value is `age` s old, the others a second apart before it."""
    history = History()
    for number_, value in enumerate(reversed(values)):
        history.add(NOW - age - len(values) + 1 + number_, value)
    known = bool(values) and not instead
    return FieldRow(
        name=name,
        unit=unit,
        value=values[0] if known else None,
        instead=instead,
        age=age if values else None,
        stale=age > 5,
        lasts=5.0,
        history=history,
    )


def view(
    *rows: FieldRow, facts: tuple[Fact, ...] = FACTS, log_entries: tuple[Fact, ...] = ()
) -> View:
    """Return what is shown of one device."""
    return View(WHEN, NOW, 3.0, facts, (Part("", (DEVICE,), rows),), log_entries)


def text(line: StyledLine) -> str:
    """Return a line without its styles."""
    return "".join(piece.text for piece in line).rstrip()


def texts(
    shown: View, width: int = 80, height: int = 24, *, first: int = 0, glyphs: Glyphs = UTF8
) -> list[str]:
    """Return the lines that are laid out."""
    return [text(line) for line in lay_out(shown, width, height, first=first, glyphs=glyphs).lines]


def of(name: str, lines: list[str]) -> str:
    """Return the one line with `name` in it."""
    (line,) = (line for line in lines if name in line)
    return line


NINE = (
    row("Voltage", 52.61, 52.6, 52.58),
    row("Current", 12.4),
    row("Power", 652.0, unit="W"),
    row("Soc", 88.9, unit="%"),
    row("I", -7.62, unit="A"),
    row("V", 230.1),
    row("P", -1658.25, unit="W"),
    row("S", 1746.0, unit="VA"),
    row("F", 50.0135, unit="Hz"),
)


def test_everything_important_fits_into_80_columns() -> None:
    """The state of the parts, and each value with its unit, its age and its graph."""
    lines = texts(view(*NINE))
    assert lines[0] == f"bat2influx watch{'2026-07-14 14:03:12  q quits':>64}"
    assert lines[1:5] == [
        "device      c0619ab1c2d3 at venus.local:1883: connected, polling every 1 s",
        "database    InfluxDB 1.6.7 at localhost:8086, 'battery', answers",
        "on disk     nothing queued",
        "daemon      not running here",
    ]
    assert lines[6].split() == ["field", "value", "age", "the", "last", "2", "min"]
    assert [line.split()[:5] for line in lines[7:16]] == [
        ["Voltage", "52.61", "V", "0", "s"],
        ["Current", "12.4", "V", "0", "s"],
        ["Power", "652", "W", "0", "s"],
        ["Soc", "88.9", "%", "0", "s"],
        ["I", "-7.62", "A", "0", "s"],
        ["V", "230.1", "V", "0", "s"],
        ["P", "-1658.2", "W", "0", "s"],
        ["S", "1746", "VA", "0", "s"],
        ["F", "50.01", "Hz", "0", "s"],
    ]
    points = {line.index(line.split()[1]) + line.split()[1].find(".") for line in lines[7:9]}
    assert len(points) == 1  # they stand one below the other
    assert len(lines) == 24


def test_a_trouble_is_complete_in_80_columns_and_in_a_line_of_200() -> None:
    """The advice is not cut off."""
    narrow, wide = texts(view(*NINE, facts=DOWN)), texts(view(*NINE, facts=DOWN), 200, 50)
    assert f"database  ! {TROUBLE}" in wide
    begin = narrow.index(next(line for line in narrow if line.startswith("database  ! ")))
    assert " ".join(line[12:] for line in narrow[begin : begin + 3]) == TROUBLE
    assert len(of("Voltage", wide)) > 190


def test_a_trouble_has_a_style_too() -> None:
    """And a mark in any case."""
    layout = lay_out(view(*NINE, facts=DOWN), 80, 24)
    (line,) = (line for line in layout.lines if text(line).startswith("database"))
    assert [piece.style for piece in line[1:]] == [Style.WRONG, Style.WRONG]


def test_several_devices_stand_below_each_other() -> None:
    """Each with its name and state, above its rows."""
    facts = {name: Fact(name, "polling every 1 s") for name in ("home", "boat")}
    why = Fact("boat", "cannot reach venus.local", Level.WRONG, "unreachable")
    parts = Part("home", (facts["home"],), NINE[:2]), Part("boat", (facts["boat"], why), NINE[2:3])
    lines = texts(replace(view(), parts=parts))
    assert lines[1:4] == [
        "home        polling every 1 s",
        "boat        polling every 1 s",
        "          ! cannot reach venus.local",
    ]
    assert [line.split()[0] for line in lines[9:14]] == [
        "home",
        "Voltage",
        "Current",
        "boat",
        "Power",
    ]


def test_the_latest_log_entries_are_at_the_end() -> None:
    """If there is room beside the values."""
    log_entries = (Fact("14:03:01", "reading venus.local every 1 s"),)
    assert (
        texts(view(*NINE, log_entries=log_entries))[-1] == "14:03:01 reading venus.local every 1 s"
    )
    assert "reading" not in "".join(texts(view(*NINE, log_entries=log_entries), 80, 8))


def test_a_terminal_without_utf8_has_ascii() -> None:
    """The graph, the units and what was cut."""
    shown = view(row("Temperature", 21.5, 20.0, unit="°C"), row("Größe", 1.0), facts=DOWN)
    lines = texts(shown, 60, 9, glyphs=ASCII)
    assert "".join(lines).isascii()
    assert " degC " in of("Temperature", lines)
    assert "Gr??e" in "".join(lines)
    assert any(line.endswith("~") for line in lines)


def test_untrusted_names_move_no_cursor() -> None:
    """A name or a text with control characters, or with wide ones, keeps the columns."""
    names = "Sp\x1b[2Jannung", "電圧電圧", "e\u0301t\u0301e\u0301"
    lines = texts(view(*(row(name, 52.6) for name in names), facts=(Fact("x", "a\x9b1mb\n"),)))
    assert all(line.isprintable() for line in lines)
    values = [line[: line.index("52.6")] for line in lines if "52.6" in line]
    assert len({cells(line) for line in values}) == 1
    assert len(values) == 3


@given(
    width=st.integers(1, 240),
    height=st.integers(1, 80),
    rows=st.lists(
        st.builds(
            row,
            st.text(min_size=1, max_size=40),
            st.floats(allow_nan=False, allow_infinity=False),
            unit=st.sampled_from(["", "V", "°C", "kWh"]),
            instead=st.sampled_from(["", "null", "another type"]),
            age=st.floats(0, 1e6),
        ),
        max_size=12,
    ),
    first=st.integers(0, 30),
    several=st.booleans(),
    glyphs=st.sampled_from([UTF8, ASCII]),
)
def test_no_line_is_longer_than_the_terminal_is_wide(
    width: int, height: int, rows: list[FieldRow], first: int, several: bool, glyphs: Glyphs
) -> None:
    """Nor are there more of them than it is high, whatever is shown, and all is printable."""
    part = Part("", (DEVICE,), tuple(rows))
    parts = (part, replace(part, name="boat")) if several else (part,)
    log_entries = (Fact("14:03:01", TROUBLE, Level.NOTE),)
    shown = replace(view(facts=DOWN, log_entries=log_entries), parts=parts)
    lines = texts(shown, width, height, first=first, glyphs=glyphs)
    assert len(lines) <= height
    for line in lines:
        assert cells(line) <= width
        assert line.isprintable()
        assert line.isascii() or glyphs is UTF8

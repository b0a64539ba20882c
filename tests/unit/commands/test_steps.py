"""How the steps of a command are printed, in colour and without."""

from __future__ import annotations

import io

import pytest

from bat2influx.commands.steps import NOTE, OK, WRONG, FieldStep, Printer, Step


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(stream: io.StringIO, environment: dict[str, str], *steps: Step) -> str:
    """Return what is printed of these steps."""
    show = Printer(stream, environment)
    for step in steps:
        show(step)
    return stream.getvalue()


def test_a_step_is_a_line_in_columns() -> None:
    """State, label and text; what goes on in another line stands below the text."""
    steps = Step(OK, "port", "1883 is open"), Step(NOTE, "into minutes", "left\nas it is")
    assert printed(io.StringIO(), {}, *steps) == (
        "ok    port          1883 is open\nnote  into minutes  left\n                    as it is\n"
    )


def test_a_long_label_keeps_a_space_after_it() -> None:
    """A field may have one."""
    line = printed(io.StringIO(), {}, Step(WRONG, "SolarchargerYieldPower", "odd"))
    assert line == "wrong SolarchargerYieldPower odd\n"


@pytest.mark.parametrize(
    ("state", "colour"), [(OK, "\x1b[32m"), (NOTE, "\x1b[33m"), (WRONG, "\x1b[1;31m")]
)
def test_a_terminal_has_the_state_in_colour(state: str, colour: str) -> None:
    """The state alone, and the columns stay."""
    line = printed(Terminal(), {"TERM": "xterm"}, Step(state, "port", "x"))
    assert line == f"{colour}{state:<6}\x1b[0mport          x\n"


@pytest.mark.parametrize(
    ("stream", "environment"),
    [
        (io.StringIO, {"TERM": "xterm"}),
        (Terminal, {"TERM": "dumb"}),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}),
    ],
)
def test_there_is_no_colour_in_some_cases(
    stream: type[io.StringIO], environment: dict[str, str]
) -> None:
    """In a pipe, on a dumb terminal, or with NO_COLOR."""
    assert "\x1b" not in printed(stream(), environment, Step(WRONG, "port", "x"))


def test_an_empty_no_color_is_ignored() -> None:
    """As in its definition."""
    assert "\x1b" in printed(Terminal(), {"NO_COLOR": ""}, Step(OK, "port", "x"))


def test_failed_steps_are_counted() -> None:
    """Notes and successful ones are not."""
    show = Printer(io.StringIO(), {})
    for state in (OK, WRONG, NOTE, WRONG, OK):
        show(Step(state, "port", "x"))
    assert show.wrong == 2


def test_a_heading_stands_apart() -> None:
    """After an empty line."""
    stream = io.StringIO()
    Printer(stream, {}).heading("[Battery boat]")
    assert stream.getvalue() == "\n[Battery boat]\n"


def test_the_step_of_a_field_is_printed_as_any_other() -> None:
    """It is the same line; only its kind can be told apart."""
    assert FieldStep(OK, "Soc", "88 %") == Step(OK, "Soc", "88 %")
    assert printed(io.StringIO(), {}, FieldStep(OK, "Soc", "88 %")) == "ok    Soc           88 %\n"

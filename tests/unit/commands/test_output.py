"""The output of commands: no untrusted text reaches a terminal unfiltered."""

from __future__ import annotations

import ast
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands import configuration
from bat2influx.commands.output import complain, fitted, say
from bat2influx.commands.steps import NOTE, Printer, Step
from bat2influx.commands.watch.text import ASCII, UTF8, clean
from tests import TOP

COMMANDS = TOP / "bat2influx/commands"
HOSTILE = "Boat\x1b[2J\x07\x9b31m\u202e\u2028\r\ud800"
SHOWN = "Boat [2J  31m    "
# The modules that write to a stream themselves: output.py, which is what the others use; steps.py,
# whose colours are its own; spool.py, for an export to a file; and setup-db, for scripts
# of names in our own file, and for how far it is.
OWN = {
    "output.py",
    "steps.py",
    "spool.py",
    "setup_db/command.py",
    "setup_db/setup.py",
}


def writes(source: str) -> list[str]:
    """Return the calls in a source that print, or write to one of the standard streams."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name == "print" or (name.endswith((".write", ".writelines")) and "out" in name):
            found.append(name)
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print(x)", ["print"]),
        ("sys.stdout.write(x)", ["sys.stdout.write"]),
        ("out = sys.stdout.buffer\nout.write(x)", ["out.write"]),
        ("say(x)", []),
        ("os.write(1, x)", []),
    ],
)
def test_a_write_is_detected(source: str, found: list[str]) -> None:
    """The test below would miss any other form."""
    assert writes(source) == found


def test_every_command_prints_with_the_one_function() -> None:
    """Many texts hold names from a device, a broker or a database."""
    own = {
        str(path.relative_to(COMMANDS))
        for path in COMMANDS.rglob("*.py")
        if writes(path.read_text())
    }
    assert own == OWN


def test_output_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """On both streams, and its line breaks stay."""
    say(f"{HOSTILE}\nnext")
    complain(HOSTILE)
    say()
    assert capsys.readouterr() == (f"{SHOWN}\nnext\n\n", f"{SHOWN}\n")


def test_a_problem_of_the_file_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """The file may hold pasted text."""
    configuration.complain(["line 2: Boat\x1b[2J\nline 3: \u202eegats"])
    assert capsys.readouterr().err == "line 2: Boat [2J\nline 3:  egats\n"


def test_a_step_is_clean() -> None:
    """A foreign continuous query is printed completely, below its line."""
    stream = io.StringIO()
    show = Printer(stream, {})
    show(Step(NOTE, HOSTILE, f"left as it is. It is\n{HOSTILE}"))
    show.heading(HOSTILE)
    assert stream.getvalue() == (
        f"note  {SHOWN} left as it is. It is\n{' ' * 20}{SHOWN}\n\n{SHOWN}\n"
    )


def test_what_a_terminal_cannot_show_does_not_end_a_command() -> None:
    """A device's name may be in any script, and the locale may be an old one."""
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert fitted("Größe 電池…", latin) == "Größe ???"
    say("Größe 電池", latin)
    assert fitted("Größe 電池…", io.StringIO()) == "Größe 電池…"


@given(st.text())
def test_watch_cleans_its_output_too(text: str) -> None:
    """In one line, and in ASCII if the terminal has no more."""
    assert clean(text, UTF8).isprintable()
    assert clean(text, ASCII).isascii()

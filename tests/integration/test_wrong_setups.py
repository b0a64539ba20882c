"""What people are told of each wrong set-up, and that docs/troubleshooting.md has it so.

The tables there are written by

    /usr/bin/python3 -m tests.integration.test_wrong_setups

Each test makes one set-up with real parts, in a separate network, and compares its row.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import TOP
from tests.standins.network import own_network
from tests.support.outputs import Output
from tests.support.wrong_home import PASSWORD
from tests.support.wrong_setups import SETUPS, Setup

PAGE = TOP / "docs/troubleshooting.md"
BEGIN = "<!-- written by tests/integration/test_wrong_setups.py -->"
END = "<!-- up to here -->"
HEADING = (
    "| what is wrong | what `bat2influx check` prints | what the journal has |\n|---|---|---|\n"
)
LINES = 3  # of a text that are shown
ALL = [(group, setup) for group, setups in SETUPS.items() for setup in setups]
_FINGERPRINT = re.compile(r"\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b")
_STAND_INS = "AB:12:…:9F", "CD:34:…:7E"
_ROW = re.compile(r"(?<=[\w\"]=)-?[0-9.]+ [0-9]{19}\b")  # value and time, in line protocol


def measure(group: str, setup: Setup, directory: Path) -> Output:
    """Make a set-up in a process with a separate network; return the messages."""
    command = own_network.command("tests.support.wrong_setups", group, setup.what, directory)
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == os.EX_OK, done.stderr
    return Output.from_json(done.stdout)


def row(setup: Setup, said: Output) -> str:
    """Return a set-up's row of the table."""
    cells = setup.what, _checked(said), _journal(said)
    return f"| {' | '.join(cells)} |"


def _checked(said: Output) -> str:
    steps = [
        f"{'note: ' if step.state == 'note' else ''}**{step.label}**: {_cell(step.text)}"
        for step in said.wrong
    ]
    return "<br>".join(steps) or _cell(said.errors) or "all is ok"


def _journal(said: Output) -> str:
    checked = _words(said)
    told = []
    for entry in said.journal:
        same = next((text for text in checked if text and entry.startswith(text)), "")
        told.append(f"the same{_cell(entry.removeprefix(same))}" if same else _cell(entry))
    return "<br>then ".join(told) or "nothing"


def _words(said: Output) -> list[str]:
    """Return the faults that check has reported."""
    return [step.text for step in said.wrong] or [said.errors]


def _cell(text: str) -> str:
    """Return a text for a cell of a Markdown table, without parts that differ every time."""
    stand_ins = iter(_STAND_INS)
    text = _FINGERPRINT.sub(lambda _: next(stand_ins), text)
    text = _ROW.sub("52.6 1795…", text)
    lines = text.split("\n")
    if len(lines) > LINES + 1:
        lines[LINES:] = ["…"]
    escaped = (re.sub(r"([\\|*<>`])", r"\\\1", line.strip()) for line in lines)
    return "<br>".join(escaped)


def section() -> str:
    """Return the generated part of the page."""
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    return text.partition(BEGIN)[2].partition(END)[0]


def shown(group: str) -> dict[str, str]:
    """Return the rows that the page has in a group, by their first cell."""
    begin = f"\n### {group}\n\n{HEADING}"
    assert begin in section(), f"no table {group!r}\n{AGAIN}"
    table = section().partition(begin)[2].partition("\n\n")[0]
    return {each[2:].partition(" | ")[0]: each for each in table.split("\n")}


AGAIN = "write it again: /usr/bin/python3 -m tests.integration.test_wrong_setups"


@pytest.mark.parametrize(
    ("group", "setup"), ALL, ids=[f"{group}: {setup.what}" for group, setup in ALL]
)
def test_a_wrong_set_up_is_named_by_check_and_journal_alike(
    group: str, setup: Setup, tmp_path: Path
) -> None:
    """What came before is in order, the words are the same, and the page has them."""
    if not own_network.is_possible():
        pytest.skip("a separate network needs root, or user namespaces")
    said = measure(group, setup, tmp_path)
    assert (said.code, said.shape) == (setup.code, setup.steps)
    assert PASSWORD not in repr(said)
    if said.code == os.EX_CONFIG:
        assert said.ended == os.EX_CONFIG
        assert list(said.journal) == _words(said)
    else:
        assert said.ended is None
    if not (setup.logged or said.ended):
        for text in _words(said):
            entry = next(each for each in said.journal if each.startswith(text))
            assert entry.removeprefix(text)[:2] in ("", "; ")
            assert entry in said.status
    assert row(setup, said) == shown(group).get(setup.what), AGAIN


def test_the_page_has_these_rows_and_no_others() -> None:
    """Each set-up has its row, in the order of the list, which has no name twice."""
    assert re.findall(r"^### (.*)$", section(), re.MULTILINE) == list(SETUPS)
    for group, setups in SETUPS.items():
        assert list(shown(group)) == [setup.what for setup in setups], AGAIN


def write() -> None:
    """Bring about all set-ups, and write what is said into the page."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(4) as pool:

        def measured(number: int) -> str:
            group, setup = ALL[number]
            directory = Path(folder) / str(number)
            directory.mkdir()
            return row(setup, measure(group, setup, directory))

        rows = dict(zip(ALL, pool.map(measured, range(len(ALL))), strict=True))
    tables = [
        f"### {group}\n\n{HEADING}" + "".join(f"{rows[group, setup]}\n" for setup in setups)
        for group, setups in SETUPS.items()
    ]
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(tables) + f"\n{END}{after}")


if __name__ == "__main__":
    write()

"""docs/fleet.md: each result is its formula with the inputs above it."""

from __future__ import annotations

import re

import pytest

from tests import TOP

PAGE = (TOP / "docs" / "fleet.md").read_text()
INPUTS = {
    name: float(figure.replace(",", ""))
    for name, figure in re.findall(r"(?m)^\| `(\w+)` \| [^|]+ \| ([\d.,]+)", PAGE)
}
RESULTS = re.findall(r"(?m)^\| ([^|]+) \| `([\w .+*/()-]+)` \| ([\d.,]+)", PAGE)


@pytest.mark.parametrize(("what", "formula", "result"), RESULTS)
def test_a_result_is_that_of_its_formula(what: str, formula: str, result: str) -> None:
    """To three digits. Whoever measures anew changes the inputs, and then what fails here."""
    value = eval(formula, {"__builtins__": {}}, INPUTS)
    assert float(result.replace(",", "")) == pytest.approx(value, rel=0.006), (what, f"{value:,}")


def test_every_line_with_a_formula_is_looked_at() -> None:
    """None of them is written in a way that the test above does not see."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and "` | " in line]
    tables = [line for line in lines if not re.match(r"\| `\w+` \|", line)]
    assert len(RESULTS) == len(tables) > 30
    used = {name for _, formula, _ in RESULTS for name in re.findall("[a-z]+[0-9]?", formula)}
    assert INPUTS.keys() - used == {"n"}

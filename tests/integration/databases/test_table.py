"""Each cell of the table of docs/databases.md, and the table itself."""

from pathlib import Path

import pytest

from tests.integration.databases.kinds import KINDS, Kind
from tests.integration.databases.table import CELLS, LINES, holds, shown, text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
@pytest.mark.parametrize("line", LINES)
def test_a_cell_has_the_observed_behaviour(line: str, kind: Kind, tmp_path: Path) -> None:
    """The table has the observed behaviour of the database."""
    seen = LINES[line](kind, tmp_path)
    assert holds(line, kind, seen), seen


def test_the_page_has_the_table_as_it_is() -> None:
    """It is written by `python3 -m tests.integration.databases`."""
    assert CELLS.keys() == LINES.keys()
    assert shown() == text(), "write it again: /usr/bin/python3 -m tests.integration.databases"

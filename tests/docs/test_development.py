"""The page about development and CONTRIBUTING.md, held against the checkout."""

from __future__ import annotations

import re

import pytest

from tests import TOP
from tests.unit.test_layers import FOLDERS as LAYERS

PAGE = (TOP / "docs/development.md").read_text()
CONTRIBUTING = (TOP / "CONTRIBUTING.md").read_text()
BOTH = PAGE + CONTRIBUTING
NAMED = sorted({name for name in re.findall(r"`([\w./-]+/[\w./-]*)`", BOTH) if name[0] != "~"})
FOLDERS = re.findall(
    r"(?m)^\| `(bat2influx/\w+)` \|.*\| (?:`(\w+\.py)`|the command's own) \|$", PAGE
)


@pytest.mark.parametrize("name", [name for name in NAMED if name[0].islower()])
def test_what_the_page_names_is_there(name: str) -> None:
    """A file that moves takes its place on the page along."""
    if not any(part.isupper() for part in re.split(r"[/_.]", name)):  # FOLDER/test_MODULE.py
        assert (TOP / name).exists()


def test_the_page_has_every_folder_and_where_to_start() -> None:
    """As the listing of the package has them."""
    there = {
        f"bat2influx/{path.parent.name}" for path in (TOP / "bat2influx").glob("*/__init__.py")
    }
    assert {folder for folder, _ in FOLDERS} == there
    for folder, first in FOLDERS:
        assert (TOP / folder / first).exists()
        said = " ".join((TOP / folder / "__init__.py").read_text().split())
        assert first == "" or f"Start with {first}" in said, folder


def test_who_may_import_whom_is_what_the_layers_have() -> None:
    """Each folder has its row, in the order of a value's way."""
    _, _, table = CONTRIBUTING.partition("| folder | what it does | may import |\n")
    table = table.partition("\n\n")[0]
    seen: set[str] = set()
    for line in table.splitlines()[1:]:
        folders, _, may = (re.findall(r"`(\w+)`", cell) for cell in line.strip("|").split(" | "))
        allowed = seen if line.endswith("| all of the above |") else set(may)
        for folder in folders:
            assert LAYERS[folder] == allowed, folder
        seen |= set(folders)
    assert seen == LAYERS.keys() - {"cli", "__main__"}


def test_the_page_names_every_run_of_make() -> None:
    """But for those that are explained elsewhere."""
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", (TOP / "Makefile").read_text()))
    elsewhere = {"help", "demo", "device", "deb", "system", "pictures", "clean"}
    assert targets - elsewhere == set(re.findall(r"`make ([a-z-]+)", PAGE)) - elsewhere

"""The pictures of the documents: they are there, and none is too large to load on a telephone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import TOP
from tests.docs.pages import FOLDER, README
from tests.tools.dashboards import DOCUMENTS, MAX_BYTES, small

PICTURES = TOP / "docs/pictures"
PAGES = [README, *sorted(FOLDER.glob("*.md"))]
_PICTURE = re.compile(r"\]\(((?:docs/)?pictures/[\w.-]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_picture_that_a_page_shows_is_there(page: Path) -> None:
    """And a page that shows none is fine."""
    for name in _PICTURE.findall(page.read_text()):
        assert (page.parent / name).is_file(), name


def test_every_picture_is_shown_and_small() -> None:
    """One that no page shows would grow old unseen."""
    shown = {
        (page.parent / name).name for page in PAGES for name in _PICTURE.findall(page.read_text())
    }
    assert {path.name for path in PICTURES.iterdir()} == shown
    assert {name for name, *_ in DOCUMENTS} < shown
    for path in PICTURES.iterdir():
        assert path.stat().st_size <= MAX_BYTES, path.name


def test_a_picture_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody commits it."""
    monkeypatch.setattr("tests.tools.dashboards.MAX_BYTES", 10)
    with pytest.raises(ValueError, match="10 are allowed"):
        small((PICTURES / "overview.png").read_bytes())

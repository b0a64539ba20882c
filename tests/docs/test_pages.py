"""README, docs/ and their neighbours: links lead somewhere, commands and files are understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bat2influx import cli
from tests import TOP
from tests.docs import pages
from tests.docs.pages import DOCUMENTS, FOLDER

INDEX = FOLDER / "index.md"
NAMING = (
    "debian/README.Debian",
    "debian/man/bat2influx.8",
    "debian/man/bat2influx.ini.5",
    "etc/bat2influx.ini",
    "systemd/bat2influx.catalog",
    "Makefile",
)
SHIPPED = (TOP / "debian/docs").read_text().split()


def understood(arguments: list[str]) -> bool:
    """Tell whether the program's own parser takes a command line."""
    try:
        cli.parser().parse_args(arguments)
    except SystemExit as end:
        return not end.code  # --help and --version
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=pages.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    """To a file of the checkout and a heading in it, if the link is no address on the web."""
    for link in pages.links(document.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.is_file(), link
        assert target.resolve().is_relative_to(TOP.resolve()), link
        if anchor:
            assert anchor in pages.anchors(target.read_text()), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=pages.name)
def test_every_command_line_is_understood(document: Path) -> None:
    """Each option and each command that a document has is one of the program."""
    text = document.read_text()
    for arguments in pages.commands(text):
        assert understood(arguments), arguments
    for word in pages.named(text):
        assert word in cli.COMMANDS or understood([word]), word


def test_the_index_has_every_page() -> None:
    """A new page gets its line there."""
    linked = {link for link in pages.links(INDEX.read_text()) if "/" not in link}
    assert linked | {INDEX.name} == {page.name for page in FOLDER.glob("*.md")}


def test_a_page_has_one_title_and_an_answer_below_it() -> None:
    """Its first paragraph is text: no table, no list, no picture."""
    for page in FOLDER.glob("*.md"):
        text = pages.prose(page.read_text())
        title, empty, first = text.splitlines()[:3]
        assert title.startswith("# "), page.name
        assert empty == "", page.name
        assert first[:1].isalpha() or first.startswith(("`", "**")), page.name
        assert text.count("\n# ") == 0, page.name


@pytest.mark.parametrize("name", NAMING)
def test_a_page_that_another_file_names_is_there(name: str) -> None:
    """By its path in the checkout, which is that below /usr/share/doc/bat2influx, too."""
    for page in re.findall(r"\bdocs/[\w-]+\.md\b", (TOP / name).read_text()):
        assert (TOP / page).is_file(), page


@pytest.mark.parametrize("document", DOCUMENTS, ids=pages.name)
def test_a_section_of_the_manual_that_a_page_names_is_there(document: Path) -> None:
    """As in: `man bat2influx`, "ABOUT ITSELF"."""
    text = " ".join(document.read_text().split())
    for manual, title in re.findall(r'`man (bat2influx(?:\.ini)?)`, "([^"]+)"', text):
        page = f"{manual}.5" if manual.endswith(".ini") else f"{manual}.8"
        assert f"\n.Sh {title}\n" in (TOP / "debian/man" / page).read_text(), title


def test_the_package_has_what_the_readme_links_to() -> None:
    """Its pages and their pictures, below the same names, as far as they are not compressed."""
    assert {"README.md", "SECURITY.md", "docs"} <= set(SHIPPED)
    rules = (TOP / "debian/rules").read_text()
    assert "dh_compress --exclude=/doc/bat2influx/docs/" in rules


def test_enough_is_found() -> None:
    """Tests of what nobody finds would hold nothing against the program."""
    texts = [document.read_text() for document in DOCUMENTS]
    assert sum(len(pages.links(text)) for text in texts) > 80
    assert sum(len([*pages.commands(text)]) for text in texts) > 30
    assert sum(len(pages.configurations(text)) for text in texts) > 10


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```\n# bat2influx check\nok    file\n```\n", [["check"]]),
        ("- as here:\n\n  ```sh\n  bat2influx setup-db >a.sh\n  ```\n", [["setup-db"]]),
        ("```\nsudo bat2influx pin a | less; bat2influx spool\n```\n", [["pin", "a"], ["spool"]]),
        ("```\n/usr/bin/python3 -m bat2influx --config a\n```\n", [["--config", "a"]]),
        ("```\ndocker compose run --rm bat2influx check\n```\n", [["check"]]),
        ("```\n~/a/bin/bat2influx spool \\\n    --export\n```\n", [["spool", "--export"]]),
        ("```\napt install bat2influx\nbat2influx: not configured yet\n```\n", []),
        ("Run `bat2influx watch a`, or `bat2influx watch`, or `bat2influx …`.", [["watch", "a"]]),
    ],
)
def test_a_command_line_is_found(text: str, found: list[list[str]]) -> None:
    """Behind a prompt, in a pipe, in a container, and in the middle of a sentence."""
    assert [*pages.commands(text)] == found


@pytest.mark.parametrize(
    "arguments", [["chekc"], ["check", "--ofline"], ["pin"], ["--config"], ["watch", "a", "b"]]
)
def test_a_mistake_in_a_command_line_is_seen(arguments: list[str]) -> None:
    """A misspelt command or option, and a missing or superfluous argument."""
    assert not understood(arguments)


def test_anchors_are_those_of_github() -> None:
    """Without what is neither letter, digit, hyphen nor blank; a second one has a number."""
    text = "# A: `b`, c!\n## Which [x](y.md)?\n## Same\n## Same\n```\n# no heading\n```\n"
    assert pages.anchors(text) == {"a-b-c", "which-x", "same", "same-1"}


def test_a_link_in_code_is_none() -> None:
    """Neither one in a block."""
    text = "[a](b.md#c) `[d](e)` ![f](g.png)\n```\n[h](i)\n```\n"
    assert pages.links(text) == ["b.md#c", "g.png"]

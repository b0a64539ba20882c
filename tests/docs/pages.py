"""The documents in Markdown: which there are, and what tests look at in them.

Rules: everything takes the text of a document and returns what it finds there. A fenced block may
be indented, as in a list; what is found in it is without the indentation.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from textwrap import dedent
from typing import NamedTuple

from tests import TOP

README = TOP / "README.md"
FOLDER = TOP / "docs"
DOCUMENTS = (
    README,
    *(TOP / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG")),
    *sorted(FOLDER.glob("*.md")),
)
INI = ("Battery", "Fields", "Influx", "Spool", "Metrics")  # the sections of the configuration
_FENCE = re.compile(r"(?ms)^( *)```(\w*)\n(.*?)^\1```$")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_OPERATOR = re.compile(r"[();<>|&]+")
BEFORE_A_COMMAND = (  # what may stand before the name of the program
    ("sudo",),
    ("/usr/bin/python3", "-m"),
    ("docker", "compose", "run", "--rm"),
    ("docker", "compose", "exec", "bat2influx"),
)


class Block(NamedTuple):
    """A fenced block: the word behind the fence, which may be empty, and the text inside."""

    kind: str
    text: str


def name(document: Path) -> str:
    """Return a document's path from the top of the checkout, as the id of a test."""
    return str(document.relative_to(TOP))


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a document."""
    return [Block(kind, dedent(inside)) for _, kind, inside in _FENCE.findall(text)]


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", text)


def configurations(text: str) -> list[str]:
    """Return the blocks that are configurations: marked as such, or begun with such a section."""
    begin = re.compile(rf"\[(?:{'|'.join(INI)})\b")
    return [each.text for each in blocks(text) if each.kind == "ini" or begin.match(each.text)]


def links(text: str) -> list[str]:
    """Return what the links and pictures of a document lead to."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(text)))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#{1,6} (.+)$", prose(text)):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        plain = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{plain}-{number}" if number else plain) in found:
            number += 1
        found.add(anchor)
    return found


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command line of bat2influx: in blocks, and `as code` in prose."""
    lines = [line for each in blocks(text) for line in each.text.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(bat2influx [^`\n…]+ [^`\n…]+)`", prose(text))
    for line in lines:
        if "bat2influx" in line:
            yield from _of_line(re.sub(r"^[#$] ", "", line))


def named(text: str) -> list[str]:
    """Return the commands that prose names without any argument, as in `bat2influx pin`."""
    return re.findall(r"`bat2influx ([a-z-]+)`", prose(text))


def _of_line(line: str) -> Iterator[list[str]]:
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        split = [*words]
    except ValueError:  # prose or a program's output, in which a quotation mark is an apostrophe
        return
    command: list[str] = []
    skipped = False
    for word in [*split, ";"]:
        if _OPERATOR.fullmatch(word):
            skipped = word[0] in "<>"
            if not skipped:
                yield from _ours(command)
                command = []
        elif skipped:
            skipped = False
        else:
            command.append(word)


def _ours(command: Sequence[str]) -> Iterator[list[str]]:
    for before in BEFORE_A_COMMAND:
        if tuple(command[: len(before)]) == before:
            command = command[len(before) :]
    if command and PurePath(command[0]).name == "bat2influx":
        yield [*command[1:]]

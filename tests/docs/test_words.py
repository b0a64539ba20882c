"""The words of the texts: of the package, its files and its documents.

A text that a user reads, and one that a developer reads, has the terms of the field: the words that
somebody would search for, one word for one thing. Some of the words that are left out can be told
by a regular expression; these are looked for.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import TOP

FOLDERS = ("bat2influx", "dashboards", "debian", "docs", "etc", "systemd")
FILES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
TEXTS = {"", ".py", ".md", ".ini", ".catalog", ".service", ".8", ".5", ".yml", ".spec", ".Debian"}
# What is left out, and the words in its place.
LEFT_OUT = {
    r"\banew\b": "again; recreate, restart, replace",
    r"\bwhat (still )?waits\b": "the queue, queued values, the backlog",
    r"\b(values?|lines?|rows?) (that |which )?(still )?waits?\b(?! for the clock)": "queued",
    r"\bwaiting (values|lines|rows)\b": "queued values, the backlog",
    r"\bvouch": "trusted certificate authority, not trusted",
    r"\bnobody whom\b": "not trusted",
    r"\b(is|are|was|were|be|been) (told|said)\b": "log, warn, report",
    r"\bby the (minute|hour)\b": "per minute, hourly, 1-minute averages",
    r", for (it|they|there|he|she|we|you|nothing|nobody|otherwise)\b": "because",
    r"\bfell\b|\b(has|have|had) died\b|\bfalls? ill\b|\b(is|are) ill\b": "failed, unhealthy",
    r"\b(is|are|was|were|falls?|falling|fallen) silent\b": "does not respond",
    r"\bsa(ys|id|y) nothing\b": "does not respond, no answer",
    r"\b(is|are|was|were) found out\b|\bfind(s|ing)? out\b": "detect, discover, determine",
    r"\bkept aside\b": "quarantined",
    r"\brefused? for good\b": "rejected",
    r"\bhad to go\b|\bhave to go\b": "dropped",
    r"\bcomes? to nothing\b|\bcame to nothing\b": "failed",
    r"\bonce more\b": "again, retry",
    r"\beach second's\b": "of every second",
    r"\blets? us in\b|\bwill not have us\b": "accepts, rejects the login",
}
# (file, words); a name of a state is no word of a text
ALLOWED = {("bat2influx/device/fields.py", "are SILENT")}


def _texts() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
                yield path
    yield from (TOP / name for name in FILES)


def _hits(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, what is there, what to write) of words that are left out."""
    for pattern, instead in LEFT_OUT.items():
        for found in re.finditer(pattern.replace(" ", r"[\s#\"']+"), text, re.IGNORECASE):
            yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), instead


def test_texts_have_the_terms_of_the_field() -> None:
    """None has a word that is left out, also where a line ends in its middle."""
    hits = [
        f"{name}:{line}: {word!r}; write: {instead}"
        for path in _texts()
        for name in [str(path.relative_to(TOP))]
        for line, word, instead in _hits(path.read_text(encoding="utf-8"))
        if (name, word) not in ALLOWED
    ]
    assert not hits, "\n".join(hits)


@pytest.mark.parametrize(
    "text",
    [
        "a new connection is made anew",
        "what waits is safe again",
        "42 values\n    wait for the database",
        "nobody whom we trust vouches for the certificate",
        "the user is told why",
        "the means by the minute",
        "ending, for a thread fell: it is gone, for it hangs",
        "the device is silent since noon",
        "it is found out at the start",
        "the line is kept aside",
    ],
)
def test_a_word_that_is_left_out_is_found(text: str) -> None:
    """The test above would fail for it."""
    assert [*_hits(text)]


def test_plain_words_pass() -> None:
    """These are in messages of the program."""
    assert not [
        *_hits(
            "InfluxDB at localhost:8086 is unreachable (connection refused); values are queued."
            " The device does not respond. 12 values were rejected and quarantined, for example"
            " those with another type; State.NOT_RESPONDING"
        )
    ]

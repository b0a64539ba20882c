"""Messages about a set-up: those of `bat2influx check`, and the daemon's log and STATUS=."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Self

OK, NOTE, WRONG = "ok", "note", "wrong"
_STEP = re.compile(r"(ok|note|wrong) +(portal id|\S+) +(.*)")
_ENTRY = re.compile(r"(INFO|WARNING|ERROR|CRITICAL): (.*)")
_SPAN = re.compile(r"(?<=\(no message for )[0-9]+ (?:s|min|h|days)(?=\))")


@dataclass(frozen=True)
class Step:
    """A line of `check`; one that is printed over several lines is joined."""

    state: str
    label: str
    text: str


@dataclass(frozen=True)
class Output:
    """The output of `check` on stdout (`steps`) and on stderr (`errors`), with its exit code.

    `journal` has the daemon's warnings and errors, `status` the latest STATUS=; `ended` is its exit
    code, None while it runs.
    """

    code: int
    steps: tuple[Step, ...]
    errors: str
    journal: tuple[str, ...]
    status: str
    ended: int | None

    @property
    def wrong(self) -> list[Step]:
        """The steps that are not in order, notes among them."""
        return [step for step in self.steps if step.state != OK]

    @property
    def shape(self) -> str:
        """The labels of all steps, as in "file, name!, I?": ! is wrong, ? a note."""
        marks = {OK: "", NOTE: "?", WRONG: "!"}
        return ", ".join(step.label + marks[step.state] for step in self.steps)

    def to_json(self) -> str:
        """Return the object as JSON, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the object of a text by `to_json`."""
        fields = json.loads(text)
        steps = tuple(Step(**step) for step in fields["steps"])
        return cls(**fields | {"steps": steps, "journal": tuple(fields["journal"])})


def timeless(text: str) -> str:
    """Return a text with the same span for each silence, which lasts longer in one than another."""
    return _SPAN.sub("15 s", text)


def pattern_of(text: str) -> str:
    """Return a pattern of a text that matches it with any span of silence."""
    return "[^)]+".join(map(re.escape, _SPAN.split(text)))


def steps_of(output: str) -> Iterator[Step]:
    """Yield the steps that `check` has printed."""
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith(" "):
            lines[-1] += f"\n{line.strip()}"
        else:
            lines.append(line)
    for line in lines:
        head, *rest = line.split("\n")
        found = _STEP.fullmatch(head)
        assert found, line
        yield Step(found[1], found[2], timeless("\n".join([found[3], *rest])))


def entries_of(log: str) -> Iterator[str]:
    """Yield a log's warnings and errors without their levels; a line without level is an error."""
    entries: list[tuple[str, str]] = []
    for line in log.splitlines():
        if found := _ENTRY.fullmatch(line):
            entries.append((found[1], found[2]))
        elif entries:
            level, text = entries[-1]
            entries[-1] = level, f"{text}\n{line}"
        else:
            entries.append(("ERROR", line))
    yield from (timeless(text) for level, text in entries if level != "INFO")

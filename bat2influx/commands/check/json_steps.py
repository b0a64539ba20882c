"""What `bat2influx check --json` prints: an object for each step, and a last one with the result.

Pure but for the printing. The labels of steps become fixed words here, and what to do is separated
from what is wrong, so that scripts need not read texts.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from bat2influx.commands import json_lines
from bat2influx.commands.json_lines import Outcome, Record, ResultRecord
from bat2influx.commands.steps import NOTE, OK, WRONG, FieldStep, Step

_STATUS = {OK: Outcome.OK, NOTE: Outcome.WARNING, WRONG: Outcome.FAILED}
_STEPS = {  # by label; any other label is the name of the database server
    "TLS": "tls",
    "MQTT": "mqtt",
    "portal id": "portal_id",
    "[Fields]": "fields",
    **{
        label: label
        for label in (
            "file",
            "secrets",
            "token",
            "choice",
            "name",
            "port",
            "login",
            "right",
            "devices",
            "device",
            "instance",
            "preset",
            "clock",
            "database",
        )
    },
}
_ENDS = ("; ", ". ", "\n")  # of what is wrong, before what to do


@dataclass(frozen=True)
class StepRecord(Record):
    """A step: `section` is that of the file, None for the file itself; `field` the field's name.

    `hint` is the part of the text that says what to do, where it has one.
    """

    kind = "step"

    section: str | None
    step: str
    field: str | None
    status: Outcome
    text: str
    hint: str | None


class JsonSteps:
    """Prints steps as objects, as steps.Printer prints lines; `wrong` counts those that failed."""

    def __init__(self) -> None:
        self._section: str | None = None
        self._count: Counter[Outcome] = Counter()

    @property
    def wrong(self) -> int:
        """How many steps failed."""
        return self._count[Outcome.FAILED]

    def __call__(self, step: Step) -> None:
        record = step_record(step, self._section)
        self._count[record.status] += 1
        json_lines.show(record)

    def heading(self, text: str) -> None:
        """Begin the steps of a section of the file."""
        self._section = text

    def end(self, code: int) -> None:
        """Print the result; `code` is the exit code."""
        count = self._count
        failed = code != os.EX_OK
        warned = Outcome.WARNING if count[Outcome.WARNING] else Outcome.OK
        json_lines.show(
            ResultRecord(
                command="check",
                status=Outcome.FAILED if failed else warned,
                ok=count[Outcome.OK],
                warnings=count[Outcome.WARNING],
                failed=count[Outcome.FAILED],
                exit_code=code,
            )
        )


def step_record(step: Step, section: str | None) -> StepRecord:
    """Return a step of a section as an object."""
    status = _STATUS[step.state]
    is_field = isinstance(step, FieldStep)
    return StepRecord(
        section=section,
        step="field" if is_field else _STEPS.get(step.label, "server"),
        field=step.label if is_field else None,
        status=status,
        text=step.text,
        hint=None if status is Outcome.OK else hint_of(step.text),
    )


def hint_of(text: str) -> str | None:
    """Return what follows the first statement of a text, None where it is all of the text.

    A statement ends at a semicolon, a full stop or a line's end, outside parentheses.
    """
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth <= 0 and text.startswith(_ENDS, at):
            return text[at + 1 :].strip() or None
    return None

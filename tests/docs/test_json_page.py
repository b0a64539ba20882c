"""docs/json.md: every key of every object is in a table, and what is shown there works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import pytest
import yaml

from bat2influx.commands import health
from bat2influx.commands.check import json_steps
from bat2influx.commands.json_lines import MAX_LINE
from bat2influx.commands.steps import OK, FieldStep, Step
from bat2influx.daemon.health import Condition
from tests import TOP
from tests.support.json_objects import checked, kinds, types_of

PAGE = (TOP / "docs/json.md").read_text()
KINDS = kinds()
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null"}
COMMAND = re.compile(r"^bat2influx (\w+) --json \| (jq .*)$", re.MULTILINE)


class Row(NamedTuple):
    """A line of a table."""

    key: str
    type: str
    unit: str
    values: str


def sections() -> dict[str, str]:
    """Return what the page says of each kind."""
    parts = re.split(r"(?m)^(?:### `(\w+)`$|## )", PAGE)
    return {
        kind: text for kind, text in zip(parts[1::2], parts[2::2], strict=True) if kind is not None
    }


def rows(kind: str) -> list[Row]:
    """Return the table of a kind."""
    found = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \| ([^|]*)\| ([^|]*)\|$", sections()[kind])
    table = [Row(*(cell.strip() for cell in cells)) for cells in found]
    assert len(table) == sections()[kind].count("\n|") - 2, "a line is not read"
    return table


def examples(kind: str) -> list[str]:
    """Return the lines that are shown of a kind."""
    return [
        line
        for block in re.findall(r"(?ms)^```json\n(.*?)^```$", sections()[kind])
        for line in block.splitlines()
    ]


def test_the_page_has_every_kind_and_no_other() -> None:
    """One that arrives, or goes, takes its table along."""
    assert sections().keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_the_keys_of_the_object_in_order(kind: str) -> None:
    """None is without a description, and none is described that is not there."""
    assert [row.key for row in rows(kind)] == [*types_of(KINDS[kind])]
    assert all(row.values for row in rows(kind))


def _name(wanted: Any, type_text: str) -> str:
    """Return what the table calls a type; a text may be a time or a fixed word."""
    if wanted in WORDS:
        special = re.match(r"(time|word)\b", type_text)
        return special[0] if wanted is str and special else WORDS[wanted]
    return "word" if isinstance(wanted, type) and issubclass(wanted, Enum) else "list of words"


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_the_types_of_the_object(kind: str) -> None:
    """Those that may be null among them; a time is called one."""
    types = types_of(KINDS[kind])
    for row in rows(kind):
        names = [_name(each, row.type) for each in types[row.key]]
        assert row.type == " or ".join(names), (kind, row.key)
        is_time = row.key == "time" or row.key.endswith("_time")
        assert row.type.startswith("time") == is_time
        if row.key.endswith("_s"):
            assert row.unit == "s"


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_is_an_object_of_its_kind(kind: str) -> None:
    """As it would be printed, with the words and the times of the table."""
    assert examples(kind)
    types = {row.key: row.type for row in rows(kind)}
    for line in examples(kind):
        found = checked(line)
        assert found["kind"] == kind
        assert json.dumps(found) == line
        for key, name in types.items():
            if name.startswith("time") and found[key]:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[key])


def words_of(kind: str, key: str) -> set[str]:
    """Return the words in a cell of the values, without what a colon begins to explain."""
    (row,) = [row for row in rows(kind) if row.key == key]
    return {word for part in row.values.split(";") for word in _words(part.partition(":")[0])}


def _words(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_an_enumeration_is_in_its_table(kind: str) -> None:
    """And no other; each is in lower case."""
    for key, types in types_of(KINDS[kind]).items():
        for wanted in types:
            if isinstance(wanted, type) and issubclass(wanted, Enum):
                assert words_of(kind, key) == {each.value for each in wanted}
    for row in rows(kind):
        if row.type == "word":
            assert "".join(words_of(kind, row.key)).replace("_", "").islower()


def test_every_state_of_health_and_every_step_is_in_its_table() -> None:
    """These are made of labels and conditions."""
    states = {each.value for each in Condition} | {health.NOT_RUNNING, health.UNKNOWN}
    assert words_of("health", "state") == states
    labels = [*json_steps._STEPS, "InfluxDB"]
    steps = [Step(OK, label, "") for label in labels] + [FieldStep(OK, "Soc", "")]
    assert words_of("step", "step") == {json_steps.step_record(each, None).step for each in steps}


def test_the_page_has_the_bound_of_a_line() -> None:
    """With its newline."""
    assert f"{MAX_LINE:,} bytes" in PAGE


# What is shown to be copied


def test_home_assistant_gets_a_state_and_attributes(tmp_path: Path) -> None:
    """It runs the command by a shell, takes all of stdout as JSON, and wants an exit code of 0."""
    (text,) = re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)
    ((kind, sensor),) = yaml.safe_load(text)["command_line"][0].items()
    assert kind == "sensor"
    program = tmp_path / "bat2influx"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bat2influx "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", sensor["command"]],
        cwd=TOP,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "RUNTIME_DIRECTORY": "/none",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.strip())
    assert found["state"] == "not_running"
    (key,) = re.fullmatch(r"\{\{ value_json\.(\w+) \}\}", sensor["value_template"]).groups()  # type: ignore[union-attr]
    assert key == "state"
    assert {*sensor["json_attributes"]} < found.keys()
    assert not re.search(r"[{}]", sensor["command"])  # which Home Assistant takes for a template


@pytest.mark.parametrize(
    ("command", "filter_line", "shown"),
    [
        (*found, shown)
        for found, shown in zip(
            COMMAND.findall(PAGE),
            [
                "healthy: 0 values queued, the latest is 0.6 s old",
                "[Battery] port: closed",
                "0.9997",
                "venus.local c0619ab1c2d3 ok",
            ],
            strict=True,
        )
    ],
)
def test_a_line_of_jq_takes_the_examples(command: str, filter_line: str, shown: str) -> None:
    """Those of the same command, beside objects of other kinds."""
    failed = {"section": "[Battery]", "step": "port", "field": None, "status": "failed"}
    failed |= {"kind": "step", "text": "closed", "hint": None}
    mine = {
        "health": ["health"],
        "check": ["step", "result"],
        "spool": ["spool", "rejection", "set_aside"],
        "discover": ["device", "field", "problem", "result"],
    }[command]
    lines = [line for kind in mine for line in examples(kind)]
    lines += [json.dumps(failed)] if command == "check" else []
    done = subprocess.run(
        ["/bin/sh", "-c", filter_line],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(shown)
    assert done.stdout.count("\n") == 1

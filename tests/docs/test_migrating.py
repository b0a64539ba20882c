"""docs/migrating.md: its command makes a file of the original script one of this program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bat2influx.config import settings
from tests.docs import pages

PAGE = (pages.FOLDER / "migrating.md").read_text()
FILE = "/etc/bat2influx/bat2influx.ini"
ORIGINAL = """\
; the house
[Battery]
address: venus.lan
password : hunter2
serial: c0619ab12345

[Influx]
address: localhost
db: bat
"""


def test_the_command_converts_a_file(tmp_path: Path) -> None:
    """Keys, colons and comments; nothing else has to be changed in an ordinary file."""
    (command,) = (each.text for each in pages.blocks(PAGE) if each.text.startswith("sed "))
    file = tmp_path / "bat2influx.ini"
    file.write_text(ORIGINAL)
    assert command.count(FILE) == 1
    subprocess.run(command.replace(FILE, str(file)), shell=True, check=True)
    loaded = settings.load(file)
    assert loaded.batteries[0].address == "venus.lan"
    assert loaded.batteries[0].password == "hunter2"
    assert loaded.influx.db == "bat"


def test_it_is_the_command_that_the_program_prints(tmp_path: Path) -> None:
    """Whoever has skipped that step gets the same one from check."""
    file = tmp_path / "bat2influx.ini"
    file.write_text(ORIGINAL)
    with pytest.raises(settings.ConfigError) as caught:
        settings.load(file)
    (command,) = (each.text for each in pages.blocks(PAGE) if each.text.startswith("sed "))
    assert command.strip().removesuffix(FILE) in str(caught.value)

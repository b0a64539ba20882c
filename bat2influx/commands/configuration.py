"""The configuration as a command reads it, and the messages about a bad one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from bat2influx.commands import output
from bat2influx.config.inifile import MissingFileError
from bat2influx.config.paths import DEFAULT_CONFIG
from bat2influx.config.settings import ConfigError, Settings, load

TEMPLATE = Path("/usr/share/bat2influx/bat2influx.ini")  # of the package


def read(path: Path) -> Settings:
    """Return the settings of a file, with the credentials of this service. Raises ConfigError."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return load(path, credentials=Path(directory) if directory else None)


def read_or_complain(path: Path) -> Settings | None:
    """Return the same; for a bad file print the problems and return None."""
    try:
        return read(path)
    except ConfigError as error:
        complain_of(error, path)
        return None


def complain_of(error: ConfigError, path: Path) -> None:
    """Print what is wrong with the file `path`; if it does not exist, also the first steps."""
    steps = first_steps(path) if isinstance(error, MissingFileError) else ()
    complain([*error.problems, *steps])


def first_steps(path: Path) -> Sequence[str]:
    """Return how to get from no file `path` to one that works, a step a line."""
    option = "" if path == DEFAULT_CONFIG else f" --config {shlex.quote(str(path))}"
    return (
        f"1. Find the device:  bat2influx{option} discover",
        f"2. Edit the file:    {path} (template: {TEMPLATE})",
        f"3. Test each step:   bat2influx{option} check",
    )


def complain(problems: Sequence[str]) -> None:
    """Print what is wrong, by stderr even where that is the journal.

    An entry sent to the journal itself by a process that ends at once may lose its unit, and
    `journalctl -u` with it; what comes through stderr has it from the service manager.
    """
    from bat2influx.service import journal  # noqa: PLC0415 - only where there is a problem

    priority = "<3>" if journal.stderr_is_journal() else ""  # as in sd-daemon(3): an error
    for line in "\n".join(problems).splitlines():
        output.complain(f"{priority}{line}")

"""Reads the configuration for a command, and prints its problems."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from bat2influx.commands import output
from bat2influx.config.paths import DEFAULT_CONFIG
from bat2influx.service import lean_imports

with lean_imports.imports_of_validate():
    from bat2influx.commands.credentials import stored_secrets
    from bat2influx.config.inifile import MissingFileError
    from bat2influx.config.settings import ConfigError, Settings, load

TEMPLATE = Path("/usr/share/bat2influx/bat2influx.ini")  # of the package


def read(path: Path) -> Settings:
    """Return the settings of a file, with the credentials of its service. Raises ConfigError."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return load(path, credentials=Path(directory) if directory else stored_secrets(path))


def read_or_complain(path: Path) -> Settings | None:
    """Return the same; print the problems of a bad file and return None."""
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
    """Print what is wrong on stderr, even if stderr is the journal.

    If a process sends an entry to the journal and exits at once, the entry may lack its unit, so
    that `journalctl -u` does not show it. For a line on stderr the service manager adds the unit.
    """
    from bat2influx.service import journal  # noqa: PLC0415 - only where there is a problem

    priority = "<3>" if journal.stderr_is_journal() else ""  # as in sd-daemon(3): an error
    for line in "\n".join(problems).splitlines():
        output.complain(f"{priority}{line}")

"""A command's settings in the configuration file: what would change, shown before it does.

Rules: a setting that a person has chosen is replaced only after a confirmation, and a change that
would make the file invalid is not written. No secret is in a diff.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bat2influx.commands.file_changes import ChangeError, FileChange, read_file
from bat2influx.config.ini_writer import (
    UnwritableError,
    Wanted,
    difference,
    replaced,
    with_settings,
)
from bat2influx.config.inifile import MAX_FILE
from bat2influx.config.paths import is_of_service
from bat2influx.config.settings import (
    Battery,
    ConfigError,
    known_defaults,
    known_names,
    settings_in,
)

_SERVICES, _OWN = 0o640, 0o600  # modes of a new file: the service's user is in its group


@dataclass(frozen=True, slots=True)
class IniEdit:
    """A change of the file, and its diff; `change` is None if there is none."""

    change: FileChange | None
    diff: Sequence[str]


class UnconfirmedError(Exception):
    """The change would replace settings that a person has chosen; the text names them."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        several = "values" if len(names) > 1 else "a value"
        super().__init__(
            f"{path} already has {several} for {', '.join(names)}; --yes replaces"
            f" {'them' if len(names) > 1 else 'it'}"
        )


def is_missing(path: Path) -> bool:
    """Tell whether there is no file; in an unreadable directory there may be one."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def is_at(battery: Battery, host: str) -> bool:
    """Tell whether a host is the address in a section of the file."""
    return _folded(battery.address) == _folded(host)


def section_for(batteries: Sequence[Battery], host: str | None) -> Battery | None:
    """Return the section for a host: the one with its address, or the only one; None without one.

    Without a host it is the only one. Raises ConfigError if several sections are possible.
    """
    same = [battery for battery in batteries if host and is_at(battery, host)]
    found = same or list(batteries)
    if len(found) > 1:
        names = ", ".join(f"{battery.section} ({battery.address})" for battery in found)
        what = "give the address of one" if not host else f"write address = {host} into one of them"
        raise ConfigError([f"the file has several devices: {names}; {what}"])
    return found[0] if found else None


def _folded(host: str) -> str:
    return host.casefold().removesuffix(".")


def edited(path: Path, wanted: Wanted, *, confirmed: bool) -> IniEdit:
    """Return how the file at `path`, or a new one, gets the settings that are wanted.

    Raises UnconfirmedError, ChangeError if the file cannot be read or changed, and ConfigError if
    it is invalid, before or after the change.
    """
    before = read_file(path, MAX_FILE)
    try:
        text = (before or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise ChangeError(f"{path} is not UTF-8 text") from None
    names = known_names()
    if before is not None:
        settings_in(text.removeprefix("\ufeff"), path)  # its own problems come first
    own = replaced(text, wanted, names, known_defaults())
    if own and not confirmed:
        raise UnconfirmedError(path, own)
    try:
        after = with_settings(text, wanted, names)
    except UnwritableError as error:
        raise ChangeError(f"{path} cannot be changed: {error}") from None
    try:
        settings_in(after.removeprefix("\ufeff"), path)
    except ConfigError as error:
        raise ConfigError(["the changed file would have errors:", *error.problems]) from None
    if after == text and before is not None:
        return IniEdit(None, ())
    services = is_of_service(path)
    change = FileChange(
        path,
        before,
        after.encode(),
        mode=_SERVICES if services else _OWN,
        group_of_directory=services and os.geteuid() == 0,
    )
    return IniEdit(change, difference(text, after, str(path)))

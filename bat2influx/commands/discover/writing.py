"""Writes the active lines of the one device that `discover` found into the configuration file.

Rules: the program does not choose among several devices. Comments are not written; other settings
in the file stay unchanged, user and password among them. In another user's directory root works as
that user.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bat2influx.commands import configuration
from bat2influx.commands.file_changes import ChangeError, apply
from bat2influx.commands.ini_edit import UnconfirmedError, edited, section_for
from bat2influx.commands.output import complain, say
from bat2influx.config.ini_writer import settings_of
from bat2influx.config.paths import is_of_service, service_unit
from bat2influx.config.settings import Battery, ConfigError, known_names
from bat2influx.mqtt.advice import pair_command
from bat2influx.service.ownership import OwnerError, become_owner

_LOCKED = "password ="  # ends the lines of a device that requires a login


@dataclass(frozen=True, slots=True)
class Writing:
    """Where lines go; with `confirmed` they replace settings that a person has chosen."""

    config: Path
    confirmed: bool = False

    def write(self, found: Sequence[tuple[str, list[str]]], batteries: Sequence[Battery]) -> int:
        """Write the lines of the only device found; return the exit code.

        `found` are hosts with their lines, `batteries` the sections in the file.
        """
        live = [(host, block) for host, block in found if any(_is_live(line) for line in block)]
        if len(live) > 1:
            hosts = dict.fromkeys(host for host, _ in live)
            if len(hosts) > 1:
                how = f"choose one of {', '.join(hosts)}: bat2influx discover --write HOST"
            else:
                how = "run the command without --write, and copy the lines of one"
            complain(f"{len(live)} devices were found, and nothing was written; {how}")
            return os.EX_CONFIG
        if not live:
            say("\n".join(found[0][1]))
            return os.EX_UNAVAILABLE
        ((host, block),) = live
        try:
            become_owner(self.config)
            changed = self._write(host, block, batteries)
        except (OwnerError, OSError) as error:
            complain(str(error))
            return os.EX_NOPERM
        except (ChangeError, UnconfirmedError) as error:
            complain(f"{error}; nothing was written")
            return os.EX_CONFIG
        except ConfigError as error:
            configuration.complain(error.problems)
            return os.EX_CONFIG
        if not changed:
            complain(f"{self.config} already has these lines")
        complain(self._next(host, locked=_LOCKED in block))
        return os.EX_OK

    def _write(self, host: str, block: list[str], batteries: Sequence[Battery]) -> bool:
        """Change the file, and print the changes; return whether there were any."""
        own = section_for(batteries, host)
        suffix = f" {own.name}" if own and own.name else ""
        wanted = {
            f"{section}{suffix}": settings
            for section, settings in settings_of(block, known_names()).items()
        }
        edit = edited(self.config, wanted, confirmed=self.confirmed)
        if edit.change:
            apply([edit.change])
            say("\n".join(edit.diff))
        return edit.change is not None

    def _next(self, host: str, *, locked: bool) -> str:
        if locked:
            return (
                f"{host} requires a login: write its password into {self.config}, or, under its"
                f' security profile "Paired devices only", run'
                f" {pair_command(host, str(self.config))}"
            )
        config = self.config
        usual = is_of_service(config) and service_unit(config) == "bat2influx"
        return f"Now run: bat2influx {'' if usual else f'--config {config} '}check"


def _is_live(line: str) -> bool:
    return bool(line) and line[0] != "#"

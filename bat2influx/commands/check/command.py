"""`bat2influx check`: the file only, at each reload, or every step to the database, a line each."""

from __future__ import annotations

import argparse
import os

from bat2influx.commands import configuration
from bat2influx.commands.output import say
from bat2influx.config.settings import ConfigError, load


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.add_argument("--offline", action="store_true", help="the file alone")
    parser.set_defaults(function=_run)


def _run(options: argparse.Namespace) -> int:
    """Check the configuration file and, unless `offline`, each step from device to database.

    Offline it needs no secret: a service's credentials cannot be read while it is reloaded.
    """
    path = options.config
    try:
        settings = load(path) if options.offline else configuration.read(path)
    except ConfigError as error:
        configuration.complain(error.problems)
        return os.EX_CONFIG
    if options.offline:
        for note in settings.notes:
            say(f"note: {note}")
        say(f"{path}: ok")
        return os.EX_OK
    from bat2influx.commands.check import every_step  # noqa: PLC0415

    return every_step.check(settings, os.environ)

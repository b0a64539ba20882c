"""`bat2influx check`: the file only, at each reload, or every step to the database, a line each."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bat2influx.commands import configuration, json_lines
from bat2influx.commands.check.json_steps import JsonSteps
from bat2influx.commands.output import say
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.config.settings import ConfigError, Settings, load

EXAMPLES = """\
examples:
  bat2influx check                         test everything; stores nothing
  bat2influx --config ./try.ini check --offline"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--offline", action="store_true", help="check the configuration file only, without network"
    )
    parser.add_argument("--json", action="store_true", help=json_lines.OPTION)
    parser.set_defaults(function=_run)


def _run(options: argparse.Namespace) -> int:
    """Check the configuration file and, unless `offline`, each step from device to database.

    Offline it needs no secret: a service's credentials cannot be read while it is reloaded.
    """
    path = options.config
    if options.json:
        return _run_as_json(path, offline=options.offline)
    try:
        settings = load(path) if options.offline else configuration.read(path)
    except ConfigError as error:
        configuration.complain_of(error, path)
        return os.EX_CONFIG
    if options.offline:
        for note in settings.notes:
            say(f"note: {note}")
        say(f"{path}: ok")
        return os.EX_OK
    from bat2influx.commands.check import every_step  # noqa: PLC0415

    return every_step.check(settings, os.environ)


def _run_as_json(path: Path, *, offline: bool) -> int:
    """Do the same, and print objects; each problem of the file is a step that failed."""
    show = JsonSteps()
    try:
        settings = load(path) if offline else configuration.read(path)
    except ConfigError as error:
        for problem in error.problems:
            show(Step(WRONG, "file", problem))
        code = os.EX_CONFIG
    else:
        code = _file_alone(settings, show) if offline else _every_step(settings, show)
    show.end(code)
    return code


def _file_alone(settings: Settings, show: JsonSteps) -> int:
    show(Step(OK, "file", str(settings.path)))
    for note in settings.notes:
        show(Step(NOTE, "token", note))
    return os.EX_OK


def _every_step(settings: Settings, show: JsonSteps) -> int:
    from bat2influx.commands.check import every_step  # noqa: PLC0415

    return every_step.check(settings, os.environ, as_json=show)

"""`bat2influx check`: each step on the way from the device to the database, a line each.

Where the file has several devices, each has its lines below its section's name.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from bat2influx.commands import configuration
from bat2influx.commands.check.database_steps import database_steps
from bat2influx.commands.check.device_steps import device_steps
from bat2influx.commands.credentials import unseen_secrets
from bat2influx.commands.steps import NOTE, OK, WRONG, Printer, Step
from bat2influx.config.settings import ConfigError, Settings, load
from bat2influx.device.discovery import UndecidedError


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
        print(f"{path}: ok")  # noqa: T201 - this is the command's output
        return os.EX_OK
    return check(settings, os.environ)


def check(settings: Settings, environment: Mapping[str, str]) -> int:
    """Take every step and print it; return the exit code, 0 or 69, or 78 for an open choice.

    What is wrong with one device keeps nobody from looking at the others.
    """
    show = Printer(sys.stdout, environment)
    show(Step(OK, "file", str(settings.path)))
    for hint in unseen_secrets(settings, environment):
        show(Step(NOTE, "secrets", hint))
    several = len(settings.batteries) > 1
    undecided = False
    for battery in settings.batteries:
        if several:
            show.heading(battery.section)
        try:
            for step in device_steps(battery, str(settings.path)):
                show(step)
        except UndecidedError as error:
            show(Step(WRONG, "choice", str(error)))
            undecided = True
    if several:
        show.heading("[Influx]")
    for step in database_steps(settings):
        show(step)
    if undecided:
        return os.EX_CONFIG
    return os.EX_UNAVAILABLE if show.wrong else os.EX_OK

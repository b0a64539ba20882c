"""Every step of `bat2influx check`, from the file over each device to the database, as lines.

With several devices in the file, each has its lines below its section's name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from bat2influx.commands.check.database_steps import database_steps
from bat2influx.commands.check.device_steps import device_steps
from bat2influx.commands.check.json_steps import JsonSteps
from bat2influx.commands.credentials import unreadable_names, unreadable_secrets
from bat2influx.commands.steps import NOTE, OK, WRONG, Printer, Step
from bat2influx.config.credentials import credential_of
from bat2influx.config.settings import Settings
from bat2influx.device.discovery import UndecidedError


def check(
    settings: Settings, environment: Mapping[str, str], *, as_json: JsonSteps | None = None
) -> int:
    """Take every step and print it; return the exit code, 0 or 69, or 78 for an open choice.

    A problem of one device does not stop the check of the others. With `as_json` that prints the
    steps, without the result.
    """
    show = as_json or Printer(sys.stdout, environment)
    show(Step(OK, "file", str(settings.path)))
    for hint in unreadable_secrets(settings, environment):
        show(Step(NOTE, "secrets", hint))
    lacking = unreadable_names(settings, environment)
    for note in settings.notes:
        show(Step(NOTE, "token", note))
    several = len(settings.batteries) > 1 or as_json is not None
    undecided = False
    for battery in settings.batteries:
        if several:
            show.heading(battery.section)
        try:
            lacks_password = credential_of(battery.name) in lacking
            for step in device_steps(battery, str(settings.path)):
                show(_without_secret(step, "device") if lacks_password else step)
        except UndecidedError as error:
            show(Step(WRONG, "choice", str(error)))
            undecided = True
    if several:
        show.heading("[Influx]")
    lacks_secret = not lacking.isdisjoint(("influx-password", "influx-token"))
    for step in database_steps(settings):
        show(_without_secret(step, "database") if lacks_secret else step)
    if undecided:
        return os.EX_CONFIG
    return os.EX_UNAVAILABLE if show.wrong else os.EX_OK


def _without_secret(step: Step, peer: str) -> Step:
    """Return the step; a failed login without the service's secret counts as not tested."""
    if step.state != WRONG or step.label != "login":
        return step
    text = f"not tested: the {peer} rejected the login without the service's secret, which this"
    return step._replace(text=f"{text} command cannot read; see the note above")

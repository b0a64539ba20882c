"""`bat2influx check`: each step on the way from the device to the database, a line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from bat2influx.config import Settings
from bat2influx.finding import UndecidedError
from bat2influx.steps import NOTE, OK, WRONG, Step, database_steps, device_steps

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
_COLOURS = {OK: "32", NOTE: "33", WRONG: "1;31"}  # as in ECMA-48: green, yellow, bold red

SECRETS = {  # by the names of their credentials
    "mqtt-password": "password for MQTT",
    "influx-password": "password for InfluxDB",
    "influx-token": "token for InfluxDB",
}


def check(settings: Settings, environment: Mapping[str, str]) -> int:
    """Take every step and print it; return the exit code, 0 or 69, or 78 for an open choice."""
    show = Printer(sys.stdout, environment)
    show(Step(OK, "file", str(settings.path)))
    for hint in unseen_secrets(settings.path, environment):
        show(Step(NOTE, "secrets", hint))
    undecided = False
    for battery in settings.batteries:
        try:
            for step in device_steps(battery, str(settings.path)):
                show(step)
        except UndecidedError as error:
            show(Step(WRONG, "choice", str(error)))
            undecided = True
    for step in database_steps(settings):
        show(step)
    if undecided:
        return EX_CONFIG
    return EX_UNAVAILABLE if show.wrong else EX_OK


class Printer:
    """Prints steps, in colour on a terminal; `wrong` counts those that went wrong."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self.wrong = 0
        self._stream = stream
        self._colour = (
            stream.isatty()
            and environment.get("TERM") != "dumb"
            and not environment.get("NO_COLOR")  # a custom of many programs
        )

    def __call__(self, step: Step) -> None:
        self.wrong += step.state == WRONG
        mark = f"{step.state:<6}"
        if self._colour:
            mark = f"\x1b[{_COLOURS[step.state]}m{mark}\x1b[0m"
        text = step.text.replace("\n", "\n" + " " * 20)
        print(f"{mark}{step.label:<13} {text}", file=self._stream, flush=True)


def unseen_secrets(path: Path, environment: Mapping[str, str]) -> Iterable[str]:
    """Yield a hint where the service has secrets that this process has not.

    A credential is given to the service's own processes alone (systemd.exec(5), "Credentials").
    """
    if "CREDENTIALS_DIRECTORY" in environment or path.parent != Path("/etc/bat2influx"):
        return
    unit = "bat2influx" if path.stem == "bat2influx" else f"bat2influx@{path.stem}"
    secrets, options = [], []
    for name, what in SECRETS.items():
        source = f"{unit}.{name}"
        if _holds_something(Path("/etc/credstore.encrypted", source)):
            options.append(f"-p LoadCredentialEncrypted={name}:{source}")
        elif _holds_something(Path("/etc/credstore", source)):
            options.append(f"-p LoadCredential={name}:{source}")
        elif not _holds_something(Path(f"/run/credentials/{unit}.service", name)):
            continue
        secrets.append(what)
    if secrets:
        hint = f"{unit} has its {' and '.join(secrets)} in a credential, which this command"
        hint += " cannot see"
        if options:
            config = "" if unit == "bat2influx" else f"--config {path} "
            run = " ".join(("systemd-run --pipe --quiet --wait", *options))
            hint += f"; with it: {run} bat2influx {config}check"
        yield hint


def _holds_something(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(2).strip())
    except OSError:
        return False

"""`bat2influx check`: each step on the way from the device to the database, a line each.

Where the file has several devices, each has its lines below its section's name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from bat2influx.config import Battery, Settings, credential_of
from bat2influx.finding import UndecidedError
from bat2influx.steps import NOTE, OK, WRONG, Step, database_steps, device_steps

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
_COLOURS = {OK: "32", NOTE: "33", WRONG: "1;31"}  # as in ECMA-48: green, yellow, bold red


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
            show.heading(_section(battery))
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
        return EX_CONFIG
    return EX_UNAVAILABLE if show.wrong else EX_OK


def _section(battery: Battery) -> str:
    return f"[Battery {battery.name}]" if battery.name else "[Battery]"


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

    def heading(self, text: str) -> None:
        """Begin the lines that belong to a section of the file."""
        print(f"\n{text}", file=self._stream, flush=True)


def unseen_secrets(
    settings: Settings,
    environment: Mapping[str, str],
    root: Path = Path("/"),
    *,
    command: str = "check",
    by: str = "--pipe",
) -> Iterable[str]:
    """Yield a hint where the service has secrets that this process has not.

    A credential is given to the service's own processes alone (systemd.exec(5), "Credentials").
    That of a [Battery NAME] is one that somebody has to have added to the unit. `root` is where
    the file system begins; `command` is this one, and `by` how systemd-run(1) hands on its output.
    """
    path = settings.path
    if "CREDENTIALS_DIRECTORY" in environment or path.parent != Path("/etc/bat2influx"):
        return
    unit = "bat2influx" if path.stem == "bat2influx" else f"bat2influx@{path.stem}"
    given = root / f"run/credentials/{unit}.service"  # there while the service runs
    secrets, options = [], []
    for name, what in _secrets(settings.batteries).items():
        source = f"{unit}.{name}"
        if _holds_something(root / "etc/credstore.encrypted" / source):
            option = f"LoadCredentialEncrypted={name}:{source}"
        elif _holds_something(root / "etc/credstore" / source):
            option = f"LoadCredential={name}:{source}"
        elif _holds_something(given / name):
            option = ""
        else:
            continue
        if option and _lacks(given, name):
            yield (
                f"{unit} does not load {source}, the {what}: write {option} below [Service] with"
                f" systemctl edit {unit}, and restart it"
            )
        else:
            secrets.append(what)
        if option:
            options.append(f"-p {option}")
    if secrets:
        *most, last = secrets
        listed = " and ".join((", ".join(most), last)) if most else last
        hint = f"{unit} has its {listed} in a credential, which this command"
        hint += " cannot see"
        if options:
            config = "" if unit == "bat2influx" else f"--config {path} "
            run = " ".join((f"systemd-run {by} --quiet --wait", *options))
            hint += f"; with it: {run} bat2influx {config}{command}"
        yield hint


def _secrets(batteries: Iterable[Battery]) -> dict[str, str]:
    """Return what each credential is, by its name."""
    secrets = {}
    for battery in batteries:
        if battery.name.isascii():
            whose = f" of {_section(battery)}" if battery.name else ""
            secrets[credential_of(battery.name)] = f"password for MQTT{whose}"
    return {
        **secrets,
        "influx-password": "password for InfluxDB",
        "influx-token": "token for InfluxDB",
    }


def _lacks(directory: Path, name: str) -> bool:
    """Tell whether a directory is there and can be looked into, and has no such file."""
    try:
        return name not in {file.name for file in directory.iterdir()}
    except OSError:
        return False


def _holds_something(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(2).strip())
    except OSError:
        return False

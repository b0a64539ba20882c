"""The secrets of the service for a command: those that it can read, and hints about others.

Only the service's own processes get a credential (systemd.exec(5), "Credentials"). Its file in
/etc/credstore is readable by root, whose commands read it; an encrypted one is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bat2influx.config.credentials import credential_of
from bat2influx.config.paths import is_of_service, service_unit
from bat2influx.config.settings import Battery, Settings
from bat2influx.service.ownership import read_regular


class _Credential(NamedTuple):
    """A credential of the service, what it holds, and the option that loads it; '' if unknown.

    `not_loaded`: it is stored, and the running service has not got it. `unreadable`: the service
    has it, and this process does not.
    """

    name: str
    what: str
    option: str
    not_loaded: bool
    unreadable: bool


def stored_secrets(path: Path, root: Path = Path("/")) -> Mapping[str, Path]:
    """Return the readable files of the credentials of the service with the file `path`, by name.

    An encrypted credential wins over a file of the same name. Empty for a file of no service, and
    for a user who may not read them.
    """
    if not is_of_service(path):
        return {}
    before = f"{service_unit(path)}."
    encrypted = root / "etc/credstore.encrypted"
    try:
        found = [*(root / "etc/credstore").iterdir()]
        return {
            file.name.removeprefix(before): file
            for file in found
            if file.name.startswith(before)
            and not _holds_something(encrypted / file.name)
            and _holds_something(file)
        }
    except OSError:
        return {}


def unreadable_secrets(
    settings: Settings,
    environment: Mapping[str, str],
    root: Path = Path("/"),
    *,
    command: str = "check",
    by: str = "--pipe",
    peers: tuple[str, ...] = ("mqtt", "influx"),
) -> Iterable[str]:
    """Yield a hint if the service has secrets that this process does not have.

    The credential of a [Battery NAME] must have been added to the unit. `root` is the root of the
    file system, `command` is this command, and `by` the option of systemd-run(1) for its output.
    Only secrets for `peers` are looked for.
    """
    secrets, options = [], []
    unit = service_unit(settings.path)
    for each in _found(settings, environment, root):
        if not each.name.startswith(peers):
            continue
        source = f"{unit}.{each.name}"
        option = each.option and f"{each.option}={each.name}:{source}"
        if each.not_loaded:
            yield (
                f"{unit} does not load {source}, the {each.what}: write {option} below [Service]"
                f" with systemctl edit {unit}, and restart the service"
            )
        elif each.unreadable:
            secrets.append(each.what)
        if option:
            options.append(f"-p {option}")
    if secrets:
        *most, last = secrets
        listed = " and ".join((", ".join(most), last)) if most else last
        hint = f"{unit} has its {listed} in a credential, which this command"
        hint += " cannot read"
        if options:
            config = "" if unit == "bat2influx" else f"--config {settings.path} "
            run = " ".join((f"systemd-run {by} --quiet --wait", *options))
            hint += f"; to use it, run: {run} bat2influx {config}{command}"
        yield hint


def unreadable_names(
    settings: Settings, environment: Mapping[str, str], root: Path = Path("/")
) -> frozenset[str]:
    """Return the names of the credentials that the service has and this process cannot read."""
    return frozenset(each.name for each in _found(settings, environment, root) if each.unreadable)


def _found(settings: Settings, environment: Mapping[str, str], root: Path) -> Iterator[_Credential]:
    """Yield the credentials of the service; none in the service itself, which has read them."""
    path = settings.path
    if "CREDENTIALS_DIRECTORY" in environment or not is_of_service(path):
        return
    unit = service_unit(path)
    given = root / f"run/credentials/{unit}.service"  # there while the service runs
    stored = stored_secrets(path, root)
    for name, what in _secrets(settings.batteries).items():
        source = f"{unit}.{name}"
        if _holds_something(root / "etc/credstore.encrypted" / source):
            option = "LoadCredentialEncrypted"
        elif _holds_something(root / "etc/credstore" / source):
            option = "LoadCredential"
        elif _is_given(given / name):
            option = ""
        else:
            continue
        not_loaded = bool(option) and _lacks(given, name)
        yield _Credential(name, what, option, not_loaded, not not_loaded and name not in stored)


def _secrets(batteries: Iterable[Battery]) -> dict[str, str]:
    """Return what each credential holds, by its name."""
    secrets = {}
    for battery in batteries:
        if battery.name.isascii():
            whose = f" of {battery.section}" if battery.name else ""
            secrets[credential_of(battery.name)] = f"password for MQTT{whose}"
    return {
        **secrets,
        "influx-password": "password for InfluxDB",
        "influx-token": "token for InfluxDB",
    }


def _lacks(directory: Path, name: str) -> bool:
    """Tell whether a directory exists and is readable, and has no such file."""
    try:
        return name not in {file.name for file in directory.iterdir()}
    except OSError:
        return False


def _is_given(path: Path) -> bool:
    """Tell whether a credential of the running service, owned by its user, is not empty."""
    try:
        return bool(read_regular(path, 2).strip())
    except OSError:
        return False


def _holds_something(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(2).strip())
    except OSError:
        return False

"""Secrets in separate files, which systemd passes to the service.

See systemd.exec(5), "Credentials". A password is the whole line in its file, with spaces and
quotes, so that every password is possible. The files belong to systemd, and are only read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bat2influx.config.inifile import ConfigError, read_text
from bat2influx.config.paths import is_of_service, service_unit
from bat2influx.config.tokens import bare

# systemd's credentials directory, or the file of each credential by its name.
Credentials = Path | Mapping[str, Path]
TOKEN = "influx-token"
CREDENTIALS = {
    "influx-password": ("Influx", "password"),
    TOKEN: ("Influx", "token"),
}


def credential_of(name: str) -> str:
    """Return the name of the credential with the password of `[Battery NAME]`, or `[Battery]`.

    With a space in it systemd 257 would not start the service.
    """
    return f"mqtt-password-{name.replace(' ', '_')}" if name else "mqtt-password"


def file_of(files: Credentials, name: str) -> Path | None:
    """Return the file of a credential, None if there is none; in a directory it may be absent."""
    return files / name if isinstance(files, Path) else files.get(name)


def take_credentials(config: Any, devices: Collection[str], files: Credentials) -> Iterator[str]:
    """Replace secrets by credentials; yield their problems."""
    own = {credential_of(name.partition(" ")[2]): name for name in devices}
    places = {name: (section, "password") for name, section in own.items()} | CREDENTIALS
    for name, (section, key) in places.items():
        path = file_of(files, name)
        if path is None:
            continue
        try:
            secret = read_text(path).removesuffix("\n").removesuffix("\r")
        except FileNotFoundError:
            continue
        except ConfigError as error:
            yield from error.problems
            continue
        if name == TOKEN:
            secret = secret.strip() if "\n" in secret or not secret.strip() else secret
        if not secret:
            continue  # systemd sets an empty one if there is no file
        if fault := _fault(name, secret):
            yield f"{path}: {fault}"
        else:
            config[section][key] = secret


def _fault(name: str, secret: str) -> str | None:
    if "\n" in secret:
        return "holds more than one line; a credential is one line"
    if name == TOKEN:
        try:
            bare(secret)
        except ValueError as error:
            return str(error)
    return None


def credential_hint(config: Path, section: str, key: str) -> str:
    """Return how to pass a secret to the service that its ini file cannot hold."""
    device = section.partition(" ")[2]
    name = next((n for n, place in CREDENTIALS.items() if place == (section, key)), "")
    name = name or credential_of(device)
    if not is_of_service(config):
        return f"the file {name} in the directory that CREDENTIALS_DIRECTORY names"
    unit = service_unit(config)
    way = f"the file /etc/credstore/{unit}.{name} (mode 600)"
    if device:
        loaded = f"LoadCredential={name}:{unit}.{name}"
        way += f", with {loaded} below [Service] by systemctl edit {unit}"
    return f"{way}; then restart {unit}"

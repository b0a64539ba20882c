"""Stores a token: the password in the credential of the service, the rest in its file.

A secret is a file in /etc/credstore that the unit loads (systemd.exec(5), "Credentials"). The unit
does not list that of a [Battery NAME]: a drop-in loads it.

Rules: obstacles are detected before a request is sent to the device. All files change or none does,
the configuration last: without it the others have no effect.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bat2influx.commands.file_changes import FileChange, apply, read_file
from bat2influx.commands.ini_edit import UnconfirmedError, edited
from bat2influx.config.credentials import credential_of
from bat2influx.config.ini_writer import UnwritableError, quoted
from bat2influx.config.inifile import MAX_FILE
from bat2influx.config.paths import is_of_service, service_unit
from bat2influx.mqtt.connector import MQTT_TLS_PORT
from bat2influx.venus.pairing import Token

ROOT = Path("/")
_STORE, _ENCRYPTED = Path("etc/credstore"), Path("etc/credstore.encrypted")
_UNITS = Path("etc/systemd/system")
_PRIVATE, _PUBLIC = 0o700, 0o755  # directories that are created


@dataclass(frozen=True, slots=True)
class Place:
    """A section of a configuration file, and the credential with its password.

    `name` is NAME of [Battery NAME], '' for [Battery]; `root` is the root of the file system.
    """

    config: Path
    name: str = ""
    root: Path = ROOT

    @property
    def section(self) -> str:
        """The section, without its brackets."""
        return f"Battery {self.name}" if self.name else "Battery"

    @property
    def unit(self) -> str:
        """The unit with this file, without its suffix."""
        return service_unit(self.config)

    @property
    def secret(self) -> Path:
        """The file with the password."""
        return self.root / _STORE / f"{self.unit}.{credential_of(self.name)}"

    @property
    def encrypted(self) -> Path:
        """The file that would collide with it."""
        return self.root / _ENCRYPTED / self.secret.name

    @property
    def drop_in(self) -> Path | None:
        """The file with which the unit loads the credential; None if it needs none."""
        if not self.name:
            return None
        directory = self.root / _UNITS / f"{self.unit}.service.d"
        return directory / f"{credential_of(self.name)}.conf"

    @property
    def credential(self) -> str:
        """The line with which the unit loads the credential."""
        return f"LoadCredential={credential_of(self.name)}:{self.secret.name}"

    @property
    def drop_in_text(self) -> bytes:
        """The content of the drop-in."""
        lines = f"# by bat2influx pair, for [{self.section}]", "[Service]", self.credential, ""
        return "\n".join(lines).encode()

    @property
    def next_command(self) -> str:
        """The command that applies the changes."""
        reload = "systemctl daemon-reload && " if self.drop_in else ""
        return f"{reload}systemctl restart {self.unit}"


@dataclass(frozen=True, slots=True)
class Login:
    """The connection to the device from now on."""

    address: str
    port: int
    fingerprint: str
    token: Token

    def settings(self, *, secret: bool) -> dict[str, str]:
        """Return the settings of the section, '' for empty; the password with `secret` only."""
        return {
            "address": self.address,
            "port": "" if self.port == MQTT_TLS_PORT else str(self.port),
            "tls": "yes",
            "fingerprint": self.fingerprint,
            "ca_file": "",
            "verify_host": "",
            "user": self.token.user,
            "password": self.token.password if secret else "",
        }


def obstacles(place: Place, likely: Login, *, confirmed: bool) -> Iterator[str]:
    """Yield what prevents writing, before a request is sent to the device; each for people.

    `likely` is the login as far as it is known by then. Raises ChangeError and ConfigError.
    """
    if not is_of_service(place.config) or place.config.suffix != ".ini":
        yield (
            f"--write is for files of the service, in /etc/bat2influx, which {place.config} is not:"
            " leave out --write to print the lines"
        )
        return
    if os.geteuid() != 0:
        yield "--write changes files in /etc: run the command as root"
        return
    if place.encrypted.exists():
        yield (
            f"the service has its password in {place.encrypted}, which prevents loading a plain"
            " one; remove that file and the drop-in that names it, or run the command"
            " without --write and encrypt the new password with systemd-creds"
        )
    if not place.name.isascii():
        yield f"[{place.section}] has a name that is not ASCII, unlike any credential; rename it"
    stored = read_file(place.secret, MAX_FILE)
    if stored and stored.strip() and not confirmed:
        yield f"{place.secret} already holds a password; --yes replaces it"
    if place.drop_in and not confirmed:
        unit = read_file(place.drop_in, MAX_FILE)
        if unit and unit.strip() and unit != place.drop_in_text:
            yield f"{place.drop_in} already has other lines; --yes replaces them"
    try:
        edited(place.config, {place.section: likely.settings(secret=False)}, confirmed=confirmed)
    except UnconfirmedError as error:
        yield str(error)


def lines(place: Place, login: Login) -> list[str]:
    """Return the lines for the file, with the password in the notation of the file."""
    made = [f"[{place.section}]"]
    for key, value in login.settings(secret=True).items():
        try:
            made += [f"{key} = {quoted(value)}"] if value else []
        except UnwritableError:  # both kinds of quotes
            made += [f"# {key}: all of the one line in {place.secret}", f"# {value}"]
    return made


def write(place: Place, login: Login, *, confirmed: bool) -> Sequence[str]:
    """Store a login for the service; return what has changed, line by line.

    Raises ConfigError, ChangeError and UnconfirmedError; then nothing has changed.
    """
    wanted = {place.section: login.settings(secret=False)}
    edit = edited(place.config, wanted, confirmed=confirmed)
    secret = FileChange(
        place.secret,
        read_file(place.secret, MAX_FILE),
        f"{login.token.password}\n".encode(),
        directory_mode=_PRIVATE,
        private=True,
    )
    changes = [secret]
    shown = [
        *edit.diff,
        f"{place.secret}: the password of {login.token.user}, readable by root only",
    ]
    if place.drop_in:
        loaded, text = place.credential, place.drop_in_text
        before = read_file(place.drop_in, MAX_FILE)
        if before != text:
            changes.append(
                FileChange(place.drop_in, before, text, mode=0o644, directory_mode=_PUBLIC)
            )
            shown.append(f"{place.drop_in}: {loaded}")
    if edit.change:
        changes.append(edit.change)
    apply(changes)
    return shown

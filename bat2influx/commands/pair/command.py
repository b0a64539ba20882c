"""`bat2influx pair [HOST]`: pairs this computer with a device, and stores the login.

Rules: stdout has only the result: the lines for the file, or with --write what has changed in it;
progress is on stderr. A password is asked for without echo, or is a credential, and is in no
argument.
"""

from __future__ import annotations

import argparse
import getpass
import io
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bat2influx.commands import configuration, ini_edit
from bat2influx.commands.file_changes import ChangeError
from bat2influx.commands.ini_edit import UnconfirmedError
from bat2influx.commands.output import complain, say
from bat2influx.commands.pair import placing
from bat2influx.commands.pair.conversation import Conversation, Target
from bat2influx.commands.pair.countdown import Countdown
from bat2influx.commands.pair.placing import Login, Place
from bat2influx.config import checks, inifile
from bat2influx.config.settings import Battery, ConfigError, Settings
from bat2influx.mqtt.connector import MQTT_TLS_PORT
from bat2influx.venus.pairing import HTTPS_PORT, ROLE, Token, name_of_client

CREDENTIAL = "device-password"
USUAL_HOST = "venus.local"
_MACHINE = Path("/etc/machine-id")
_NO_FINGERPRINT = ":".join(["00"] * 32)

EXAMPLES = """\
example:
  bat2influx pair --write venus.local
  systemctl restart bat2influx"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "host", metavar="HOST[:PORT]", nargs="?", help="the device (default: that in the file)"
    )
    parser.add_argument(
        "--password",
        action="store_true",
        help="ask for the password instead of pairing mode",
    )
    parser.add_argument(
        "--write", action="store_true", help="put the login into file and credential"
    )
    parser.add_argument("--yes", action="store_true", help="replace existing values")
    parser.set_defaults(function=_run)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of the command."""

    host: str | None
    config: Path
    password: bool = False
    write: bool = False
    yes: bool = False


def _run(options: argparse.Namespace) -> int:
    arguments = Arguments(
        options.host, options.config, options.password, options.write, options.yes
    )
    return pair(arguments, partial(configuration.read, options.config), os.environ)


def pair(arguments: Arguments, load: Callable[[], Settings], environment: Mapping[str, str]) -> int:
    """Pair with a device; print the result, and return the exit code.

    `load` reads the ini file, and may raise ConfigError.
    """
    try:
        given = arguments.host
        host, port = (None, None) if given is None else checks.host_and_port(given)
    except ValueError as error:
        complain(f"bat2influx pair: {error}")
        return os.EX_USAGE
    try:
        batteries = _batteries(arguments, load)
        battery = chosen(batteries, host)
        place = Place(arguments.config, battery.name if battery else "")
        same = battery if battery and (host is None or ini_edit.is_at(battery, host)) else None
        if same and same.tls and same.tls.ca_file and not arguments.yes:
            what = "trusts the device by ca_file, but pairing pins the certificate it shows now"
            raise ConfigError([f"{same.section} {what}; --yes continues"])
        target = _target(arguments, place, same, host, port)
        likely = Login(
            target.host,
            target.mqtt_port,
            target.pinned or _NO_FINGERPRINT,
            Token(f"token/{ROLE}/{target.client}", ""),
        )
        obstacles_found: list[str] = []
        if arguments.write:
            obstacles_found += placing.obstacles(place, likely, confirmed=arguments.yes)
    except ConfigError as error:
        configuration.complain(error.problems)
        return os.EX_CONFIG
    except ChangeError as error:
        obstacles_found = [str(error)]
    if obstacles_found:
        for text in obstacles_found:
            complain(text)
        return os.EX_CONFIG
    password = partial(password_of, target.host, environment) if arguments.password else None
    conversation = Conversation(target, password, say=complain, countdown=Countdown(sys.stderr))
    if not conversation.run() or conversation.token is None:
        return os.EX_UNAVAILABLE
    login = Login(target.host, target.mqtt_port, conversation.fingerprint, conversation.token)
    return _deliver_login(arguments, place, login)


def chosen(batteries: Sequence[Battery], host: str | None) -> Battery | None:
    """Return the section of the file for a host, None if there is none.

    Raises ConfigError if several sections are possible, or the section cannot be paired.
    """
    battery = ini_edit.section_for(batteries, host)
    if battery and battery.vrm:
        what = "uses the VRM cloud, which has no pairing"
        raise ConfigError([f"{battery.section} {what}; for a local device write its address"])
    if battery and battery.topic_prefix:
        what = "has a topic_prefix, so that its login is that of a bridge's broker"
        raise ConfigError([f"{battery.section} {what}, which has no pairing"])
    return battery


def _target(
    arguments: Arguments, place: Place, same: Battery | None, host: str | None, port: int | None
) -> Target:
    """Return the device to pair with; `same` is the section of the file for that host."""
    return Target(
        host=same.address if same else host or USUAL_HOST,  # as the file spells it
        client=name_of_client(socket.gethostname(), machine_id(), place.unit),
        config=str(arguments.config),
        https_port=port or HTTPS_PORT,
        mqtt_port=same.port if same and same.tls else MQTT_TLS_PORT,
        pinned=same.tls.fingerprint if same and same.tls else "",
    )


def password_of(host: str, environment: Mapping[str, str]) -> str | None:
    """Return the device's password, from a credential or the terminal; None without one."""
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if directory:
        try:
            return inifile.read_text(Path(directory, CREDENTIAL)).splitlines()[0]
        except (FileNotFoundError, IndexError):
            pass
        except ConfigError as error:
            configuration.complain(error.problems)
            return None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # getpass restores the echo
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # the password would be visible
            return getpass.getpass(f"Password of {host}: ")
    except (EOFError, KeyboardInterrupt, getpass.GetPassWarning):
        return None
    finally:
        signal.signal(signal.SIGINT, before)


def machine_id(path: Path = _MACHINE) -> bytes:
    """Return the id of this computer; a random one if it has none."""
    try:
        return path.read_bytes().strip() or os.urandom(16)
    except OSError:
        return os.urandom(16)


def _batteries(arguments: Arguments, load: Callable[[], Settings]) -> Sequence[Battery]:
    """Return the sections of the file, none if there is no file. Raises ConfigError for a bad file.

    The file may have the device's fingerprint, without which another machine could get the
    password.
    """
    try:
        return load().batteries
    except ConfigError:
        if not ini_edit.is_missing(arguments.config):
            raise
        return ()


def _deliver_login(arguments: Arguments, place: Place, login: Login) -> int:
    """Write or print the login."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the ini file is
    if not arguments.write:
        complain(f"{login.address} accepted the login; these lines are for {arguments.config}:")
        say("\n".join(placing.lines(place, login)))
        return os.EX_OK
    try:
        shown = placing.write(place, login, confirmed=arguments.yes)
    except (ChangeError, UnconfirmedError) as error:
        problems: Sequence[str] = [str(error)]
    except ConfigError as error:
        problems = error.problems
    else:
        say("\n".join(shown))
        complain(f"{login.address} accepted the login. Now run: {place.next_command}")
        return os.EX_OK
    configuration.complain(problems)
    complain("nothing was written; run the command again, which replaces the token")
    return os.EX_CANTCREAT

"""The paths of files: configuration, state, and the daemon's files for other programs.

Pure: a configuration file and an environment in, paths out (DESIGN, "Command line"). The name of
the file identifies an instance of the service, bat2influx@NAME.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

HOME = Path("/etc/bat2influx")
DEFAULT_CONFIG = HOME / "bat2influx.ini"
USUAL = DEFAULT_CONFIG.stem  # of the file; another one is an instance
STATE = Path("/var/lib/bat2influx")
SERVICE_USER = "bat2influx"


def is_of_service(config: Path) -> bool:
    """Tell whether a file belongs to the service, or to an instance of it."""
    return _absolute(config).parent == HOME


def _absolute(config: Path) -> Path:
    return Path(os.path.abspath(config))  # noqa: PTH100 - a symbolic link counts as another file


def service_unit(config: Path) -> str:
    """Return the unit that uses a file of the service, without its suffix."""
    return "bat2influx" if config.stem == USUAL else f"bat2influx@{config.stem}"


def state_directory(config: Path, environment: Mapping[str, str]) -> Path:
    """Return the state directory of the daemon with the file `config`."""
    if given := environment.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    if is_of_service(config):
        return STATE if config.stem == USUAL else STATE / config.stem
    home = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "bat2influx"


def service_user(config: Path, environment: Mapping[str, str]) -> str:
    """Return the user who owns the state directory once the service runs, '' if that is open.

    When the service starts, systemd makes this user the owner, whoever owned it before.
    """
    given = environment.get("STATE_DIRECTORY")
    return SERVICE_USER if is_of_service(config) and not given else ""


def runtime_file(config: Path, environment: Mapping[str, str], suffix: str) -> Path | None:
    """Return the path of the daemon's file for other programs; None without a directory."""
    name = f"{config.stem}{suffix}"
    if given := environment.get("RUNTIME_DIRECTORY"):  # set by systemd; a unit may have several
        return Path(given.split(":")[0], name)
    if own := environment.get("XDG_RUNTIME_DIR"):
        return Path(own, "bat2influx", name)
    return None


def runtime_file_of_service(
    config: Path, environment: Mapping[str, str], suffix: str
) -> Path | None:
    """Return the same path, as seen from outside the daemon's unit."""
    if not environment.get("RUNTIME_DIRECTORY") and is_of_service(config):
        return Path("/run", service_unit(config).replace("@", "-", 1), f"{config.stem}{suffix}")
    return runtime_file(config, environment, suffix)

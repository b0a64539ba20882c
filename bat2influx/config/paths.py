"""Where files are: configuration, state, and what others read beside the daemon.

Pure: a configuration file and an environment in, paths out (DESIGN, "Command line"). An instance
of the service, bat2influx@NAME, is told by the name of its file.
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
    """Tell whether a file is that of the service, or of an instance of it."""
    return _absolute(config).parent == HOME


def _absolute(config: Path) -> Path:
    return Path(os.path.abspath(config))  # noqa: PTH100 - a link to the file is another file


def service_unit(config: Path) -> str:
    """Return the unit that runs with a file of the service, without its suffix."""
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
    """Return the user whose the state directory is to be once the service runs, '' for nobody's.

    Systemd gives the directory to this user when the service starts, whoever has it then.
    """
    given = environment.get("STATE_DIRECTORY")
    return SERVICE_USER if is_of_service(config) and not given else ""


def runtime_file(config: Path, environment: Mapping[str, str], suffix: str) -> Path | None:
    """Return where the daemon with this file has a file for others; None without a place."""
    name = f"{config.stem}{suffix}"
    if given := environment.get("RUNTIME_DIRECTORY"):  # of systemd; a unit may have several
        return Path(given.split(":")[0], name)
    if own := environment.get("XDG_RUNTIME_DIR"):
        return Path(own, "bat2influx", name)
    return None


def runtime_file_of_service(
    config: Path, environment: Mapping[str, str], suffix: str
) -> Path | None:
    """Return the same as it is seen from outside the daemon's unit."""
    if not environment.get("RUNTIME_DIRECTORY") and is_of_service(config):
        return Path("/run", service_unit(config).replace("@", "-", 1), f"{config.stem}{suffix}")
    return runtime_file(config, environment, suffix)

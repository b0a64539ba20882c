"""`bat2influx run`: the daemon, in the foreground; also the default without a command.

The configuration is read before anything else is imported, so that errors in it appear at once.
"""

from __future__ import annotations

import gc
import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bat2influx.commands import configuration
from bat2influx.config.paths import service_unit, service_user, state_directory
from bat2influx.service.ownership import OwnerError, become_owner, owner_to_be

if TYPE_CHECKING:
    import argparse

log = logging.getLogger(__name__)

EXAMPLES = """\
examples:
  bat2influx                               run with the usual configuration
  bat2influx --config ./try.ini run        run with another one

The service is started by: systemctl enable --now bat2influx"""


def register(parser: argparse.ArgumentParser) -> None:
    """Set the function; there are no options."""
    parser.epilog = EXAMPLES
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    """Run the daemon as `run_daemon` does."""
    return run_daemon(options.config)


def run_daemon(config: Path) -> int:
    """Run the daemon until a signal ends it; return the exit code."""
    settings = configuration.read_or_complain(config)
    if settings is None:
        return os.EX_CONFIG
    state = state_directory(config, os.environ)
    try:
        if os.geteuid() == 0 and owner_to_be(state, service_user(config, os.environ)):
            return _before_service(config, state)
        owner = become_owner(state)
    except (OwnerError, OSError) as error:
        configuration.complain([f"{error}; {_by_hand(config, error)}"])
        return os.EX_NOPERM
    if owner:  # the directory of root's session is not this user's
        os.environ.pop("XDG_RUNTIME_DIR", None)
    # Imported modules stay for ever: garbage collection of them takes 3 % of the time of a start.
    gc.disable()
    from bat2influx.daemon import main  # noqa: PLC0415 - a quarter of a second
    from bat2influx.service import journal  # noqa: PLC0415 - a quarter of a second

    gc.freeze()
    gc.enable()
    journal.set_up()
    if owner:
        text = "started by root; running as %s, the owner of %s"
        log.info(text, owner.name, owner.path, extra=journal.event("owner"))
    try:
        return main.run(settings, partial(configuration.read, config))
    except Exception:
        text = "exiting: internal error in bat2influx"
        log.critical(text, exc_info=True, extra=journal.event("internal error"))
        return os.EX_SOFTWARE


def _before_service(config: Path, state: Path) -> int:
    """Refuse to run as root before the service's first start, which takes the state directory."""
    configuration.complain(
        [
            f"{state} does not belong to the service yet, and root's files there would block it;"
            f" run: systemctl start {service_unit(config)}"
        ]
    )
    return os.EX_NOPERM


def _by_hand(config: Path, error: OwnerError | OSError) -> str:
    """Return the command that runs the daemon as the right user."""
    user = error.owner.name if isinstance(error, OwnerError) else "USER"
    return f"run: runuser -u {user} -- bat2influx --config {config} run"

"""`bat2influx run`: the daemon, in the foreground; also what is done without a command.

The configuration is read before anything else is imported, so that a bad one is answered at once.
"""

from __future__ import annotations

import argparse
import logging
import os
from functools import partial

from bat2influx.commands import configuration

log = logging.getLogger(__name__)


def register(parser: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    """Run the daemon until it is told to end; return the exit code."""
    settings = configuration.read_or_complain(options.config)
    if settings is None:
        return os.EX_CONFIG
    from bat2influx.daemon import main  # noqa: PLC0415 - a quarter of a second
    from bat2influx.service import journal  # noqa: PLC0415 - a quarter of a second

    journal.set_up()
    try:
        return main.run(settings, partial(configuration.read, options.config))
    except Exception:
        text = "ending, for an error in bat2influx"
        log.critical(text, exc_info=True, extra=journal.event("internal error"))
        return os.EX_SOFTWARE

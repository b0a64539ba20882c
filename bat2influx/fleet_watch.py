"""Which device of a fleet `bat2influx watch` looks at: the one that is named.

A thousand devices fit on no screen, and each of them would be asked for all that it has.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bat2influx.config import Settings


class UnclearError(ValueError):
    """It is not said which device, or one is named where the file names it already."""


def one_of(settings: Settings, portal: str) -> Settings:
    """Return settings that have the device with this portal id in place of the fleet it is in.

    Unchanged without a fleet and a portal id. Raises UnclearError, with what to do.
    """
    fleets = [battery for battery in settings.batteries if battery.fleet]
    if not fleets and not portal:
        return settings
    if not fleets:
        raise UnclearError(f"{portal!r}: {settings.path} has no serial = *; leave it out")
    if not re.fullmatch("[A-Za-z0-9]+", portal):
        problem = f"{portal!r} is no portal id" if portal else "there are many devices"
        example = "as in bat2influx watch c0619ab12345"
        raise UnclearError(f"{problem}; name one of those behind the broker, {example}")
    chosen = (replace(each, serial=portal, share_group="", instances="tag") for each in fleets)
    return replace(settings, batteries=tuple(chosen))

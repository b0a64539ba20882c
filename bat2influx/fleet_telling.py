"""What is told of a fleet, in the log and in STATUS=: what is wrong, once, and its end.

Devices that are silent are told in the log and counted in the census; all else is a trouble too.
"""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

from bat2influx import fleet_trouble
from bat2influx.config import Battery
from bat2influx.failure import Trouble
from bat2influx.fleet_keepalive import MOST_DEVICES
from bat2influx.journal import Episode
from bat2influx.source import Census

log = logging.getLogger(__name__)


class Look(NamedTuple):
    """What is to be seen on a connection; times are monotonic s, inf where it has not happened.

    `speaking` says whether a device was heard of late; `left_out` counts messages of devices that
    are one too many.
    """

    begun: float
    asked: float  # when the first keepalive was sent
    valued: bool  # whether a value has come
    speaking: bool
    overheard: bool  # whether a keepalive has come back
    deaf: bool  # whether the subscription to keepalives was refused
    refused: Trouble | None  # the latest keepalive that was
    left_out: int


class Diagnosis:
    """What is wrong with a fleet, as far as people have been told. To be shown a look at times."""

    def __init__(self, battery: Battery, watchdog: float, config: str) -> None:
        """`watchdog` is the interval W in s; `config` the file to name in messages."""
        self._battery = battery
        self._config = config
        self._late = watchdog / 8  # for an answer
        self._later = watchdog / 2  # for a value
        fields = {"PEER": battery.address}
        self._finding = Episode(log, fields)
        self._hearing = Episode(log, fields)
        self._unheard = Episode(log, fields)
        self._refused = Episode(log, fields)
        self._crowded = Episode(log, fields)
        self._valued = Episode(log, fields)

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with the way to the devices."""
        episodes = (self._finding, self._refused, self._crowded, self._valued)
        return next((each.trouble for each in episodes if each.trouble), None)

    def tell(self, census: Census, look: Look, now: float) -> None:
        """Tell what is new."""
        self._tell_of_devices(census, look, now)
        self._tell_of_keepalives(look, now)
        host, group = self._battery.address, self._battery.share_group
        if look.valued:
            self._valued.recovered(f"values come from {host}", now)
        elif look.speaking and now >= look.begun + self._later:
            self._valued.failed(fleet_trouble.no_values(host, group, self._config), now)

    def _tell_of_devices(self, census: Census, look: Look, now: float) -> None:
        host, config = self._battery.address, self._config
        if census.silent:
            self._hearing.failed(fleet_trouble.devices_silent(host, census), now)
        else:
            self._hearing.recovered(f"every device at {host} speaks", now)
        if census.devices:
            self._finding.recovered(f"there are devices at {host}", now)
        elif now >= look.begun + self._late:
            prefix = self._battery.topic_prefix
            self._finding.failed(fleet_trouble.no_devices(host, prefix, config), now)
        if look.left_out:
            self._crowded.failed(fleet_trouble.too_many(host, config), now)
        elif census.devices < MOST_DEVICES:
            self._crowded.recovered(f"there is room for each device at {host}", now)

    def _tell_of_keepalives(self, look: Look, now: float) -> None:
        host, user = self._battery.address, self._battery.user
        late = look.asked < math.inf and now >= look.asked + self._late
        if look.refused:
            self._refused.failed(look.refused, now)
        elif late:
            self._refused.recovered(f"{host} takes keepalives", now)
        if look.overheard:
            self._unheard.recovered(f"{host} lets keepalives be heard", now)
        elif late or look.deaf:
            self._unheard.failed(fleet_trouble.keepalives_unheard(host, user, self._config), now)

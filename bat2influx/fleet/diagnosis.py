"""What is reported of a fleet, in the log and in STATUS=: each problem once, and its end.

Devices that do not respond are logged and counted in the census; every other problem is also a
trouble.
"""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

from bat2influx.config.settings import Battery
from bat2influx.device.source import Census
from bat2influx.failure import Trouble
from bat2influx.fleet.keepalive import MAX_DEVICES
from bat2influx.service.journal import Episode

log = logging.getLogger(__name__)


class ConnectionStatus(NamedTuple):
    """The state of a connection; times are monotonic s, inf if it has not happened.

    `responding` is whether a device sent a message recently; `left_out` counts messages of devices
    and topics that are ignored, and `full` is whether there is still no room for another one.
    """

    begun: float
    asked: float  # when the first keepalive was sent
    value_received: bool  # whether a value has arrived
    responding: bool
    keepalive_delivered: bool  # whether the broker has delivered a keepalive
    keepalives_refused: bool  # whether the subscription to keepalives was refused
    refused: Trouble | None  # the latest refused keepalive
    left_out: int
    full: bool


class Diagnosis:
    """The reported problems of a fleet. Call `report` with a new ConnectionStatus at intervals."""

    def __init__(self, battery: Battery, watchdog: float, config: str) -> None:
        """`watchdog` is the interval W in s; `config` is the file to name in messages."""
        self._battery = battery
        self._config = config
        self._late = watchdog / 8  # for an answer
        self._later = watchdog / 2  # for a value
        fields = {"PEER": battery.address}
        self._no_devices = Episode(log, fields)
        self._not_responding = Episode(log, fields)
        self._no_keepalives = Episode(log, fields)
        self._refused = Episode(log, fields)
        self._crowded = Episode(log, fields)
        self._value_received = Episode(log, fields)

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with the connection to the devices."""
        episodes = (self._no_devices, self._refused, self._crowded, self._value_received)
        return next((each.trouble for each in episodes if each.trouble), None)

    def report(self, census: Census, status: ConnectionStatus, now: float) -> None:
        """Log what is new."""
        self._report_devices(census, status, now)
        self._report_keepalives(status, now)
        host, group = self._battery.address, self._battery.share_group
        if status.value_received:
            self._value_received.recovered(f"values arrive from {host}", now)
        elif status.responding and now >= status.begun + self._later:
            self._value_received.failed(no_values(host, group, self._config), now)

    def _report_devices(self, census: Census, status: ConnectionStatus, now: float) -> None:
        host, config = self._battery.address, self._config
        if census.not_responding:
            self._not_responding.failed(devices_not_responding(host, census), now)
        else:
            self._not_responding.recovered(f"every device at {host} responds again", now)
        if census.devices:
            self._no_devices.recovered(f"devices detected at {host}", now)
        elif now >= status.begun + self._late:
            prefix = self._battery.topic_prefix
            self._no_devices.failed(no_devices(host, prefix, config), now)
        if status.left_out:
            most = self._battery.max_memory
            self._crowded.failed(too_many(host, census.devices, most, config), now)
        elif not status.full:
            self._crowded.recovered(f"there is room for every device at {host}", now)

    def _report_keepalives(self, status: ConnectionStatus, now: float) -> None:
        host, user = self._battery.address, self._battery.user
        late = status.asked < math.inf and now >= status.asked + self._late
        if status.refused:
            self._refused.failed(status.refused, now)
        elif late:
            self._refused.recovered(f"{host} accepts keepalives", now)
        if status.keepalive_delivered:
            self._no_keepalives.recovered(f"{host} delivers keepalives to this daemon", now)
        elif late or status.keepalives_refused:
            self._no_keepalives.failed(keepalives_not_delivered(host, user, self._config), now)


def no_devices(host: str, prefix: str, config: str) -> Trouble:
    """The broker responds, but has no device."""
    below = f"{prefix}N/+/system/0/Serial"
    return Trouble(
        "portal",
        f"no device has published its portal id at {host} (no retained message {below}). Check that"
        f" the bridge forwards that message, and that topic_prefix in {config} is the bridge's",
    )


def devices_not_responding(host: str, census: Census) -> Trouble:
    """Some of the devices, or all, do not respond."""
    count = len(census.not_responding)
    verb = "does" if count == 1 else "do"
    return Trouble(
        "silent",
        f"{count:,} of {census.devices:,} devices at {host} {verb} not respond ({census.named})",
    )


def keepalives_not_delivered(host: str, user: str, config: str) -> Trouble:
    """The broker delivers no keepalives, not even those of this daemon."""
    return Trouble(
        "subscription refused: keepalives",
        f"{host} does not allow {user!r} to read R/+/keepalive. Grant the right to read that topic"
        f" in the broker's access rules, or set user and password in {config} to a user who has it",
        effect="until then each daemon sends keepalives to all devices",
    )


def too_many(host: str, devices: int, memory: int, config: str) -> Trouble:
    """There are more devices than one daemon supports, or more than fit into memory."""
    what = f"{host} has more devices or topics than max_memory in {config} has room for"
    what += f" ({memory / 1e6:,.0f} MB: {devices:,} devices with their topics)"
    how = "Raise max_memory if these devices are yours"
    if devices >= MAX_DEVICES:
        what = f"{host} has more than {MAX_DEVICES:,} devices"
        how = f"Distribute them over several brokers, or values of topic_prefix in {config}, each"
        how += " with a separate daemon"
    return Trouble("fleet: too many", f"{what}; the others are ignored. {how}")


def no_values(host: str, group: str, config: str) -> Trouble:
    """Devices respond, but no value that is to be stored has arrived."""
    what = f"devices at {host} respond, but none has sent a value of the fields in {config}"
    if group:
        what = (
            f"devices at {host} respond, but this daemon has received no value. Either another"
            f" daemon of the group {group} receives all values, or no device has the fields in"
            f" {config}, or the broker does not support shared subscriptions: then leave"
            " share_group empty"
        )
    return Trouble("fleet: no values", what)

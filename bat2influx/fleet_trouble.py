"""What can be wrong with a fleet, in the words that people read."""

from __future__ import annotations

from bat2influx.failure import Trouble
from bat2influx.fleet_keepalive import MOST_DEVICES
from bat2influx.source import Census


def no_devices(host: str, prefix: str, config: str) -> Trouble:
    """The broker is there, and nobody behind it."""
    below = f"{prefix}N/+/system/0/Serial"
    return Trouble(
        "portal",
        f"no device has said its portal id at {host}, which a bridge has to carry over as the"
        f" retained message {below}; is topic_prefix in {config} the bridge's?",
    )


def devices_silent(host: str, census: Census) -> Trouble:
    """Some of them, or all, say nothing."""
    count = len(census.silent)
    verb = "is" if count == 1 else "are"
    return Trouble(
        "silent",
        f"{count:,} of {census.devices:,} devices at {host} {verb} silent ({census.named})",
    )


def keepalives_unheard(host: str, user: str, config: str) -> Trouble:
    """Nothing comes of the keepalives that are sent, not even our own."""
    return Trouble(
        "subscription refused: keepalives",
        f"{host} does not let {user!r} hear R/+/keepalive; give it the right to read that in the"
        f" broker's access rules, or set user and password in {config} to one who has it",
        meanwhile="each daemon keeps all devices awake, as it does not hear the others do so",
    )


def too_many(host: str, config: str) -> Trouble:
    """More devices than one daemon keeps awake, or somebody makes them up."""
    return Trouble(
        "fleet: too many",
        f"more than {MOST_DEVICES:,} devices at {host}, and the others are left out; spread them"
        f" over several brokers, or topic_prefix in {config}, each with a daemon of its own",
    )


def no_values(host: str, group: str, config: str) -> Trouble:
    """Devices are heard, and nothing of what is to be stored."""
    what = f"devices speak at {host}, and none of them has said a value of the fields in {config}"
    if group:
        what = (
            f"devices speak at {host}, and no value has come to this daemon: either another one of"
            f" the group {group} gets them all, or the broker does not know shared subscriptions"
            f" and share_group in {config} has to be empty, or the fields there are of nothing"
        )
    return Trouble("fleet: no values", what)

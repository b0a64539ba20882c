"""What can be wrong with a fleet, in the words that people read; see trouble.py for the rules."""

from __future__ import annotations

from bat2influx.source import Census
from bat2influx.trouble import Trouble


def no_devices(host: str, prefix: str, config: str) -> Trouble:
    """The broker is there, and nobody behind it."""
    below = f"{prefix}N/+/system/0/Serial"
    return Trouble(
        "portal",
        f"no device has said its portal id at {host}, which a bridge has to carry over as the"
        f" retained message {below}; is topic_prefix in {config} the bridge's?",
    )


def too_many(host: str, devices: int, topics: int) -> Trouble:
    """More than one daemon is made for, or somebody says what no device does."""
    return Trouble(
        "crowd",
        f"there are more than {devices:,} devices, or {topics:,} values of theirs, at {host};"
        " what came last is not stored. Give each daemon a part of them, by topic_prefix or a"
        " broker of their own",
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

"""The VRM cloud broker, which forwards the messages of devices that are not in this network.

VENUS, "The VRM cloud broker" (Victron's README of dbus-flashmq): TLS on port 8883, at a host that
depends on the portal id. The user is the e-mail address of a VRM account; the password is an access
token of that account, preceded by the word Token.
"""

from __future__ import annotations

ADDRESS = "vrm"  # its name in the ini file
PORT = 8883
_HOSTS = 128
_KIND = "Token "


def host_of(portal: str) -> str:
    """Return the host for the device with a portal id; upper and lower case are equal."""
    return f"mqtt{sum(map(ord, portal.lower())) % _HOSTS}.victronenergy.com"


def password_of(token: str) -> str:
    """Return the password for an access token, with or without the word Token; '' stays ''."""
    bare = token.strip()
    if bare[: len(_KIND)].casefold() == _KIND.casefold():
        bare = bare[len(_KIND) :].lstrip()
    return f"{_KIND}{bare}" if bare else ""

"""The VRM cloud broker, which passes on what devices say that are out of reach.

VENUS, "The VRM cloud broker" (Victron's README of dbus-flashmq): TLS on port 8883, at a host that
follows from the portal id. The user is the e-mail address of a VRM account; the password is an
access token of that account, with the word Token in front of it.
"""

from __future__ import annotations

ADDRESS = "vrm"  # what stands for it in the ini file
PORT = 8883
_HOSTS = 128
_KIND = "Token "


def host_of(portal: str) -> str:
    """Return the host that has the device of a portal id, whatever the case of its letters."""
    return f"mqtt{sum(map(ord, portal.lower())) % _HOSTS}.victronenergy.com"


def password_of(token: str) -> str:
    """Return the password for an access token, with or without the word in front; '' stays ''."""
    bare = token.strip()
    if bare[: len(_KIND)].casefold() == _KIND.casefold():
        bare = bare[len(_KIND) :].lstrip()
    return f"{_KIND}{bare}" if bare else ""

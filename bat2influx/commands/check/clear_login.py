"""A note about a login that is sent unencrypted, so that others can read it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from bat2influx.commands.steps import NOTE, Step


def clear_login(
    what: str, host: str, addresses: Iterable[str], how: str, *, tls: bool
) -> Iterator[Step]:
    """Yield a note about `what`, a secret that is sent to `host`; none with TLS or on this machine.

    `addresses` are those of the host, as far as they are known; `how` is the advice.
    """
    known = [*addresses] or [host]
    if what and not tls and not all(map(_is_here, known)):
        yield Step(NOTE, "login", f"{what} is sent unencrypted over the network; {how}")


def _is_here(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return address.rstrip(".").lower() in ("localhost", "ip6-localhost")

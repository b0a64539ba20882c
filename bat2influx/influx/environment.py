"""Proxies and logins of the environment, for who has asked for them by `use_environment`.

http_proxy, https_proxy, all_proxy and no_proxy, in small letters or capitals, as curl has them;
~/.netrc, or the file that NETRC names. The standard library reads both, and is imported when it is
asked: next to nobody does, and it takes 2 MB.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


class ProxyError(OSError):
    """A proxy that cannot be used, or does not let us through; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; with `tls` it is spoken to by TLS. `login` is a header of its own, '' for none."""

    host: str
    port: int
    tls: bool = False
    login: str = field(default="", repr=False)

    @property
    def where(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy for requests to a server, None for none. Raises ProxyError.

    `scheme` is http or https, as the server's.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - 2 MB

    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(f"{host}:{port}") or _is_inside(host, proxies.get("no", "")):
        return None
    return _proxy(url if "://" in url else f"http://{url}")


def login_for(host: str) -> tuple[str, str] | None:
    """Return the user and the password that ~/.netrc has for a host; None where it has none.

    A file that cannot be read, or be understood, has none.
    """
    from netrc import NetrcParseError, netrc  # noqa: PLC0415 - next to nobody needs it

    named = os.environ.get("NETRC")
    for name in [named] if named else ["~/.netrc", "~/_netrc"]:
        try:
            found = netrc(Path(name).expanduser()).authenticators(host)
            break
        except FileNotFoundError:
            continue
        except (NetrcParseError, OSError, RuntimeError, UnicodeError):  # no home is a RuntimeError
            return None
    else:
        return None
    if found is None:
        return None
    login, account, password = found
    return login or account or "", password or ""


def secrets_for(host: str) -> list[str]:
    """Return the passwords that may go out with requests to a server, to it or to a proxy."""
    from urllib.request import getproxies  # noqa: PLC0415 - 2 MB

    login = login_for(host)
    found = [login[1]] if login else []
    for url in getproxies().values():
        with suppress(ValueError):  # what is no address is told when it is used
            found.append(unquote(urlsplit(url if "://" in url else f"http://{url}").password or ""))
    return [secret for secret in found if secret]


def _proxy(url: str) -> Proxy:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is none, or half an address of IPv6
        host, port = None, None
    if not host:
        raise ProxyError("the proxy in the environment is not an address as http://proxy:3128")
    if parts.scheme not in _PORTS:
        raise ProxyError(f"a proxy of type {parts.scheme} is not supported; use one of type http")
    login = ""
    if parts.username is not None:
        login = basic(unquote(parts.username), unquote(parts.password or ""))
    return Proxy(host, port or _PORTS[parts.scheme], parts.scheme == "https", login)


def basic(user: str, password: str) -> str:
    """Return a login as a header has it (RFC 7617, in UTF-8)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _is_inside(host: str, networks: str) -> bool:
    """Return whether an address is in one of the networks that no_proxy lists, as 10.0.0.0/8."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for each in networks.replace(" ", "").split(","):
        try:
            if "/" in each and address in ipaddress.ip_network(each, strict=False):
                return True
        except ValueError:  # a name, or nothing
            continue
    return False

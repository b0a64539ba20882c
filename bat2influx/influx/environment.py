"""Proxies and logins from the environment, for users who have set `use_environment`.

http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case, as with curl; ~/.netrc, or
the file that NETRC names. The standard library reads both. It is imported on demand, because it
takes 2 MB and few users need it.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bat2influx.printable import without

_PORTS = {"http": 80, "https": 443}


class ProxyError(OSError):
    """A proxy is unusable or rejects the connection; the text says which proxy and why."""


class Proxy(NamedTuple):
    """A proxy; `tls` is whether it is connected by TLS, `login` its login header, '' for none."""

    host: str
    port: int
    tls: bool = False
    login: str = ""

    def __repr__(self) -> str:
        return without(["login"], self)

    @property
    def where(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy for requests to a server, None without one. Raises ProxyError.

    `scheme` is the server's: http or https.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - 2 MB

    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(f"{host}:{port}") or _is_inside(host, proxies.get("no", "")):
        return None
    return _proxy(url if "://" in url else f"http://{url}")


def login_for(host: str) -> tuple[str, str] | None:
    """Return the user and the password that ~/.netrc has for a host; None without an entry.

    An unreadable or invalid file counts as empty.
    """
    from netrc import NetrcParseError, netrc  # noqa: PLC0415 - few users need it

    named = os.environ.get("NETRC")
    for name in [named] if named else ["~/.netrc", "~/_netrc"]:
        try:
            found = netrc(Path(name).expanduser()).authenticators(host)
            break
        except FileNotFoundError:
            continue
        except (NetrcParseError, OSError, RuntimeError, UnicodeError):  # RuntimeError: no home
            return None
    else:
        return None
    if found is None:
        return None
    login, account, password = found
    return login or account or "", password or ""


def secrets_for(host: str) -> list[str]:
    """Return the passwords that requests to a server may contain: its own, and those of a proxy."""
    from urllib.request import getproxies  # noqa: PLC0415 - 2 MB

    login = login_for(host)
    found = [login[1]] if login else []
    for url in getproxies().values():
        with suppress(ValueError):  # an invalid address is reported when it is used
            found.append(unquote(urlsplit(url if "://" in url else f"http://{url}").password or ""))
    return [secret for secret in found if secret]


def _proxy(url: str) -> Proxy:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # an invalid port or IPv6 address
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
    """Return a login in the form of a header (RFC 7617, in UTF-8)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _is_inside(host: str, networks: str) -> bool:
    """Return whether an address is in one of no_proxy's networks, such as 10.0.0.0/8."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for each in networks.replace(" ", "").split(","):
        try:
            if "/" in each and address in ipaddress.ip_network(each, strict=False):
                return True
        except ValueError:  # a host name, or empty
            continue
    return False

"""Keeps modules out of memory that libraries import but this program does not use.

`configobj.validate` imports pprint for its examples, and so dataclasses, inspect and ast (1 MB, and
a twentieth of the time of a start). `systemd.journal` and `paho` import platform to learn that this
is no Windows.
`paho` imports urllib.request (1 MB with its imports) for proxies, hashlib (0.7 MB) for websockets,
and ssl (4 MB); this program gives it connected sockets instead. `http.client` imports ssl for
HTTPSConnection, and works without it. A daemon that uses TLS imports ssl later (net/tls.py).
`influxdb` imports pandas, with numpy 60 MB and a second at the start, for DataFrameClient.
`requests` 2.28 (Debian 12) imports chardet, 2 MB of tables, to guess the encoding of a text;
without chardet it uses a smaller library, and warns that this combination is untested.
`urllib3` imports decompressors for encodings that no database uses, 1 MB.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

_UNUSED = ("pandas", "chardet", "brotli", "brotlicffi", "zstandard", "simplejson")
_HTTP = "http.client"
_PLATFORM = "platform"
_EMPTY = ("urllib.request", "hashlib", "ssl")  # paho cannot be imported without these
# Exceptions that paho 1.6 and 2.1 catch from a socket; mqtt/link.py never raises them.
_NAMES_OF_SSL = ("SSLWantReadError", "SSLWantWriteError")


@contextmanager
def imports() -> Iterator[None]:
    """Make imports inside this block behave as if the unused modules were not installed."""
    with _hidden(_UNUSED), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*chardet", module="requests")
        yield


@contextmanager
def imports_of_http_client() -> Iterator[None]:
    """Import http.client without TLS inside this block, for its importer only.

    A later import elsewhere gets a complete, separate module.
    """
    if "ssl" in sys.modules or _HTTP in sys.modules:
        yield
        return
    try:
        with _hidden(["ssl"]):
            yield
    finally:
        sys.modules.pop(_HTTP, None)
        vars(sys.modules["http"]).pop("client", None)


@contextmanager
def imports_of_validate() -> Iterator[None]:
    """Import configobj.validate without pprint inside this block."""
    stand_in = ModuleType("pprint")
    vars(stand_in)["pprint"] = print
    with _for_a_while({"pprint": stand_in} if "pprint" not in sys.modules else {}):
        yield


@contextmanager
def imports_of_journal() -> Iterator[None]:
    """Import systemd.journal without platform inside this block."""
    with _for_a_while(_platform()):
        yield


@contextmanager
def imports_of_paho() -> Iterator[None]:
    """Replace modules that paho does not need here by empty ones inside this block."""
    empty = [name for name in _EMPTY if name not in sys.modules]
    stand_ins = {name: ModuleType(name) for name in empty}
    if stand_in := stand_ins.get("ssl"):
        vars(stand_in).update({name: type(name, (OSError,), {}) for name in _NAMES_OF_SSL})
    with _for_a_while({**stand_ins, **_platform()}):
        yield


def _platform() -> dict[str, ModuleType]:
    """Return a stand-in for platform, unless that is imported already."""
    if _PLATFORM in sys.modules:
        return {}
    stand_in = ModuleType(_PLATFORM)
    vars(stand_in)["system"] = lambda: os.uname().sysname  # as the real one does
    return {_PLATFORM: stand_in}


@contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Make imports of these modules fail, unless they are imported already."""
    with _for_a_while({name: None for name in names if name not in sys.modules}):
        yield


@contextmanager
def _for_a_while(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    sys.modules.update(modules)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]

"""Keeps out of memory what libraries import wherever it is installed, and nobody here uses.

`paho` imports urllib.request, which takes 1 MB with what it imports, for a proxy of sockets that it
makes itself, hashlib, 0.7 MB, for websockets, and ssl, 4 MB; its sockets are made by us.
`http.client` imports ssl for a class of its own, which it does without where there is none. A
daemon that speaks TLS imports ssl later, for its own use (net/tls.py).
`influxdb` imports pandas, with numpy 60 MB and a second at the start, for a class of its own.
`requests` 2.28 (Debian 12) imports chardet, 2 MB of tables, to guess the encoding of a text; where
it is not there, it does with a smaller library, of which it then says that it was not tried.
`urllib3` imports what unpacks answers that are packed in ways that no database uses, 1 MB.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

_UNUSED = ("pandas", "chardet", "brotli", "brotlicffi", "zstandard", "simplejson")
_HTTP = "http.client"
_EMPTY = ("urllib.request", "hashlib", "ssl")  # what paho cannot be imported without
# What paho 1.6 and 2.1 except from a socket, which a link never raises.
_NAMES_OF_SSL = ("SSLWantReadError", "SSLWantWriteError")


@contextmanager
def imports() -> Iterator[None]:
    """Have what is imported meanwhile believe that these are not installed."""
    with _hidden(_UNUSED), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*chardet", module="requests")
        yield


@contextmanager
def imports_of_http_client() -> Iterator[None]:
    """Have http.client imported without TLS, for its importer alone.

    Whoever imports it afterwards gets one of his own, with all that it has.
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
def imports_of_paho() -> Iterator[None]:
    """Have what is imported meanwhile take empty modules for what paho does not use here."""
    empty = [name for name in _EMPTY if name not in sys.modules]
    stand_ins = {name: ModuleType(name) for name in empty}
    if stand_in := stand_ins.get("ssl"):
        vars(stand_in).update({name: type(name, (OSError,), {}) for name in _NAMES_OF_SSL})
    with _for_a_while(stand_ins):
        yield


@contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Have imports of these fail, where they are not imported yet."""
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

"""Keeps out of memory what libraries import wherever it is installed, and nobody here uses.

`paho` imports urllib.request, which takes 1 MB with what it imports, for a proxy of sockets that it
makes itself, and hashlib, 0.7 MB, for websockets; its sockets are made by us.
`influxdb` imports pandas, with numpy 60 MB and a second at the start, for a class of its own.
`requests` 2.28 (Debian 12) imports chardet, 2 MB of tables, to guess the encoding of a text; where
it is not there, it does with a smaller library, of which it then says that it was not tried.
`urllib3` imports what unpacks answers that are packed in ways that no database uses, 1 MB.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_UNUSED = ("pandas", "chardet", "brotli", "brotlicffi", "zstandard", "simplejson")
_EMPTY = ("urllib.request", "hashlib")  # what paho cannot be imported without


@contextmanager
def imports() -> Iterator[None]:
    """Have what is imported meanwhile believe that these are not installed."""
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*chardet", module="requests")
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def imports_of_paho() -> Iterator[None]:
    """Have what is imported meanwhile take empty modules for what paho does not use here."""
    empty = [name for name in _EMPTY if name not in sys.modules]
    sys.modules.update({name: ModuleType(name) for name in empty})
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]

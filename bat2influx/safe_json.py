"""JSON that a peer or a file has written: read without ever raising.

`json.loads` raises three sorts of errors for bytes that somebody else has chosen; here they are one
answer. A value of a device, of which there are thousands a second, is decoded by venus/protocol.py.
"""

from __future__ import annotations

import json
from typing import Any


def parse(data: bytes | str) -> Any:
    """Return what `data` holds; None where that is no JSON, or nested too deep."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # UnicodeDecodeError is one of the former
        return None


def parse_object(data: bytes | str) -> dict[str, Any]:
    """Return the object that `data` holds; an empty one where it holds none."""
    found = parse(data)
    return found if isinstance(found, dict) else {}

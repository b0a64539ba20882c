"""Parses untrusted JSON, of a peer or a file, without raising.

`json.loads` raises three kinds of errors for untrusted bytes; here the result is None for all.
venus/protocol.py decodes the values of devices, thousands a second.
"""

from __future__ import annotations

import json
from typing import Any


def parse(data: bytes | str) -> Any:
    """Return the value in `data`; None if it is not JSON, or nested too deep."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None


def parse_object(data: bytes | str) -> dict[str, Any]:
    """Return the object in `data`; an empty one if there is none."""
    found = parse(data)
    return found if isinstance(found, dict) else {}

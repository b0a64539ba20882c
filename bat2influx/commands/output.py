"""What commands print: all of it passes here, so that no text of a stranger reaches a terminal raw.

Names from a device, a broker or a database are in many texts. What moves the cursor, turns the
direction of writing or is no character at all becomes a blank here, whatever was forgotten before.
"""

from __future__ import annotations

import sys
from typing import TextIO

from bat2influx.printable import clean


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Print a text of one or more lines, to stdout unless told."""
    out = sys.stdout if stream is None else stream
    print(fitted(text, out), file=out, flush=True)


def complain(text: str) -> None:
    """Print a text of one or more lines to stderr."""
    say(text, sys.stderr)


def fitted(text: str, stream: TextIO) -> str:
    """Return `text` clean, and with ? for what the stream's encoding does not have."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return clean(text).encode(encoding, "replace").decode(encoding)

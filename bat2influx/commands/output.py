"""Prints the output of commands, so that no untrusted text reaches a terminal unfiltered.

Many texts hold names from a device, a broker or a database. A character that moves the cursor or
changes the direction of writing, or that is not printable, becomes a space here.
"""

from __future__ import annotations

import sys
from typing import TextIO

from bat2influx.printable import clean


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Print a text of one or more lines, to stdout by default."""
    out = sys.stdout if stream is None else stream
    print(fitted(text, out), file=out, flush=True)


def complain(text: str) -> None:
    """Print a text of one or more lines to stderr."""
    say(text, sys.stderr)


def fitted(text: str, stream: TextIO) -> str:
    """Return `text` cleaned, with ? for characters that the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return clean(text).encode(encoding, "replace").decode(encoding)

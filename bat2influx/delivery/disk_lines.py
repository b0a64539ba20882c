"""The stored form of a row's lines: lines in, bytes out, and back. Pure.

    text      lines joined by newlines, as in format 1
    deflated  2, how many lines (2 bytes, big-endian), and a raw deflate stream (RFC 1951)

The deflated text has the timestamps, each as the difference to the previous one, and then the lines
without them, all joined by newlines. A line without a timestamp stays complete, and has an empty
difference. No line begins with the byte 2, which distinguishes the two forms.

Measured with the nine fields once a second (bytes a value, 37.8 as text; µs a value to deflate):

    lines in a row            9      90     900    1,800   3,600
    deflated as they are     17.4    9.1    8.2    8.1     8.0
    stamps apart, level 6    16.0    6.6    5.3    5.2     5.0     1.9
    filtered,     level 1    16.1    7.5    6.3    6.2     6.1     0.9
                  level 6    15.8    6.3    4.9    4.8     4.6     1.3
                  level 9    15.8    6.3    4.7    4.6     4.4     2.4

The strategy "filtered" is zlib's for numbers that change a little: it leaves out the shortest
repetitions, which cost more than the digits.

So the nine lines of a second alone gain little, and rows of seconds are merged later
(disk_merge.py). A preset dictionary would have to be stored in the file, for each configuration,
and gains less; a second is one page of the WAL in any case.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate

from bat2influx.delivery.disk_errors import DamagedError, LineError
from bat2influx.influx.lineprotocol import stamp_of

ROW_LINES = 1_800  # in a row at most; 200 s of nine values
ROW_TEXT = 128 * 1024  # bytes of text in a row of several lines, at most
MAX_UNPACKED = 2 * ROW_TEXT  # bytes of an unpacked row; timestamps may become longer later
_LEVEL = 6
_MARK = b"\x02"
_HEAD = 3  # bytes before the stream
_LONGEST_STEP = 21  # characters


def parts(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the lines in pieces, one for each row."""
    begin = size = 0
    for at, line in enumerate(lines):
        size += len(line) + 1
        if at > begin and (at - begin >= ROW_LINES or size > ROW_TEXT):
            yield lines[begin:at]
            begin, size = at, len(line) + 1
    if lines:
        yield lines[begin:]


def packed(lines: Sequence[bytes]) -> bytes:
    """Return the stored form of the lines of a row.

    Raises LineError for a line with a newline, and for lines without text.
    """
    text = b"\n".join(lines)
    if text.count(b"\n") != len(lines) - 1:
        raise LineError("a line contains a newline")
    if not text:
        raise LineError("a line is empty")
    if len(text) > MAX_UNPACKED - 2 * len(lines) or len(lines) > ROW_LINES:
        return text
    stream = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED
    )
    deflated = stream.compress(_split(lines)) + stream.flush()
    if len(deflated) + _HEAD >= len(text) and not text.startswith(_MARK):
        return text
    return _MARK + len(lines).to_bytes(2, "big") + deflated


def unpacked(stored: bytes) -> list[bytes]:
    """Return the lines of a stored form. Raises DamagedError.

    Whatever the bytes are, the memory is bounded by MAX_UNPACKED.
    """
    if not stored.startswith(_MARK):
        return stored.split(b"\n")
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        text = stream.decompress(stored[_HEAD:], MAX_UNPACKED)
    except zlib.error as error:
        raise DamagedError(f"a row cannot be unpacked: {error}") from error
    lines = count(stored)
    whole = stream.eof and not stream.unused_data
    if not whole or not 0 < lines <= ROW_LINES or text.count(b"\n") != 2 * lines - 1:
        raise DamagedError("a row cannot be unpacked: its length is wrong")
    pieces = text.split(b"\n")
    try:
        return _join(pieces[:lines], pieces[lines:])
    except ValueError as error:
        raise DamagedError("a row cannot be unpacked: a timestamp is not a number") from error


def count(stored: bytes) -> int:
    """Return the number of lines, which is right even if the deflated stream is damaged."""
    if stored.startswith(_MARK):
        return int.from_bytes(stored[1:_HEAD], "big")
    return stored.count(b"\n") + 1


def first_stamp(stored: bytes) -> int | None:
    """Return the timestamp of the first line in ns, if it has one, without unpacking the rest."""
    if not stored.startswith(_MARK):
        return stamp_of(stored.partition(b"\n")[0])
    try:
        text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored[_HEAD:], _LONGEST_STEP + 1)
    except zlib.error:
        return None
    return _stamp(text.partition(b"\n")[0])


def _split(lines: Sequence[bytes]) -> bytes:
    heads, steps, before = [], [], 0
    for line in lines:
        head, space, tail = line.rpartition(b" ")
        stamp = _stamp(tail) if space else None
        if stamp is None:
            heads.append(line)
            steps.append(b"")
        else:
            heads.append(head)
            steps.append(b"%d" % (stamp - before))
            before = stamp
    return b"\n".join(steps + heads)


def _join(steps: list[bytes], heads: list[bytes]) -> list[bytes]:
    if max(map(len, steps)) > _LONGEST_STEP:
        raise ValueError
    stamps = accumulate(int(step or b"0") for step in steps)
    return [
        b"%b %d" % (head, stamp) if step else head
        for head, step, stamp in zip(heads, steps, stamps, strict=True)
    ]


def _stamp(tail: bytes) -> int | None:
    """Return the number in `tail`, if it is one in its canonical form; otherwise None."""
    if len(tail) > 19 or not tail.removeprefix(b"-").isdigit():
        return None
    stamp = int(tail)
    return stamp if b"%d" % stamp == tail else None

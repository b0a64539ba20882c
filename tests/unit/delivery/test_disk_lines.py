"""The stored form of lines: they come back unchanged, and any bytes are harmless."""

from __future__ import annotations

import tracemalloc
import zlib
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.delivery import disk_lines
from bat2influx.delivery.disk_errors import DamagedError, LineError
from bat2influx.delivery.disk_lines import (
    MAX_UNPACKED,
    ROW_LINES,
    ROW_TEXT,
    count,
    first_stamp,
    packed,
    parts,
    unpacked,
)
from bat2influx.influx.lineprotocol import Encoder, stamp_of
from bat2influx.reading import Origin, Reading
from tests.support import house
from tests.support.spool_rows import padding

START = 1_700_000_000  # s since 1970


def nine_values(seconds: int) -> list[bytes]:
    """Return the lines of the nine fields, each once a second."""
    encoder = Encoder("battery")
    rounds = house.rounds(START, seconds, interval=1.0, soc_interval=1.0)
    return [
        encoder.encode(Reading(each.arrival_ns, "", each.field, each.value, Origin()))
        for each in chain.from_iterable(answers for _, answers in rounds)
    ]


def stored(text: bytes, lines: int) -> bytes:
    """Return the stored form of any text."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"\x02" + lines.to_bytes(2, "big") + stream.compress(text) + stream.flush()


LINE = st.one_of(
    st.binary(max_size=40).filter(lambda line: b"\n" not in line),
    st.builds(lambda head, stamp: b"%b %d" % (head, stamp), st.just(b"dc V=1.5"), st.integers()),
    st.builds(lambda stamp: b"dc,site=a V=52.25 %d" % stamp, st.integers(10**18, 2 * 10**18)),
)


@given(st.lists(LINE, min_size=1, max_size=30))
def test_lines_come_back_unchanged(lines: list[bytes]) -> None:
    """Whatever they begin and end with; their number is visible without unpacking."""
    if lines == [b""]:
        return
    made = packed(lines)
    assert unpacked(made) == lines
    assert count(made) == len(lines)
    assert first_stamp(made) in {stamp_of(lines[0]), None}
    assert len(made) <= len(b"\n".join(lines)) or lines[0].startswith(b"\x02")


@pytest.mark.parametrize(
    "tail", [b"007", b"-0", b"+5", b"1_0", b"", b"99999999999999999999", b" ", "٣".encode()]
)
def test_text_that_only_resembles_a_timestamp_stays_in_the_line(tail: bytes) -> None:
    """Otherwise it would come back changed."""
    lines = [b"dc V=1 5", b"dc V=2 %b" % tail, *[b"dc V=3 6"] * 20]
    assert packed(lines).startswith(b"\x02")
    assert unpacked(packed(lines)) == lines


def test_the_nine_fields_take_five_bytes_a_value() -> None:
    """With 200 seconds in a row; as text they take 38."""
    lines = nine_values(200)
    assert len(lines) == ROW_LINES
    assert len(b"\n".join(lines)) / ROW_LINES > 37
    assert len(packed(lines)) / ROW_LINES < 5.0
    assert first_stamp(packed(lines)) == stamp_of(lines[0])


def test_lines_that_do_not_get_shorter_are_stored_as_text() -> None:
    """As in format 1; unless the text begins like the deflated form."""
    assert packed([b"a 1"]) == b"a 1"
    assert (unpacked(b"a 1\nb 2"), count(b"a 1\nb 2"), first_stamp(b"a 1\nb 2")) == (
        [b"a 1", b"b 2"],
        2,
        1,
    )
    assert packed([b"\x02"]) != b"\x02"
    assert unpacked(packed([b"\x02"])) == [b"\x02"]


@pytest.mark.parametrize("lines", [[b"a\nb"], [b"a", b"b\n"], [b"a", b"\n", b"c"], [b""]])
def test_invalid_lines_are_not_stored(lines: list[bytes]) -> None:
    """This is an error of the caller."""
    with pytest.raises(LineError):
        packed(lines)


def test_rows_are_cut_by_lines_and_by_text() -> None:
    """A longer line is a separate row, as text."""
    assert [len(part) for part in parts([b"x"] * (2 * ROW_LINES + 1))] == [ROW_LINES, ROW_LINES, 1]
    long = b"y" * (ROW_TEXT // 3)
    assert [len(part) for part in parts([long] * 7)] == [2, 2, 2, 1]
    longest = b"z" * (3 * ROW_TEXT)
    assert [len(part) for part in parts([long, longest, long, b"x"])] == [1, 1, 2]
    assert packed([longest]) == longest
    assert [*parts([])] == []


def test_a_row_that_would_unpack_to_very_much_is_damage() -> None:
    """A kilobyte of deflated zeros is a megabyte: only a bounded part is unpacked."""
    bomb = stored(bytes(30_000_000), 1)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match="its length is wrong"):
            unpacked(bomb)
        assert first_stamp(bomb) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_UNPACKED
    with pytest.raises(DamagedError):
        unpacked(stored(b"\n" * (MAX_UNPACKED - 10), 1))
    with pytest.raises(DamagedError):
        unpacked(stored(b"\n" * (2 * ROW_LINES + 1), ROW_LINES + 1))
    assert len(unpacked(stored(b"\n" * (2 * ROW_LINES - 1), ROW_LINES))) == ROW_LINES


@pytest.mark.parametrize(
    "made",
    [
        b"\x02",
        b"\x02\0",
        b"\x02\0\1",
        b"\x02\0\1garbage",
        stored(b"1\na", 1)[:-1],
        stored(b"1\na", 1) + b"x",
        stored(b"1\na", 0),
        stored(b"1\na", 2),
        stored(b"1\na\n", 1),
        stored(b"", 1),
        stored(b"x\na", 1),
        stored(b"1" * 22 + b"\na", 1),
    ],
)
def test_bytes_that_were_never_written_are_damage(made: bytes) -> None:
    """With this error only, even if the checksum is right."""
    with pytest.raises(DamagedError, match="cannot be unpacked"):
        unpacked(made)
    assert first_stamp(made) in {None, 1}
    assert 0 <= count(made) <= 65_535


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(noise: bytes) -> None:
    """Such as a damaged row whose checksum is right by chance."""
    for made in (noise, b"\x02" + noise, stored(noise, 3)):
        try:
            lines = unpacked(made)
        except DamagedError:
            continue
        finally:
            first_stamp(made)
        assert count(made) == len(lines)


def test_a_timestamp_is_read_without_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is read at each change of the file."""
    made = packed(nine_values(100))
    monkeypatch.setattr(disk_lines, "unpacked", None)
    assert first_stamp(made) == first_stamp(made[:100])
    assert first_stamp(packed([b"no stamp", *[b"a 5"] * 9])) is None
    assert first_stamp(packed([b"%b 7" % padding(1, 50), b"b"])) == 7

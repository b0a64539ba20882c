"""Fuzzes `venus.decode` with payloads: it must not raise, return wrong values, leak or stall.

    /usr/bin/python3 -m tests.tools.fuzz [--payloads 2000000] [--seed N] [--seconds S]

Prints one line, or the payload that shows a fault, and then exits 1. The same seed makes the same
payloads in the same order. A run only keeps counters, so that growth of memory is decode's.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import random
import re
import resource
import statistics
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path

from bat2influx.influx.lineprotocol import Encoder
from bat2influx.reading import Reading
from bat2influx.venus import protocol
from bat2influx.venus.protocol import MAX_PAYLOAD, NoValue
from tests.standins.venus.payloads import NO_FLOAT, payloads

Decode = Callable[[bytes], float | NoValue]

WARM_UP = 20_000  # payloads before growth is measured, or a fifth of all if these are fewer
MOST_BLOCKS = 1_000  # of Python's allocator; a thousandth of a block a payload would be 2,000
MAX_BYTES = 8 << 20  # of resident memory; the C library's heap fragments a little
SLOWEST = 50_000  # times the median; the largest payloads that are read take some 2,000
KEPT_TIMES = 1 << 16
# A document of this many brackets may be too deep: the limit depends on Python and on
# the depth of calls.
MAYBE_DEEP = 300
STAMP = 1_700_000_000_123_456_789
LINE = re.compile(
    rb"dc Voltage=(?!-0\.0 )(-?(?:0|[1-9][0-9]*)\.[0-9]{1,4}|-?[1-9](?:\.[0-9]+)?e\+[0-9]+) %d"
    % STAMP
)
PLAIN = re.compile(rb'\{"value":(-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)\}')
ENCODER = Encoder("dc")


class FaultError(AssertionError):
    """A fault; the text has the payload, and the seed and index to make it again."""


class _Number(str):
    """A number as it is written in a payload."""

    __slots__ = ()


def _whole(digits: str) -> _Number:
    if 0 < sys.get_int_max_str_digits() < len(digits.lstrip("-")):
        raise ValueError("Python makes no int of so many digits")
    return _Number(digits)


_JSON = json.JSONDecoder(
    parse_int=_whole, parse_float=_Number, parse_constant=lambda _: NoValue.NOT_FINITE
)


def expected(payload: bytes) -> Decimal | NoValue:
    """Return the expected result for a payload: its exact number, or why it has none."""
    if not payload:
        return NoValue.ZERO_BYTES
    if len(payload) > MAX_PAYLOAD:
        return NoValue.TOO_LONG
    try:
        if plain := PLAIN.fullmatch(payload):  # without json
            number, fraction, exponent = plain.groups()
            whole = fraction is None and exponent is None
            return _exact(_whole(number.decode()) if whole else number.decode())
        message = _JSON.decode(str(payload, "utf-8"))
    except RecursionError:
        return NoValue.TOO_DEEP
    except ValueError:
        return NoValue.NOT_JSON
    if not isinstance(message, dict):
        return NoValue.NOT_AN_OBJECT
    return _of(message["value"]) if "value" in message else NoValue.NO_VALUE_KEY


def _of(value: object) -> Decimal | NoValue:
    match value:
        case None:
            return NoValue.NULL
        case NoValue():
            return value
        case _Number():
            return _exact(value)
        case str():
            return NoValue.TEXT
        case True | False:
            return NoValue.BOOLEAN
        case list() if not value:
            return NoValue.EMPTY_LIST
    return NoValue.OTHER_TYPE


def _exact(number: str) -> Decimal | NoValue:
    mantissa, _, exponent = number.lower().partition("e")
    sign = "-" if exponent[:1] == "-" else "+"
    # An exponent of nine digits is out of range for every mantissa here.
    exact = Decimal(f"{mantissa}e{sign}{exponent.lstrip('+-0')[:9] or '0'}")
    return exact if exact.copy_abs() < NO_FLOAT else NoValue.NOT_FINITE


def wrong(payload: bytes, got: object) -> str | None:
    """Return the fault of decode's result for a payload, if any."""
    want = expected(payload)
    if NoValue.TOO_DEEP in (got, want) and sum(map(payload.count, (b"[", b"{"))) > MAYBE_DEEP:
        return None
    if type(got) is not float or isinstance(want, NoValue):
        return None if got is want else f"gives {got!r} and not {want!r}"
    line = ENCODER.encode(Reading(STAMP, "", "Voltage", got))
    written = LINE.fullmatch(line)
    if written is None or float(written[1]) != got:
        return f"gives {got!r}, of which the line is {line!r}"
    found = Decimal(written[1].decode())
    if abs(found - want) > Decimal("0.00005") + abs(found) * Decimal(2) ** -52:
        return f"gives {got!r}, which is not near"
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a run: the counts of each kind, growth, and the longest time.

    `blocks` of Python's allocator and `size`, bytes of resident memory, are the growth between the
    warm-up and the end; `slowest` is in multiples of the median, for `longest` bytes.
    """

    payloads: int
    seed: int
    seconds: float
    kinds: Counter[str]
    blocks: int
    size: int
    slowest: float
    longest: int

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.kinds.most_common())
        return (
            f"{self.payloads:,} payloads of seed {self.seed} in {self.seconds:.1f} s: {kinds};"
            f" growth {self.blocks:+,} blocks, {self.size:+,} bytes; the slowest took"
            f" {self.slowest:,.0f} times the median, for {self.longest:,} bytes"
        )


class Fuzzer:
    """Feeds payloads to `decode`, and counts them."""

    def __init__(self, decode: Decode, seed: int) -> None:
        self.decode = decode
        self.seed = seed
        self.kinds: Counter[str] = Counter()
        self.fed = 0
        self.times = array("q", bytes(8 * KEPT_TIMES))  # ns, the latest ones
        self.slowest = (0, b"")
        self._payloads = payloads(seed)

    def feed(self, count: int, until: float) -> None:
        """Feed `count` payloads, or as many as there is time for until `until` (monotonic).

        Raises FaultError.
        """
        for payload in islice(self._payloads, count):
            took, got = self._decode(payload)
            self.times[self.fed % KEPT_TIMES] = took
            if took > self.slowest[0]:
                self.slowest = took, payload
            if why := wrong(payload, got):
                raise self.fault(why, payload)
            self.kinds["value" if type(got) is float else got.value] += 1
            self.fed += 1
            if not self.fed & 0xFF and time.monotonic() > until:
                return

    def fault(self, why: str, payload: bytes) -> FaultError:
        """Return the error with all details."""
        return FaultError(f"payload {self.fed} of seed {self.seed}: decode {why}\n{payload!r}")

    def how_slow(self) -> tuple[float, int]:
        """Return the longest time in multiples of the median, and the size of that payload.

        A payload whose run was interrupted once is not slow. Raises FaultError for a slow one.
        """
        median = max(1, statistics.median(self.times[: self.fed]))
        took, payload = self.slowest
        if took > SLOWEST * median:
            took = min(self._decode(payload)[0] for _ in range(3))
        if took > SLOWEST * median:
            raise self.fault(f"takes {took / median:,.0f} times the median, at the worst", payload)
        return took / median, len(payload)

    def _decode(self, payload: bytes) -> tuple[int, float | NoValue]:
        began = time.process_time_ns()
        try:
            got = self.decode(payload)
        except Exception as error:  # it must raise none
            raise self.fault(f"raises {error!r}", payload) from error
        return time.process_time_ns() - began, got


def memory() -> tuple[int, int]:
    """Return the blocks of Python's allocator and the bytes of resident memory in use."""
    gc.collect()  # empties the free lists too
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return sys.getallocatedblocks(), pages * resource.getpagesize()


def run(
    count: int, seed: int, seconds: float = float("inf"), decode: Decode = protocol.decode
) -> Outcome:
    """Feed `count` payloads to `decode`, or as many as there is time for. Raises FaultError."""
    fuzzer = Fuzzer(decode, seed)
    began = time.monotonic()
    warm_up = min(WARM_UP, count // 5)
    fuzzer.feed(warm_up, began + seconds / 2)
    blocks, size = memory()
    fuzzer.feed(count - warm_up, began + seconds)
    more_blocks, more_size = memory()
    blocks, size = more_blocks - blocks, more_size - size
    if blocks > MOST_BLOCKS or size > MAX_BYTES:
        raise FaultError(
            f"{fuzzer.fed} payloads of seed {seed}: decode grows by {blocks:,} blocks,"
            f" {size:,} bytes"
        )
    slowest, longest = fuzzer.how_slow()
    took = time.monotonic() - began
    return Outcome(fuzzer.fed, seed, took, fuzzer.kinds, blocks, size, slowest, longest)


def main(arguments: list[str], decode: Decode = protocol.decode) -> int:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.fuzz", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--payloads", type=int, help="how many; default without --seconds: 2,000,000"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time limit in seconds")
    given = parser.parse_args(arguments)
    many = 2_000_000 if given.seconds == float("inf") else sys.maxsize
    try:
        print(run(given.payloads or many, given.seed, given.seconds, decode))
    except FaultError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main(sys.argv[1:]))

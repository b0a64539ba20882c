"""Payloads that a faulty, unusual or hostile device could send; the same for the same seed.

Rules: each is made from the constants here and from payloads of a real device, independently of the
ones before. Most are short; one in some hundreds is as long as possible.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from bat2influx.venus.protocol import MAX_PAYLOAD

T = TypeVar("T")

TRANSCRIPT = Path(__file__).with_name("venus-transcript.jsonl")
REAL = sorted(
    {
        said["payload"].encode()
        for said in map(json.loads, TRANSCRIPT.read_text().splitlines())
        if said.get("from") == "device" and said["payload"]
    }
)
NO_FLOAT = 2**1024 - 2**970  # the least number beyond the largest float
EDGES = (
    *("0", "-0", "-0.0", "-1e-9", "0.00005", "0.00015", "-0.00005", "2.00025", "99999.99995"),
    *("1e16", "1e15", "123456789012345.12345", "9007199254740993", "5e-324", "2.5e-324", "1e-999"),
    *("1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309"),
    *(str(NO_FLOAT - 1), str(NO_FLOAT), str(2**1024), "1e99999999999999999999", "0e9999999999"),
    *("NaN", "Infinity", "-Infinity"),
)
NO_NUMBERS = (
    *("-NaN", "+Infinity", "nan", "inf", "1e", "1e+", "1.", ".5", "01", "-01", "+1", "--1", "-"),
    *("0x10", "1_000", "1,5", "1e5.5", "1 2", "٤٢", "４２", "1\0", "", "53.2 V"),
)
BITS = (1, 3, 7, 10, 10, 16, 32, 53, 64, 70, 200, 1000, 1030)
EXPONENTS = ("", "", "", "", "e0", "e-3", "E-5", "e5", "E+22", "e300", "e308", "e-320", "e-400")
SCALARS = (
    *("null", "[]", "{}", "true", "false", '""', '"12.5"', '"NaN"', '"null"', '" "', '"é"'),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\ud83d\ude00"', '"\\ud83d\\ude00"', '"line\\nbreak"'),
    *('"\\u0000"', '"dc Voltage=666 1"', "[[]]", "[null]", "[1]", '{"value":1}'),
)
NO_JSON = (
    *("None", "nul", "NULL", "True", "'1'", '"', '"\0"', '"\\x"', '"\\u12"', '"line\nbreak"'),
    *("\ufeff1", '"\ud800"', "[1,]", "[,1]", "{1:2}", '{"value"}', "/**/1", "1;"),
)
KEYS = ("value", "value", "value", "\\u0076alue", "Value", "value ", "max", "min", "", "\\ud800")
BLANKS = ("", "", "", "", "", " ", "\n", "\t\r")
CODECS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252")
NO_UTF_8 = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x00")
TEXTS = (*EDGES, *NO_NUMBERS, *SCALARS, *NO_JSON, " ", "\n", "\f", "\u00a0", "\ufeff")
PARTS = (*'{}[]:,"\\', '{"value":', '"value":')
TOKENS = (*(text.encode("utf-8", "surrogatepass") for text in TEXTS + PARTS), *NO_UTF_8)


def payloads(seed: int) -> Iterator[bytes]:
    """Yield payloads of all kinds."""
    rng = Random(seed)
    kinds: list[Callable[[Random], bytes]] = [mutated, number, number, document]
    while True:
        roll = rng.random()
        if roll < 0.9:
            yield one(rng, kinds)(rng)
        elif roll < 0.997:
            yield noise(rng)
        else:
            yield long(rng)


def one(rng: Random, choices: Sequence[T]) -> T:
    """Return one of `choices`, faster than Random.choice."""
    return choices[int(rng.random() * len(choices))]


def number(rng: Random) -> bytes:
    """Return a payload like a device's, with a number or a value that resembles one."""
    return b'{"value":%b}' % digits(rng).encode()


def digits(rng: Random) -> str:
    """Return a number as text."""
    if rng.random() < 0.3:
        return one(rng, EDGES if rng.random() < 0.8 else NO_NUMBERS)
    made = str(rng.getrandbits(one(rng, BITS)))
    if rng.random() < 0.6:
        made += f".{'0' * int(rng.random() * 5)}{rng.getrandbits(one(rng, BITS))}"
    return one(rng, ("", "-")) + made + one(rng, EXPONENTS)


def document(rng: Random) -> bytes:
    """Return a JSON object, or another JSON value; now and then in another encoding."""
    text = members(rng, 3) if rng.random() < 0.9 else anything(rng, 3)
    if rng.random() < 0.03:
        return text.encode(one(rng, CODECS), "replace")
    return text.encode("utf-8", "surrogatepass")


def anything(rng: Random, depth: int) -> str:
    """Return a JSON value of any type, or nearly valid JSON."""
    roll = rng.random()
    if depth == 0 or roll < 0.4:
        return digits(rng)
    if roll < 0.7:
        return one(rng, SCALARS if rng.random() < 0.9 else NO_JSON)
    if roll < 0.85:
        return f"[{','.join(anything(rng, depth - 1) for _ in range(int(rng.random() * 4)))}]"
    return members(rng, depth - 1)


def members(rng: Random, depth: int) -> str:
    """Return a JSON object; keys may repeat."""
    blank = one(rng, BLANKS)
    pairs = (
        f'{blank}"{one(rng, KEYS)}":{blank}{anything(rng, depth)}'
        for _ in range(int(rng.random() * 4))
    )
    return f"{blank}{{{','.join(pairs)}{blank}}}"


def noise(rng: Random) -> bytes:
    """Return random bytes, or random pieces of JSON."""
    if rng.random() < 0.5:
        return rng.randbytes(int(rng.random() * 60))
    return b"".join(one(rng, TOKENS) for _ in range(int(rng.random() * 12)))


def mutated(rng: Random) -> bytes:
    """Return a real device's payload with one to three faults."""
    made = bytearray(one(rng, REAL))
    for _ in range(1 + int(rng.random() ** 2 * 3)):
        one(rng, MUTATIONS)(rng, made, int(rng.random() * (len(made) + 1)))
    return bytes(made)


def flip(rng: Random, made: bytearray, at: int) -> None:
    """Flip a bit."""
    if at < len(made):
        made[at] ^= 1 << int(rng.random() * 8)


def replace(rng: Random, made: bytearray, at: int) -> None:
    """Replace a byte."""
    made[at : at + 1] = rng.randbytes(1)


def cut(rng: Random, made: bytearray, at: int) -> None:
    """Delete some bytes."""
    del made[at : at + 1 + int(rng.random() * 4)]


def end(_: Random, made: bytearray, at: int) -> None:
    """Cut off the end."""
    del made[at:]


def repeat(rng: Random, made: bytearray, at: int) -> None:
    """Repeat a part several times."""
    made[at:at] = made[at : at + 8] * int(rng.random() * 6)


def insert(rng: Random, made: bytearray, at: int) -> None:
    """Insert a token with a meaning elsewhere."""
    made[at:at] = one(rng, TOKENS)


def splice(rng: Random, made: bytearray, at: int) -> None:
    """Replace the end by that of another payload."""
    other = one(rng, REAL)
    made[at:] = other[int(rng.random() * len(other)) :]


def wrap(rng: Random, made: bytearray, _: int) -> None:
    """Nest it in lists or objects."""
    many = 1 + int(rng.random() * 5)
    before, after = one(rng, ((b"[", b"]"), (b'{"value":', b"}")))
    made[:] = before * many + made + after * many


MUTATIONS = (flip, replace, cut, end, repeat, insert, splice, wrap)


def long(rng: Random) -> bytes:
    """Return a payload that is long, or deep, or both, and not always well-formed."""
    size = int(one(rng, (10, 400, 1_000, 4_400, MAX_PAYLOAD)) * (0.8 + 0.4 * rng.random()))
    body = one(rng, LONG)(rng, size)
    roll = rng.random()
    if roll < 0.6:
        return b'{"value":%b}' % body
    if roll < 0.75:
        return b'{"more":%b,"value":%b}' % (body, digits(rng).encode())
    return body if roll < 0.9 else body[: MAX_PAYLOAD + 2 - int(rng.random() * 5)]


LONG: tuple[Callable[[Random, int], bytes], ...] = (
    lambda rng, size: b"[" * (size // 2) + b"]" * int(size // 2 * one(rng, (0, 0.5, 1, 1, 1.1))),
    lambda rng, size: b'{"value":' * (size // 10) + b"1" + b"}" * (size // 10),
    lambda rng, size: b"%d" % int(one(rng, "19")) * size,
    lambda rng, size: b"9" * (4_295 + int(rng.random() * 10)),
    lambda rng, size: b"0." + b"%d" % rng.getrandbits(60) * (size // 18),
    lambda rng, size: b"9" * size + b"e-%d" % (size - int(rng.random() * 400)),
    lambda rng, size: b"1e" + b"0" * size + b"5",
    lambda rng, size: (
        b'"%b"' % (one(rng, (b"x", b"\\u0041", b"\\ud83d", b"\xc3\xa9")) * (size // 6))
    ),
    lambda rng, size: b"[%b[]]" % (b"[]," * (size // 3)),
    lambda rng, size: b"[%b1]" % (one(rng, REAL) + b",") * (size // 40),
    lambda rng, size: b"[%b0]" % ((b"9" * 4_300 + b",") * (size // 4_301)),
    lambda rng, size: b"{%b}" % b",".join(b'"%d":0' % key for key in range(size // 8)),
    lambda rng, size: b'{%b"value":1}' % (b'"value":1,' * (size // 10)),
    lambda rng, size: b" " * size + one(rng, REAL),
    lambda rng, size: rng.randbytes(size),
    lambda rng, size: b"\\" * size,
)

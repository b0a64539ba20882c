"""The fuzzer for a few seconds, its findings in a faulty decode, and the path to the line."""

from __future__ import annotations

import ast
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from itertools import groupby, islice, pairwise
from pathlib import Path

import pytest

from bat2influx.device import standstill
from bat2influx.device.device import Device
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.venus.protocol import MAX_PAYLOAD, NoValue, decode
from tests.standins.network import mqtt_peers
from tests.standins.venus.payloads import payloads
from tests.support.stepped import stepped, steps
from tests.tools import fuzz

OF_DECODE = {*NoValue} - {
    NoValue.RETAINED,
    NoValue.OTHER_TOPIC,
    NoValue.NO_TICK,
    NoValue.REPUBLISHED,
    NoValue.REPEATED,
}
TOPIC = f"N/{mqtt_peers.PORTAL_ID}/vebus/275/Dc/0/Voltage"
LAST = 424242.25


def test_no_payload_of_very_many_does_harm() -> None:
    """None raises or gives a wrong value, and no memory grows; all kinds occur."""
    outcome = fuzz.run(50_000, seed=1)
    assert outcome.payloads == 50_000
    assert outcome.kinds.keys() == {"value", *(kind.value for kind in OF_DECODE)}
    assert outcome.kinds["value"] > 10_000


def test_the_same_seed_makes_the_same_payloads() -> None:
    """A finding can be reproduced, and another seed makes other payloads."""
    first, again, other = (list(islice(payloads(seed), 2_000)) for seed in (7, 7, 8))
    assert first == again != other


def as_a_whole(payload: bytes) -> float | NoValue:
    """Keep whole numbers as integers."""
    value = decode(payload)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def unrounded(payload: bytes) -> float | NoValue:
    """Keep the rounding error of a float32 in the value."""
    value = decode(payload)
    return value if isinstance(value, NoValue) else float(json.loads(payload)["value"])


def minus_zero(payload: bytes) -> float | NoValue:
    """Let -0.0 pass."""
    value = decode(payload)
    return -0.0 if value == 0.0 else value


def numbers_in_text(payload: bytes) -> float | NoValue:
    """Interpret text as a number."""
    value = decode(payload)
    return round(float(json.loads(payload)["value"]), 4) if value is NoValue.TEXT else value


def any_encoding(payload: bytes) -> float | NoValue:
    """Let json detect the encoding: UTF-16, and UTF-8 with a byte order mark."""
    if decode(payload) is not NoValue.NOT_JSON:
        return decode(payload)
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return NoValue.NOT_JSON
    return NoValue.OTHER_TYPE


def without_a_look(payload: bytes) -> float | NoValue:
    """Search the value in any JSON."""
    json.loads(payload)["value"]
    return decode(payload)


def far_off(payload: bytes) -> float | NoValue:
    """Return a slightly wrong value."""
    value = decode(payload)
    return value if isinstance(value, NoValue) else round(value + 0.0002, 4)


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (as_a_whole, r"gives -?\d+ and not Decimal"),
        (unrounded, r"gives \S+, of which the line is"),
        (minus_zero, "gives -0.0, of which the line is"),
        (numbers_in_text, r"raises ValueError|gives \S+ and not <NoValue.TEXT"),
        (any_encoding, "gives <NoValue.OTHER_TYPE: .* and not <NoValue.NOT_JSON"),
        (without_a_look, "raises "),
        (far_off, r"gives \S+, which is not near"),
    ],
)
def test_a_fault_is_reported_with_its_payload(
    broken: fuzz.Decode, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits 1, with index and seed, and the payload in Python's notation."""
    assert fuzz.main(["--payloads", "20000", "--seed", "3"], broken) == 1
    head, payload, *rest = capsys.readouterr().out.splitlines()
    assert not rest
    told = re.fullmatch(f"payload ([0-9]+) of seed 3: decode (?:{fault}).*", head)
    assert told, head
    index = int(told[1])
    assert list(islice(payloads(3), index, index + 1)) == [ast.literal_eval(payload)]


def test_growth_is_reported() -> None:
    """A decode that leaks a little memory per payload is detected."""
    kept: list[float] = []

    def keeping(payload: bytes) -> float | NoValue:
        kept.append(len(payload) + 0.5)
        return decode(payload)

    with pytest.raises(fuzz.FaultError, match="grows by"):
        fuzz.run(5_000, 3, decode=keeping)


def test_a_payload_that_takes_far_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it always does: one whose run was interrupted once is not reported."""
    monkeypatch.setattr(fuzz, "SLOWEST", 5_000)

    def stalling(times: int) -> Callable[[bytes], float | NoValue]:
        left = iter(range(times))

        def slow(payload: bytes) -> float | NoValue:
            if len(payload) > MAX_PAYLOAD // 2 and next(left, None) is not None:
                until = time.process_time() + 0.1
                while time.process_time() < until:
                    pass
            return decode(payload)

        return slow

    assert fuzz.run(2_500, 3, decode=stalling(1)).slowest < 5_000
    with pytest.raises(fuzz.FaultError, match="times the median"):
        fuzz.run(2_500, 3, decode=stalling(1_000))


def test_a_run_without_fault_prints_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the number of payloads, seed and kinds; the run ends at its time limit."""
    assert fuzz.main(["--seconds", "0.2", "--seed", "5"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"[0-9,]+ payloads of seed 5 in .*, not JSON [0-9,]+, .*; growth .*", line)


def without_repetition(values: list[float]) -> list[float]:
    """Remove repeated neighbours."""
    return [value for value, _ in groupby(values)]


def through_a_device(said: list[bytes], directory: Path) -> tuple[Device, list[bytes]]:
    """Make a device publish all that on the voltage's topic; return the resulting lines."""
    end = b'{"value":%r}' % LAST
    encoder, lines = Encoder("dc"), []
    with (
        mqtt_peers.Device() as peer,
        stepped(peer.port, directory, soc_interval=3600.0, mode="notify") as device,
    ):
        peer.send(b"".join(mqtt_peers.publish(TOPIC, payload) for payload in [*said, end]))
        for _ in steps(device, lambda: device.latest.get("Voltage") == LAST):
            lines += [encoder.encode(reading) for reading in device.pop_readings()]
    return device, lines


def test_each_fuzzed_message_becomes_a_line_or_a_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By socket, paho and device: a line for each value, in order; a count for all others.

    Except for a value that is repeated at once. That this machine stands still for seconds in the
    middle is not tested here: the messages of that time would be old ones.
    """
    monkeypatch.setattr(standstill, "PAUSE", math.inf)
    said = list(islice(payloads(11), 10_000))
    device, lines = through_a_device(said, tmp_path)
    decoded = [decode(payload) for payload in said]
    values = [value for value in decoded if not isinstance(value, NoValue)]
    pairs = [line.split(b" ") for line in lines if line.startswith(b"dc Voltage=")]
    stored = [float(pair[1].removeprefix(b"Voltage=")) for pair in pairs]
    assert without_repetition(stored) == without_repetition([*values, LAST])
    stamps = [int(pair[2]) for pair in pairs]
    assert all(before != after for before, after in pairwise(stamps))
    counted = {reason: device.no_values[reason] for reason in OF_DECODE}
    reasons = Counter(value for value in decoded if isinstance(value, NoValue))
    assert counted == {reason: reasons[reason] for reason in OF_DECODE}

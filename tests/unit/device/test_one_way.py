"""When values that arrive without answers are the fault of a bridge (W = 120 s)."""

from __future__ import annotations

import pytest

from bat2influx.device.one_way import Heard, one_way

W = 120.0  # s; an eighth of it is 15 s


@pytest.mark.parametrize(
    ("heard", "now", "is_so"),
    [
        (Heard(None, 100.0, None), 200.0, False),
        (Heard(100.0, 114.0, None), 114.9, False),
        (Heard(100.0, 114.0, None), 115.0, True),
        (Heard(100.0, None, None), 115.0, False),
        (Heard(100.0, 114.0, 90.0), 115.0, True),
        (Heard(100.0, 114.0, 100.0), 115.0, False),
        (Heard(100.0, 114.0, 110.0), 200.0, False),
        (Heard(100.0, 101.0, None), 115.9, True),
        (Heard(100.0, 101.0, None), 116.0, False),
    ],
)
def test_values_arrive_and_no_read_is_answered(heard: Heard, now: float, is_so: bool) -> None:
    """For an eighth of W: not before, not after an answer, and not of a device that is silent."""
    assert one_way(heard, now, W) is is_so

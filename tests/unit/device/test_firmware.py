"""Which keepalive a device's firmware understands, cell by cell."""

from __future__ import annotations

import pytest

from bat2influx.device.firmware import OLD, TRANSITIONS, Firmware, Sign

F, S = Firmware, Sign
CELLS = [
    (F.UNKNOWN, S.UNANSWERED, F.OLD_TRIED),
    (F.UNKNOWN, S.ANSWERED, F.UNKNOWN),
    (F.UNKNOWN, S.ENDED, F.NEW),
    (F.OLD_TRIED, S.UNANSWERED, F.NEW_TRIED),
    (F.OLD_TRIED, S.ANSWERED, F.OLD),
    (F.OLD_TRIED, S.ENDED, F.NEW),
    (F.OLD, S.UNANSWERED, F.OLD),
    (F.OLD, S.ANSWERED, F.OLD),
    (F.OLD, S.ENDED, F.NEW),
    (F.NEW_TRIED, S.UNANSWERED, F.OLD_TRIED),
    (F.NEW_TRIED, S.ANSWERED, F.NEW_TRIED),
    (F.NEW_TRIED, S.ENDED, F.NEW),
    (F.NEW, S.UNANSWERED, F.OLD_TRIED),
    (F.NEW, S.ANSWERED, F.NEW),
    (F.NEW, S.ENDED, F.NEW),
]


@pytest.mark.parametrize(("state", "sign", "after"), CELLS)
def test_a_cell_of_the_table(state: Firmware, sign: Sign, after: Firmware) -> None:
    """Only an answer to the old keepalive proves old firmware, and only an end disproves it."""
    assert TRANSITIONS.get((state, sign), state) is after


def test_every_cell_is_held_here() -> None:
    """Including those in which nothing changes."""
    assert {(state, sign) for state, sign, _ in CELLS} == {(f, s) for f in F for s in S}


def test_the_old_keepalive_is_used_where_it_is_tried_or_proven() -> None:
    """And in no other state."""
    assert {*OLD} == {F.OLD_TRIED, F.OLD}

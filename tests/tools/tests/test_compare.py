"""Which answers count as missing beside what is stored."""

from __future__ import annotations

import pytest

from tests.support.compare import missing_values

DELAY = 0.012  # s from an answer to its stamp


def missing(
    answers: dict[float, float], notified: dict[float, float], *stored: float, interval: float = 0.5
) -> list[float]:
    """Return the missing ones of the answers, which are values by time (s), like `notified`."""
    times = {value: when for when, value in [*answers.items(), *notified.items()]}
    rows = [(round((times[value] + DELAY) * 1e9), value) for value in stored]
    unasked = [*notified.items()]
    found = missing_values([*answers.items()], rows, interval=interval, unasked=unasked)
    return [value for _, value in found]


REGULAR = {1000.0 + 0.5 * number: float(number) for number in range(9)}


def test_each_answer_is_stored() -> None:
    """Then none is missing; without one, that one is."""
    assert missing(REGULAR, {}, *REGULAR.values()) == []
    assert missing(REGULAR, {}, *(each for each in REGULAR.values() if each != 4.0)) == [4.0]


def test_a_notification_takes_the_place_of_a_late_answer() -> None:
    """Of the next one, whose tick it is in; but not of a second one."""
    assert missing(REGULAR, {1001.9: 50.0}, 0, 1, 2, 3, 50, 5, 6, 7, 8) == []
    assert missing(REGULAR, {1001.0: 50.0}, 0, 1, 2, 50, 6, 7, 8) == [4.0, 5.0]


# Measured on a machine that took a second from a request to its answer. The stand-in got request
# after request too late, and each answer counted as that to the next request.
LATE = {-0.303: 2.25, 0.0: 3.25, 0.352: 4.25, 1.011: 6.25, 1.229: 7.25}
CHANGED = {-0.588: 1.25, 0.512: 5.25}


def test_late_answers_count_as_the_next_ones() -> None:
    """The notification at the beginning is stored in addition, and so the last answer is not."""
    shifted = {1000 + when: value for when, value in LATE.items()}
    notified = {1000 + when: value for when, value in CHANGED.items()}
    stored = (1.25, 2.25, 4.25, 5.25, 6.25, 7.25)
    assert missing(shifted, notified, *stored, interval=0.36) == []


@pytest.mark.parametrize("lost", [2.25, 1.25])
def test_a_value_that_is_lost_besides_is_missing(lost: float) -> None:
    """Then fewer values are stored than were asked for."""
    shifted = {1000 + when: value for when, value in LATE.items()}
    notified = {1000 + when: value for when, value in CHANGED.items()}
    stored = [each for each in (1.25, 2.25, 4.25, 5.25, 6.25, 7.25) if each != lost]
    assert 3.25 in missing(shifted, notified, *stored, interval=0.36)

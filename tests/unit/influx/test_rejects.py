"""Known causes of rejection: learned, compared, sorted, and forgotten."""

from __future__ import annotations

import pytest

from bat2influx.influx.answers import Answer, Kind, Meaning
from bat2influx.influx.rejects import MAX_KNOWN, KnownRejects
from tests.support.writing import START, lines


def bad(reason: str, kind: Kind) -> Answer:
    """Return an answer that says that a row is bad."""
    return Answer(Meaning.BAD_ROW, reason, kind=kind)


CONFLICT = "partial write: field type conflict: Power is an integer dropped=1"
TYPE = bad(CONFLICT, Kind.TYPE)
SERIES = bad("partial write: max-series-per-database limit exceeded dropped=1", Kind.SERIES)
BEYOND = "partial write: points beyond retention policy dropped=1"
AGE = bad(BEYOND, Kind.AGE)
PARSE = bad("partial write: unable to parse 'x': missing field value dropped=0", Kind.ROW)
COLUMN = bad("parsing failed: invalid column type for column 'Power'", Kind.TYPE)
REFUSED = Answer(Meaning.UNCERTAIN, "partial write: some newer reason dropped=1")
SOC, POWER = lines("Soc", 3), lines("Power", 3)
ALL = [*SOC, *POWER]
NO_STAMP = b"dc Soc=1.5"


def knowing(*reasons: Answer, part: list[bytes] = POWER[:1]) -> KnownRejects:
    """Return a KnownRejects that has learned that `part` is rejected for each of the reasons."""
    known = KnownRejects()
    for reason in reasons:
        known.learn(part, reason)
    return known


def test_without_a_known_cause_all_is_sent_together() -> None:
    """And nothing if there is nothing to send."""
    assert KnownRejects().sort(ALL) == [ALL]
    assert KnownRejects().sort([]) == []


# What is learned


@pytest.mark.parametrize("reason", [TYPE, SERIES, COLUMN, REFUSED])
def test_a_field_is_learned_from_one_row(reason: Answer) -> None:
    """It is sent separately, after the good rows; the last part is sent first."""
    known = KnownRejects()
    assert known.learn(POWER[:1], reason)
    assert known.sort(ALL) == [POWER, SOC]
    assert known.sort(SOC) == [SOC]
    assert known.sort(POWER) == [POWER]


def test_a_bad_single_row_teaches_nothing() -> None:
    """The next row of that field may be good."""
    known = KnownRejects()
    assert not known.learn(POWER[:1], PARSE)
    assert known.sort(ALL) == [ALL]


def test_an_age_is_learned_from_the_newest_row_beyond_it() -> None:
    """Rows as old or older are sent separately, whatever their field."""
    known = KnownRejects()
    assert known.learn(POWER[:2], AGE)
    old, new = [*SOC[:2], *POWER[:2]], [SOC[2], POWER[2]]
    assert known.sort(ALL) == [old, new]


def test_an_older_row_beyond_the_age_is_nothing_new() -> None:
    """The age only grows."""
    known = knowing(AGE, part=POWER[1:2])
    assert not known.learn(POWER[:1], AGE)
    assert known.learn(POWER[2:], AGE)
    assert known.sort(ALL) == [ALL]  # all of it is too old
    assert known.explains(ALL, AGE)


def test_a_known_cause_is_not_new_a_second_time() -> None:
    """So that the rest of a batch is not sorted again for each row."""
    known = knowing(TYPE)
    assert not known.learn(POWER[1:], TYPE)
    assert known.learn(SOC[:1], TYPE)


def test_each_cause_is_a_separate_part() -> None:
    """Two fields, and old rows of any field."""
    known = knowing(TYPE)
    known.learn(SOC[:1], SERIES)
    known.learn([b"dc Voltage=1.5 %d" % START], AGE)
    voltage = lines("Voltage", 2)
    parts = known.sort([*voltage, *ALL])
    assert parts[-1] == voltage[1:]
    assert sorted(map(sorted, parts[:-1])) == sorted(
        [sorted([voltage[0], SOC[0], POWER[0]]), SOC[1:], POWER[1:]]
    )


def test_the_tags_belong_to_the_field() -> None:
    """Another site may have another type."""
    other = [b"dc,site=a Power=1.5 %d" % START]
    assert knowing(TYPE).sort([*POWER, *other]) == [POWER, other]


def test_a_row_without_a_timestamp_is_never_too_old() -> None:
    """A damaged file may contain one."""
    known = knowing(AGE, part=POWER[2:])
    assert known.sort([*SOC, NO_STAMP]) == [SOC, [NO_STAMP]]


# What is explained


@pytest.mark.parametrize(
    ("part", "reason", "explained"),
    [
        (POWER, TYPE, True),
        (POWER, bad(CONFLICT.replace("=1", "=3"), Kind.TYPE), True),  # its count differs each time
        (POWER, SERIES, False),
        (POWER, PARSE, False),
        (SOC, TYPE, False),
        (ALL, TYPE, False),
        (POWER, AGE, False),
    ],
)
def test_a_field_explains_its_own_cause(part: list[bytes], reason: Answer, explained: bool) -> None:
    """The same reason, and rows of that field only."""
    assert knowing(TYPE).explains(part, reason) is explained


@pytest.mark.parametrize(
    ("part", "reason", "explained"),
    [
        (SOC[:2], AGE, True),
        ([*SOC[:2], *POWER[:2]], bad(BEYOND.replace("=1", "=4"), Kind.AGE), True),
        (SOC, AGE, False),
        ([NO_STAMP], AGE, False),
        (POWER[:1], TYPE, False),
    ],
)
def test_an_age_explains_rows_as_old(part: list[bytes], reason: Answer, explained: bool) -> None:
    """If all rows are, of whatever field."""
    assert knowing(AGE, part=POWER[:2]).explains(part, reason) is explained


# What is forgotten


def test_an_accepted_field_is_forgotten() -> None:
    """It is sent with the others again; other causes stay."""
    known = knowing(TYPE)
    known.learn(SOC[:1], SERIES)
    known.accepted(POWER[:1])
    assert known.sort(ALL) == [SOC, POWER]
    assert not known.explains(POWER, TYPE)
    assert known.explains(SOC, SERIES)


def test_an_age_is_forgotten_once_something_as_old_is_accepted() -> None:
    """Newer accepted rows prove nothing about it."""
    known = knowing(AGE, part=POWER[:2])
    known.accepted([POWER[2], NO_STAMP])
    assert known.explains(POWER[:2], AGE)
    known.accepted([POWER[2], SOC[1]])
    assert known.sort(ALL) == [ALL]
    assert not known.explains(POWER[:1], AGE)


def test_acceptance_without_a_known_cause_changes_nothing() -> None:
    """Nor does it for an age, if none is known."""
    known = knowing(TYPE)
    known.accepted(SOC)
    assert known.sort(ALL) == [POWER, SOC]
    fresh = KnownRejects()
    fresh.accepted(SOC)
    assert fresh.sort(ALL) == [ALL]


# Of which day


def test_the_type_of_a_field_is_that_of_a_day() -> None:
    """Another shard may have another type, and its rows are good."""
    other = lines("Power", 2, start=START + 7 * 86_400 * 10**9)
    known = knowing(TYPE)
    assert known.sort([*POWER, *other]) == [POWER, other]
    assert not known.explains([*POWER, *other], TYPE)


def test_known_causes_are_bounded() -> None:
    """The oldest is forgotten, and would be determined again by halving."""
    known = KnownRejects()
    for day in range(MAX_KNOWN + 1):
        known.learn([b"dc Soc=1.5 %d" % (day * 86_400 * 10**9)], TYPE)
    assert not known.explains([b"dc Soc=1.5 0"], TYPE)
    assert known.explains([b"dc Soc=1.5 %d" % (86_400 * 10**9)], TYPE)

"""What rows are known to be refused: learned, explained, sorted out, and forgotten again."""

from __future__ import annotations

import pytest

from bat2influx.influx.rejects import KnownRejects, advice, cause_of
from tests.support.writing import START, lines

TYPE = "partial write: field type conflict: Power is an integer dropped=1"
SERIES = "partial write: max-series-per-database limit exceeded dropped=1"
AGE = "partial write: points beyond retention policy dropped=1"
PARSE = "partial write: unable to parse 'x': missing field value dropped=0"
THREE = "partial write of line protocol occurred: "
COLUMN = THREE + "invalid column type for column 'Power'"
COLUMN_OF_3_6 = "parsing failed for write_lp endpoint: invalid column type for column 'Power'"
SOC, POWER = lines("Soc", 3), lines("Power", 3)
ALL = [*SOC, *POWER]
NO_STAMP = b"dc Soc=1.5"


def knowing(*reasons: str, part: list[bytes] = POWER[:1]) -> KnownRejects:
    """Return what has learned that `part` is refused for each of the reasons."""
    known = KnownRejects()
    for reason in reasons:
        known.learn(part, reason)
    return known


def test_as_long_as_nothing_is_known_all_is_sent_together() -> None:
    """And nothing where there is nothing to send."""
    assert KnownRejects().sort(ALL) == [ALL]
    assert KnownRejects().sort([]) == []


# What is learned


@pytest.mark.parametrize("reason", [TYPE, SERIES, COLUMN, COLUMN_OF_3_6])
def test_a_field_is_learned_from_one_row(reason: str) -> None:
    """It is sent by itself, after what is sound; the last of the parts is sent first."""
    known = KnownRejects()
    assert known.learn(POWER[:1], reason)
    assert known.sort(ALL) == [POWER, SOC]
    assert known.sort(SOC) == [SOC]
    assert known.sort(POWER) == [POWER]


@pytest.mark.parametrize("reason", [PARSE, THREE + "missing value", "out of memory", ""])
def test_what_is_wrong_with_one_row_is_nothing_to_learn(reason: str) -> None:
    """The next row of that field may be good."""
    known = KnownRejects()
    assert not known.learn(POWER[:1], reason)
    assert known.sort(ALL) == [ALL]


def test_an_age_is_learned_from_the_newest_row_beyond_it() -> None:
    """What is as old or older is sent by itself, whatever its field."""
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


def test_what_is_learned_twice_is_nothing_new_the_second_time() -> None:
    """So that the rest of a batch is not sorted anew for each row."""
    known = knowing(TYPE)
    assert not known.learn(POWER[1:], TYPE)
    assert known.learn(SOC[:1], TYPE)


def test_each_kind_is_a_part_of_its_own() -> None:
    """Two fields, and what is too old whatever its field."""
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


def test_a_row_without_a_stamp_is_never_too_old() -> None:
    """A damaged file may hold one."""
    known = knowing(AGE, part=POWER[2:])
    assert known.sort([*SOC, NO_STAMP]) == [SOC, [NO_STAMP]]


# What is explained


@pytest.mark.parametrize(
    ("part", "reason", "explained"),
    [
        (POWER, TYPE, True),
        (POWER, TYPE.replace("=1", "=3"), True),  # its count differs each time
        (POWER, SERIES, False),
        (POWER, PARSE, False),
        (SOC, TYPE, False),
        (ALL, TYPE, False),
        (POWER, AGE, False),
    ],
)
def test_a_field_explains_what_it_was_learned_for(
    part: list[bytes], reason: str, explained: bool
) -> None:
    """The same reason, and rows of that field alone."""
    assert knowing(TYPE).explains(part, reason) is explained


@pytest.mark.parametrize(
    ("part", "reason", "explained"),
    [
        (SOC[:2], AGE, True),
        ([*SOC[:2], *POWER[:2]], AGE.replace("=1", "=4"), True),
        (SOC, AGE, False),
        ([NO_STAMP], AGE, False),
        (POWER[:1], TYPE, False),
    ],
)
def test_an_age_explains_what_is_as_old(part: list[bytes], reason: str, explained: bool) -> None:
    """All rows have to be, of whatever field."""
    assert knowing(AGE, part=POWER[:2]).explains(part, reason) is explained


# What is forgotten


def test_a_field_that_is_accepted_is_forgotten() -> None:
    """It goes with the others again; what is known of others stays."""
    known = knowing(TYPE)
    known.learn(SOC[:1], SERIES)
    known.accepted(POWER[:1])
    assert known.sort(ALL) == [SOC, POWER]
    assert not known.explains(POWER, TYPE)
    assert known.explains(SOC, SERIES)


def test_an_age_is_forgotten_once_something_as_old_is_accepted() -> None:
    """Newer rows that are accepted say nothing about it."""
    known = knowing(AGE, part=POWER[:2])
    known.accepted([POWER[2], NO_STAMP])
    assert known.explains(POWER[:2], AGE)
    known.accepted([POWER[2], SOC[1]])
    assert known.sort(ALL) == [ALL]
    assert not known.explains(POWER[:1], AGE)


def test_acceptance_of_what_is_not_known_changes_nothing() -> None:
    """Nor does it for an age, where none is known."""
    known = knowing(TYPE)
    known.accepted(SOC)
    assert known.sort(ALL) == [POWER, SOC]
    fresh = KnownRejects()
    fresh.accepted(SOC)
    assert fresh.sort(ALL) == [ALL]


# What a reason is called


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (
            'failure: partial write: dropped 2 points outside retention policy of duration 24h0m0s'
            " - oldest point dc at 2026-01-01T00:00:00Z dropped because it violates it dropped=2",
            "failure: partial write: points outside retention policy of duration 24h0m0s",
        ),
        ("partial write: points beyond retention policy dropped=3", "partial write: points beyond"
         " retention policy"),
        (
            'remoteAddr: "127.0.0.1:4711"; requestURI: /write?db=x; cannot read data: incorrect'
            ' influx line "dc Voltage= 1": missing value',
            "cannot read data: incorrect influx line: missing value",
        ),
    ],
)  # fmt: skip
def test_one_cause_has_one_name(reason: str, cause: str) -> None:
    """What differs from row to row is left out, or each would be told as something new."""
    assert cause_of(reason) == cause


@pytest.mark.parametrize(
    ("reason", "line", "words"),
    [
        (
            TYPE,
            rb"my\ dc\,\"1\",site=a\ b Power=1.5 17",
            'write to another measurement (under [Influx]), or give up all that this one has, by'
            ' DROP MEASUREMENT "my dc,\\"1\\""',
        ),
        (f"failure writing points to database: {TYPE}", POWER[0], "write to another measurement"
         " (under [Influx])"),
        (COLUMN_OF_3_6, POWER[0], "write to another measurement (under [Influx])"),
        ("failure writing points to database: partial write: points beyond", POWER[0], ""),
        (PARSE, POWER[0], ""),
        (AGE, b"", ""),
        (TYPE, b"\\", 'write to another measurement (under [Influx]), or give up all that this one'
         ' has, by DROP MEASUREMENT ""'),
    ],
)  # fmt: skip
def test_what_can_be_done_about_a_type(reason: str, line: bytes, words: str) -> None:
    """No statement frees the type of a single field, and only InfluxDB 1 has one at all."""
    assert advice(reason, line) == words

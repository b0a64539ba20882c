"""Compares the device's answers since the last comparison with the stored values.

Rules: the device keeps answering during the comparison, which waits for all answers until now to be
stored. Each number is stored once, with the time at which it was sent. Notifications, while the
device is kept alive, are not stored. Only two kinds of values may be missing: those sent within the
windows that a scenario returns, and those with another value in the same tick. Any other missing
value is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.house import House, now
from tests.support.compare import LATEST, NINE, answered, around, missing_values, published
from tests.support.daemon import wait

KEPT = 60.0  # s of log to keep, for checks of the latest values
EARLIEST = 0.1  # s by which a timestamp may be before the publish: these are two clocks


class Window(NamedTuple):
    """A time span, in s since 1970, by the stand-in's clock."""

    begin: float
    end: float


@dataclass(frozen=True)
class Tally:
    """The number of values to store, and how many of them, in the windows, are not stored."""

    published: int
    missing: int


class Account:
    """Compares repeatedly, from the first stored value on."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._since = max(
            wait(f"a value of {field}", lambda f=field: self._first(f)) for field in NINE
        )
        self._forgotten = False

    def balance(self, lost: Sequence[Window] = (), *, offsets: Sequence[float] = (0.0,)) -> Tally:
        """Wait until all answers up to now are stored, and check values and times.

        `offsets` has the permitted offsets in s of timestamps from the stand-in's clock: for a
        daemon whose clock was set.
        """
        since, until = self._since, now()
        total = missing = 0
        for field, leaf in NINE.items():
            spoken = {
                value: when
                for when, value in answered(self._house.device, leaf)
                if since <= when < until
            }
            owed = [(when, value) for value, when in spoken.items() if not _within(when, lost)]
            stored = _await_stored(self._house, field, owed, since, offsets)
            values = [value for _, value in stored if value in spoken]
            assert len(values) == len(set(values)), f"{field} has a value twice"
            if not self._forgotten:
                ever = {value for _, value in published(self._house.device, leaf)}
                strange = {value for _, value in stored} - ever
                assert not strange, f"{field} has values that were never published: {strange}"
            for stamp, value in stored:
                if value in spoken:
                    off = stamp / 1e9 - spoken[value]
                    right = any(-EARLIEST < off - each < LATEST for each in offsets)
                    assert right, f"{field} {value}: the timestamp is {off:.3f} s off"
            if len(offsets) == 1:
                order = [spoken[value] for value in values]
                assert order == sorted(order), f"{field} is out of order"
            total += len(spoken)
            missing += sum(_within(when, lost) for v, when in spoken.items() if v not in values)
        self._since = until
        return Tally(total, missing)

    def forget(self) -> None:
        """Trim the device's log to the answers not yet compared, and little more."""
        self._forgotten = True
        self._house.device.log.forget(self._since - KEPT)

    def _first(self, field: str) -> float | None:
        """Return when the first stored value of a field was published."""
        stored = {value for _, name, value in self._house.setting.stored() if name == field}
        spoken = answered(self._house.device, NINE[field])
        return next((when for when, value in spoken if value in stored), None)


def _within(when: float, windows: Sequence[Window]) -> bool:
    return any(begin <= when <= end for begin, end in windows)


def _await_stored(
    house: House,
    field: str,
    owed: Sequence[tuple[float, float]],
    since: float,
    offsets: Sequence[float],
) -> list[tuple[int, float]]:
    """Wait until all `owed` answers are stored; return (time in ns, number) since `since`.

    What the device said without a request, and the answer after the last one, are compared too:
    only with them it shows why an answer of a slow machine has no row.
    """
    condition = f"WHERE time >= {int((since + min(offsets) - LATEST) * 1e9)}"
    found: list[tuple[int, float]] = []
    last = owed[-1][0] if owed else since

    def gone() -> list[tuple[float, float]]:
        rows = house.database.query(f'SELECT "{field}" FROM "dc" {condition}', "battery")
        found[:] = [(row["time"], row[field]) for row in rows]
        answers = answered(house.device, NINE[field])
        asked = {*answers}
        everything = published(house.device, NINE[field])
        unasked = [each for each in everything if each[0] >= since and each not in asked]
        after = [each for each in answers if each[0] > last][:1]
        missing = missing_values(
            [*owed, *after], found, interval=house.interval, offsets=offsets, unasked=unasked
        )
        return [each for each in missing if each not in after]

    try:
        wait(field, lambda: not gone())
    except AssertionError:
        missing = gone()
        when = [f"{value} at {at:.1f}" for at, value in missing]
        text = f"of {len(owed)} values of {field}, {len(missing)} are missing: {when[:5]}"
        shown = missing and around(house.device, NINE[field], found, missing[0][0])
        raise AssertionError(f"{text}\n{shown}") from None
    return found


def all_stamped(house: House, offset: float, begin: float, end: float) -> None:
    """Wait until all answers of a time span are stored, with timestamps off by `offset`."""
    for field, leaf in NINE.items():
        spoken = [each for each in answered(house.device, leaf) if begin + 1.0 <= each[0] < end]
        assert spoken, "nothing was published"
        stored = _await_stored(house, field, spoken, begin, [offset])
        times = {value: at / 1e9 for at, value in stored}
        for when, value in spoken:
            if value in times:
                off = times[value] - when
                assert -EARLIEST < off - offset < LATEST, f"{field} is stamped {off:.3f} s off"

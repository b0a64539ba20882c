"""What the device has answered against what is stored, since the last time that was compared.

Rules: the device goes on meanwhile; what it has answered until now is waited for. Each number is
there once, at the time at which it was said. What it says unasked, while it is kept alive, is in no
row. What may be missing is what was said within one of the windows that a scenario names, and where
another value is in the same tick; whatever else is missing is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.house import House, now
from tests.support.compare import LATEST, NINE, answered, around, lacking, said
from tests.support.daemon import wait

KEPT = 60.0  # s; who looks at the latest values finds some
EARLIEST = 0.1  # s by which a stamp may be before the saying: two clocks were looked at


class Window(NamedTuple):
    """From when to when, in s since 1970, by the stand-in's clock."""

    begin: float
    end: float


@dataclass(frozen=True)
class Tally:
    """How many values were owed, and how many of them, in the windows, are not stored."""

    said: int
    missing: int


class Account:
    """Compares, again and again; begins with the first value that is stored."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._since = max(
            wait(f"a value of {field}", lambda f=field: self._first(f)) for field in NINE
        )
        self._forgotten = False

    def balance(self, lost: Sequence[Window] = (), *, offsets: Sequence[float] = (0.0,)) -> Tally:
        """Wait until all is stored that has been said up to now, and see that it is right.

        `offsets` says by how many s a stamp may be off what the stand-in's clock has: for a daemon
        whose clock was set.
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
            stored = self._stored(field, owed, since, offsets)
            values = [value for _, value in stored if value in spoken]
            assert len(values) == len(set(values)), f"{field} holds a value twice"
            if not self._forgotten:
                ever = {value for _, value in said(self._house.device, leaf)}
                strange = {value for _, value in stored} - ever
                assert not strange, f"{field} holds what was never said: {strange}"
            for stamp, value in stored:
                if value in spoken:
                    off = stamp / 1e9 - spoken[value]
                    right = any(-EARLIEST < off - each < LATEST for each in offsets)
                    assert right, f"{field} {value}: the stamp is {off:.3f} s off"
            if len(offsets) == 1:
                order = [spoken[value] for value in values]
                assert order == sorted(order), f"{field} is out of order"
            total += len(spoken)
            missing += sum(_within(when, lost) for v, when in spoken.items() if v not in values)
        self._since = until
        return Tally(total, missing)

    def forget(self) -> None:
        """Have the device's log keep what is still to be balanced, and little more."""
        self._forgotten = True
        self._house.device.log.forget(self._since - KEPT)

    def _first(self, field: str) -> float | None:
        """Return when the first value that is stored of a field was said."""
        stored = {value for _, name, value in self._house.setting.stored() if name == field}
        spoken = answered(self._house.device, NINE[field])
        return next((when for when, value in spoken if value in stored), None)

    def _stored(
        self,
        field: str,
        owed: Sequence[tuple[float, float]],
        since: float,
        offsets: Sequence[float],
    ) -> list[tuple[int, float]]:
        """Wait until all that is `owed` is there; return (time in ns, number) since then."""
        condition = f"WHERE time >= {int((since + min(offsets) - LATEST) * 1e9)}"
        found: list[tuple[int, float]] = []
        asked = {*answered(self._house.device, NINE[field])}
        everything = said(self._house.device, NINE[field])
        unasked = [each for each in everything if each[0] >= since and each not in asked]

        def gone() -> list[tuple[float, float]]:
            rows = self._house.database.query(f'SELECT "{field}" FROM "dc" {condition}', "battery")
            found[:] = [(row["time"], row[field]) for row in rows]
            return lacking(
                owed, found, interval=self._house.interval, offsets=offsets, unasked=unasked
            )

        try:
            wait(field, lambda: not gone())
        except AssertionError:
            missing = gone()
            when = [f"{value} at {at:.1f}" for at, value in missing]
            text = f"of {len(owed)} values of {field}, {len(missing)} are missing: {when[:5]}"
            shown = missing and around(self._house.device, NINE[field], found, missing[0][0])
            raise AssertionError(f"{text}\n{shown}") from None
        return found


def _within(when: float, windows: Sequence[Window]) -> bool:
    return any(begin <= when <= end for begin, end in windows)


def all_stamped(house: House, offset: float, begin: float, end: float) -> None:
    """Wait until all that was answered in a time is stored, with stamps that are so far off."""
    for field, leaf in NINE.items():
        spoken = [each for each in answered(house.device, leaf) if begin + 1.0 <= each[0] < end]

        def stored(
            field: str = field, spoken: list[tuple[float, float]] = spoken
        ) -> dict[float, float]:
            rows = house.database.query(f'SELECT "{field}" FROM "dc"', "battery")
            found = [(row["time"], row[field]) for row in rows]
            gone = lacking(spoken, found, interval=house.interval, offsets=[offset])
            return {} if gone else {value: at / 1e9 for at, value in found}

        assert spoken, "nothing was said"
        times = wait(field, stored)
        for when, value in spoken:
            if value in times:
                off = times[value] - when
                assert -EARLIEST < off - offset < LATEST, f"{field} is stamped {off:.3f} s off"

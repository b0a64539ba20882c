"""Compares what a device sent with what is stored: each value once, in order, with its time.

A daemon in `mode = poll` has to store the answers to its reads (`answered`), one in `mode = notify`
all that the device publishes (`published`). In `mode = poll` a field has one value per tick: after
a stall of the machine two answers arrive together, and the daemon drops one of them, which
`missing_values` leaves out.

Rules: the device has `counted=True`, so that each number identifies its message.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from tests.standins.venus.device import Device
from tests.standins.venus.log import Sent, Why
from tests.support.daemon import Setting

NINE = {
    "Voltage": "vebus/275/Dc/0/Voltage",
    "Current": "vebus/275/Dc/0/Current",
    "Power": "vebus/275/Dc/0/Power",
    "Soc": "vebus/275/Soc",
    "I": "vebus/275/Ac/ActiveIn/L1/I",
    "V": "vebus/275/Ac/ActiveIn/L1/V",
    "P": "vebus/275/Ac/ActiveIn/L1/P",
    "S": "vebus/275/Ac/ActiveIn/L1/S",
    "F": "vebus/275/Ac/ActiveIn/L1/F",
}
FAST = {field: leaf for field, leaf in NINE.items() if field != "Soc"}
NUMBER = re.compile(rb'\{"value":(-?\d{1,12}(?:\.\d{1,20})?)\}')
LATEST = 10.0  # s from a device's sending to the stamp, on a loaded machine
CHAIN = 6  # intervals, for so many of which answers may count as the next ones
UNDER_WAY = 5  # messages that may be sent just after the daemon has disconnected
AROUND = 3.0  # s before and after a missing value, for the error's text
BEFORE = 0.3  # of an interval: a timestamp may be so much before the request arrives


def published(device: Device, leaf: str) -> list[tuple[float, float]]:
    """Return (Unix time, number) of what the device published for a leaf, rounded as stored.

    Numbers alone: texts that a test made it publish instead are left out.
    """
    return _numbers(device, leaf, device.log.sent)


def answered(device: Device, leaf: str) -> list[tuple[float, float]]:
    """Return the same of the device's answers to reads that came over the broker."""
    return _numbers(device, leaf, [each for each in device.log.sent if each.why is Why.ANSWER])


def _numbers(device: Device, leaf: str, sent: Sequence[Sent]) -> list[tuple[float, float]]:
    topic = f"N/{device.portal_id}/{leaf}"
    return [
        (message.time, round(float(number[1]), 4))
        for message in sent
        if message.topic == topic and (number := NUMBER.fullmatch(message.payload))
    ]


def read_times(device: Device, leaf: str) -> list[float]:
    """Return when (Unix time) the device got reads of a leaf, alone or as part of a sub-tree."""
    topic = f"R/{device.portal_id}/{leaf}"
    return [r.time for r in device.log.requests if f"{topic}/".startswith(f"{r.topic}/")]


def stored_values(setting: Setting, field: str, **place: str) -> list[tuple[int, float]]:
    """Return (time in ns, number) of the stored values of a field, oldest first."""
    return [(when, value) for when, name, value in setting.stored(**place) if name == field]


def missing_values(
    spoken: Sequence[tuple[float, float]],
    stored: Sequence[tuple[int, float]],
    *,
    interval: float | None = None,
    offsets: Sequence[float] = (0.0,),
    unasked: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float]]:
    """Return the answers in whose ticks nothing is stored.

    A notification (`unasked`) that is stored may also have taken the place of an answer: up to an
    interval before it, if the answer was late; up to the next answer after it, if this machine
    stood still, because then the latest message counts. The messages do not show which is which.
    A late answer whose place is taken counts as the next one, and so on: then the last of them is
    missing, and from the notification on there are as many stored values as answers.

    A tick reaches half an `interval`, in s, to either side of the answer; the default is the usual
    time between two answers. Timestamps may be `offsets` s off. On a slow machine an answer comes
    after the next request, and of two answers in one tick the daemon stores one. So one answer,
    but no two in a row, may be missing beside a late timestamp, or beside two answers that are
    closer together than their requests. The answer before a stall, in which the daemon sends no
    request, may be missing too: it is too old when the daemon reads it.
    """
    values = {value for _, value in stored}
    stamps = sorted(at / 1e9 - offset for at, _ in stored for offset in offsets)
    instead = sorted(when for when, value in unasked if value in values)
    published_at = {value: when for when, value in [*unasked, *spoken]}
    if interval is None:
        times = [when for when, _ in spoken]
        interval = median([after - before for before, after in pairwise(times)] or [0.0])
    late = sorted(
        stamp
        for at, value in stored
        for stamp in (at / 1e9 - offset for offset in offsets)
        if value in published_at and interval / 4 < stamp - published_at[value] < LATEST
    )

    asked = [when for when, _ in spoken]
    kept = sorted(published_at[value] for value in values if value in published_at)

    def between(times: Sequence[float], begin: float, end: float) -> int:
        return bisect_right(times, end) - bisect_left(times, begin)

    def any_within(times: Sequence[float], begin: float, end: float) -> bool:
        first = bisect_left(times, begin)
        return first < len(times) and times[first] < end

    def has_one(place: int) -> bool:
        when, value = spoken[place]
        half = interval / 2
        in_its_tick = any_within(stamps, when - half, when + half)
        following = spoken[place + 1][0] if place + 1 < len(spoken) else when + interval
        if value in values or in_its_tick or any_within(instead, when - interval, following):
            return True
        first = bisect_left(instead, when - CHAIN * interval)
        since = instead[first : bisect_left(instead, when)]
        return any(between(kept, each, when) >= between(asked, each, when) for each in since)

    def may_lack(place: int) -> bool:
        when = spoken[place][0]
        lags = any_within(late, when - 2 * interval, when + 2 * interval)
        stalls = place + 1 < len(spoken) and spoken[place + 1][0] - when > 1.5 * interval
        neighbours = [each for each in (place - 1, place + 1) if 0 <= each < len(spoken)]
        bunched = any(abs(spoken[each][0] - when) < 0.8 * interval for each in neighbours)
        return (lags or stalls or bunched) and all(map(has_one, neighbours))

    return [each for place, each in enumerate(spoken) if not (has_one(place) or may_lack(place))]


def around(device: Device, leaf: str, stored: Sequence[tuple[int, float]], when: float) -> str:
    """Return requests, messages and stored values of a leaf around a moment, by s after it."""
    ends = f"/{leaf}", "/full_publish_completed"
    asks = [f"{at - when:+.3f}" for at in read_times(device, leaf)]
    sent = [each for each in device.log.sent if each.topic.endswith(ends)]
    says = [f"{s.time - when:+.3f} {s.why.name} {s.payload[:40]!r}" for s in sent]
    stored_values = [f"{at / 1e9 - when:+.3f} {value}" for at, value in stored]
    return "\n".join(
        f"{what}: {'; '.join(each for each in lines if abs(float(each.split()[0])) < AROUND)}"
        for what, lines in (("asked", asks), ("said", says), ("stored", stored_values))
    )


def assert_complete(setting: Setting, device: Device, field: str, leaf: str) -> None:
    """Assert that each answer of the device is stored once, and that nothing else is stored."""
    assert_all(device, leaf, stored_values(setting, field), field)


def assert_all(device: Device, leaf: str, stored: Sequence[tuple[int, float]], field: str) -> None:
    """Assert that the device's answers for a leaf are stored, from the first of `stored` on.

    A notification between a request and its late answer may take the answer's place: the messages
    do not show which is which.
    """
    everything = published(device, leaf)
    places = assert_in_order(everything, stored, field)
    first, last = everything[places[0]][0], everything[places[-1]][0]
    all_answers = {*answered(device, leaf)}
    answers = sorted(each for each in all_answers if each[0] >= first)
    assert sum(when > last for when, _ in answers) <= UNDER_WAY, field
    unasked = [each for each in everything if each not in all_answers]
    missing = missing_values([each for each in answers if each[0] <= last], stored, unasked=unasked)
    shown = missing and around(device, leaf, stored, missing[0][0])
    assert not missing, f"of {field} {len(missing)} are missing: {missing[:5]}\n{shown}"


def assert_all_published(
    device: Device, leaf: str, stored: Sequence[tuple[int, float]], field: str
) -> None:
    """Assert that `stored` is all that the device published for a leaf, from its first value on."""
    spoken = published(device, leaf)
    places = assert_in_order(spoken, stored, field)
    assert len(spoken) - 1 - places[-1] <= UNDER_WAY, field
    assert places == list(range(places[0], places[0] + len(places))), f"{field} has gaps"


def assert_in_order(
    spoken: Sequence[tuple[float, float]], stored: Sequence[tuple[int, float]], field: str
) -> list[int]:
    """Assert that each stored value was published, and is stored once, with its time.

    Return the index of each in `spoken`; of a repeated message, the index of the first.
    """
    assert stored, f"nothing is stored of {field}"
    places: dict[float, int] = {}
    for number, (_, value) in enumerate(spoken):
        places.setdefault(value, number)
    strange = [each for each in stored if each[1] not in places]
    assert not strange, f"{field} has values that were never published: {strange[:5]}"
    found = [places[value] for _, value in stored]
    assert found == sorted({*found}), f"{field} is out of order, or has a value twice"
    for (stamp, _), place in zip(stored, found, strict=True):
        assert -0.1 < stamp / 1e9 - spoken[place][0] < LATEST, f"{field} is stamped wrongly"
    return found


def assert_one_a_tick(
    device: Device,
    leaf: str,
    stored: Sequence[tuple[int, float]],
    field: str,
    *,
    since: float = 0.0,
    until: float = float("inf"),
) -> int:
    """Assert that one value is stored between two reads of a leaf, whoever sent the reads.

    Checks the reads between two Unix times, without a first one so soon after `since` that a value
    from before could belong to that read. Returns the number of reads.
    """
    times = [when for when in read_times(device, leaf) if since <= when <= until]
    assert {value for _, value in stored} <= {value for _, value in published(device, leaf)}, field
    begins = earliest_begins(times)
    while times and begins[0] < since:
        del times[0], begins[0]
    mismatch = not_one_a_tick(begins, times, [at / 1e9 for at, _ in stored])
    shown = mismatch and around(device, leaf, stored, mismatch)
    assert mismatch is None, f"{field} has not one value a tick at {mismatch:.2f}\n{shown}"
    return max(0, len(times) - 1)


def earliest_begins(times: Sequence[float]) -> list[float]:
    """Return when each tick began at the earliest, from when its read arrived at the device (s).

    A read that a busy machine delivers late arrives more than an interval after the one before; the
    daemon takes values of the tick from when it sends the read.
    """
    interval = median(after - before for before, after in pairwise(times)) if times[1:] else 0.0
    early = BEFORE * interval
    expected = [times[0], *(before + interval for before in times[:-1])] if times else []
    return [min(pair) - early for pair in zip(times, expected, strict=True)]


def not_one_a_tick(
    begins: Sequence[float], times: Sequence[float], stamps: Sequence[float]
) -> float | None:
    """Return when (Unix time, s) a tick has no value or two, None if each but the last has one.

    A tick begins between `begins` and `times`, and ends when the next begins. Stamps are sorted.
    """
    if not times:
        return None
    rest = [stamp for stamp in stamps if stamp >= begins[0]]
    for begin, (_, end) in zip(begins, pairwise(times), strict=False):
        if not rest or not begin <= rest[0] < end:
            return begin
        del rest[0]
    return rest[0] if rest and rest[0] < begins[-1] else None

"""What scenarios do to the daemon, and wait for in its messages to the service manager."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.faults.account import Window
from tests.faults.house import House, now
from tests.support.compare import NINE, answered, missing_values
from tests.support.daemon import wait

_LATEST = 5  # answers of a field that are looked for
_A_FEW = 2 * len(NINE)  # values that may be under way to the database at any time


def shows(house: House, text: str) -> None:
    """Wait until STATUS= contains a text."""
    wait(f"{text!r} in STATUS=", lambda: text in house.notify.status)


def calm(house: House) -> None:
    """Wait until the backlog is stored, and the queue on disk is empty."""

    def passes() -> bool:
        found = re.search(r"(\d+) queued", house.notify.status)
        return found is not None and int(found[1]) <= _A_FEW

    wait("no queue", passes)
    wait("an empty disk", lambda: house.on_disk() == 0)


def start(house: House, **sections: Mapping[str, object]) -> None:
    """Start the daemon, with `sections` over its ini until the next start.

    When this returns it has read the device, so that all answers from now on have to be stored.
    Messages during the discovery need not be.
    """
    house.start_daemon(**sections)
    house.daemon.wait_for_log("reading gx.example")
    counters = house.device.log.counters
    wait("reads", lambda: house.device.log.counters.reads > counters.reads)


@contextmanager
def hushed(house: House) -> Iterator[None]:
    """Stop the device's messages for a block that begins after the daemon has all earlier ones."""
    house.more_reads(2)  # so that the latest value of each field is an answer
    house.device.silence()
    try:
        wait("all to be read", lambda: _all_read(house))
        yield
    finally:
        house.device.speak()


def restart(house: House, **sections: Mapping[str, object]) -> Window:
    """Stop the daemon in order and `start` it; return the span without reads."""
    with hushed(house):
        begin = now()
        assert house.daemon.stop() == 0
    start(house, **sections)
    return Window(begin, now())


def wait_until_stored(house: House) -> None:
    """Wait until the device's latest answers of each field are stored.

    An answer that came together with another one may be missing, see `missing_values`: the daemon
    drops it. AssertionError names the missing values and STATUS=.
    """
    missing: list[str] = []

    def stored() -> bool:
        missing[:] = [f"{field} {answer}" for field in NINE for answer in _lacking(house, field)]
        return not missing

    try:
        wait("all to be stored", stored)
    except AssertionError as error:
        raise AssertionError(f"{error}: {missing}; {house.notify.status}") from error


def _lacking(house: House, field: str) -> list[tuple[float, float]]:
    answers = answered(house.device, NINE[field])[-_LATEST:]
    since = int((answers[0][0] - 1.0) * 1e9)
    rows = house.database.query(f'SELECT "{field}" FROM "dc" WHERE time >= {since}', "battery")
    stored = [(int(row["time"]), float(row[field])) for row in rows]
    return missing_values(answers, stored, interval=house.interval)


def _all_read(house: House) -> bool:
    status = house.notify.status  # it has the latest values, or reports that none come
    latest = {f"{field} {number:g}" for field, number in _latest(house).items()}
    return "does not respond" in status or latest <= {*re.split("[,;] ", status)}


def _latest(house: House) -> dict[str, float]:
    return {field: answered(house.device, leaf)[-1][1] for field, leaf in NINE.items()}

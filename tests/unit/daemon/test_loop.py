"""What the loop waits for, whom it steps with what, and how it is woken."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from bat2influx.clock import Now
from bat2influx.daemon.loop import STALL, Loop, Wakeup

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
BOTH = READ | WRITE
LONG = 1000.0  # s


class Selector(selectors.DefaultSelector):
    """The real selector, which looks once instead of waiting, and notes for how long it should."""

    waits: list[float | None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now."""
        self.waits.append(timeout)
        return super().select(0)

    def watched(self) -> dict[int, int]:
        """Return the descriptors with what they are watched for."""
        return {key.fd: key.events for key in self.get_map().values()}


class Device:
    """What the loop asks of a device; it can be readable, by `peer`, and is always writable."""

    def __init__(self, timeout: float = LONG) -> None:
        self.own, self.peer = socket.socketpair()
        self.connected, self.wants_write = True, False
        self.messages = 0
        self.says = 0  # messages with each step
        self.wait = timeout
        self.asked: list[Now] = []
        self.calls: list[tuple[Any, ...]] = []

    def fileno(self) -> int:
        """Return the descriptor of the connection."""
        return self.own.fileno() if self.connected else -1

    @property
    def connection(self) -> object:
        """What the descriptor belongs to."""
        return self.own

    def timeout(self, now: Now) -> float:
        """Return the seconds to the next step."""
        self.asked.append(now)
        return self.wait

    def stalled(self, seconds: float) -> None:
        """Note it."""
        self.calls.append(("stalled", seconds))

    def step(self, now: Now, *, readable: bool, writable: bool) -> None:
        """Note it."""
        self.calls.append((now.mono, readable, writable))
        self.messages += self.says

    def close(self) -> None:
        """Close both ends."""
        self.own.close()
        self.peer.close()


def at(mono: float) -> Now:
    """Return the clocks."""
    return Now(0, mono, 0)


def clock(*seconds: float) -> Callable[[], Now]:
    """Return a look at clocks that show these one after the other, and then the last for ever."""
    left = [*seconds]
    return lambda: at(left.pop(0) if len(left) > 1 else left[0])


Make = Callable[..., Device]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes devices, which are closed in the end."""
    made: list[Device] = []

    def device(timeout: float = LONG) -> Device:
        made.append(Device(timeout))
        return made[-1]

    yield device
    for each in made:
        each.close()


@pytest.fixture
def selector(monkeypatch: pytest.MonkeyPatch) -> type[Selector]:
    """The class of the loop's selector."""
    monkeypatch.setattr(selectors, "DefaultSelector", Selector)
    monkeypatch.setattr(Selector, "waits", [], raising=False)
    return Selector


@pytest.fixture
def loop(selector: type[Selector]) -> Iterator[Loop]:
    """A loop that never waits."""
    with contextlib.closing(Loop()) as made:
        yield made


def wait(loop: Loop, devices: Sequence[Any], more: Sequence[int] = ()) -> dict[int, int]:
    """Wait, on a machine where nothing takes time."""
    return loop.wait(devices, clock(0.0), LONG, more)


def watched(loop: Loop) -> dict[int, int]:
    """Return what the loop watches besides its wake-up."""
    found = loop._selector.watched()  # type: ignore[attr-defined]
    assert found.pop(loop.wakeup.fileno()) == READ
    return dict(found)


@pytest.mark.parametrize(
    ("most", "devices", "waited"),
    [
        (5.0, [], 5.0),
        (5.0, [7.0, 9.0], 5.0),
        (5.0, [7.0, 2.0, 3.0], 2.0),
        (0.0, [2.0], 0.0),
        (5.0, [0.0, 2.0], 0.0),
    ],
)
def test_it_waits_for_the_first_thing_that_is_due(
    loop: Loop, make: Make, most: float, devices: list[float], waited: float
) -> None:
    """Each device is asked by the same look at the clock."""
    made = [make(timeout) for timeout in devices]
    loop.wait(made, clock(3.0), most)  # type: ignore[arg-type]
    assert Selector.waits == [waited]
    assert all(device.asked == [at(3.0)] for device in made)


def test_what_is_ready_is_told_by_its_descriptor(loop: Loop, make: Make) -> None:
    """Writing is waited for only where it is wanted."""
    quiet, speaks, full, both = devices = [make() for _ in range(4)]
    full.wants_write = both.wants_write = True
    for each in (speaks, both):
        each.peer.send(b"x")
    assert wait(loop, devices) == {speaks.fileno(): READ, full.fileno(): WRITE, both.fileno(): BOTH}
    assert watched(loop)[quiet.fileno()] == READ


def test_a_device_is_watched_as_it_is_now(loop: Loop, make: Make) -> None:
    """Connected, wanting to write, content, connected anew, disconnected, gone."""
    device, other = make(), make()
    old = device.fileno()
    rest = {other.fileno(): READ}
    device.connected = False
    steps: list[tuple[Callable[[], object], dict[int, int]]] = [
        (lambda: None, {}),
        (lambda: setattr(device, "connected", True), {old: READ}),
        (lambda: setattr(device, "wants_write", True), {old: BOTH}),
        (lambda: setattr(device, "wants_write", False), {old: READ}),
        (lambda: setattr(device, "own", device.peer), {device.peer.fileno(): READ}),
        (lambda: setattr(device, "connected", False), {}),
    ]
    for change, expected in steps:
        change()
        wait(loop, [device, other])
        assert watched(loop) == expected | rest
    wait(loop, [])
    assert watched(loop) == {}


def test_a_connection_that_was_closed_is_watched_no_more(loop: Loop, make: Make) -> None:
    """Its descriptor may be nobody's by then."""
    device = make()
    wait(loop, [device])
    device.close()
    device.connected = False
    assert wait(loop, [device]) == {}
    assert watched(loop) == {}


@pytest.mark.parametrize("writes", [False, True])
def test_found_a_descriptor_that_was_used_again_made_a_device_deaf(
    loop: Loop, make: Make, writes: bool
) -> None:
    """A connection is closed and another one has its number, within one turn of the loop."""
    first, second = make(), make()
    wait(loop, [first])
    number = first.fileno()
    first.connected = False
    os.dup2(second.own.fileno(), number)  # which closes the first one's
    first.own.detach()
    second.own.close()
    second.own = socket.socket(fileno=number)
    second.wants_write = writes
    second.peer.send(b"x")
    ready = wait(loop, [first, second])
    assert ready == {number: BOTH if writes else READ}


def test_other_descriptors_are_read_from_for_as_long_as_they_are_named(loop: Loop) -> None:
    """As a terminal is, beside the devices."""
    reader, writer = os.pipe()
    try:
        assert wait(loop, [], more=[reader]) == {}
        os.write(writer, b"q")
        assert wait(loop, [], more=[reader]) == {reader: READ}
        assert wait(loop, []) == {}
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("messages", "heard"), [((0, 0), False), ((1, 0), True), ((0, 3), True), ((2, 1), True)]
)
def test_each_device_is_stepped_with_what_it_is_ready_for(
    loop: Loop, make: Make, messages: tuple[int, int], heard: bool
) -> None:
    """Whether one of them has said something comes back; one without a connection steps, too."""
    devices: list[Any] = [make(), make(), make()]
    first, second, absent = devices
    absent.connected = False
    first.says, second.says = messages
    ready = {first.fileno(): BOTH, second.fileno(): READ}
    assert loop.step(devices, ready, at(5.0)) is heard
    assert loop.step(devices, {second.fileno(): WRITE}, at(6.0)) is heard
    assert first.calls == [(5.0, True, True), (6.0, False, False)]
    assert second.calls == [(5.0, True, False), (6.0, False, True)]
    assert absent.calls == [(5.0, False, False), (6.0, False, False)]


@pytest.mark.parametrize(
    ("timeout", "took", "stalled"),
    [
        (2.0, 2.0, None),
        (2.0, 0.0, None),  # something was ready
        (2.0, 2.0 + STALL, None),
        (2.0, 2.75, 0.75),
        (0.0, 3600.0, 3600.0),
        (-1.0, 0.25, None),
        (-1.0, 1.0, 1.0),  # what was overdue was to take no time
    ],
)
def test_a_wait_that_took_much_longer_than_it_was_to_is_a_stall(
    loop: Loop, make: Make, timeout: float, took: float, stalled: float | None
) -> None:
    """Every device is told before it steps; with the next wait that is over."""
    devices: list[Any] = [make(timeout), make()]
    loop.wait(devices, clock(100.0, 100.0 + took), LONG)
    loop.step(devices, {}, at(100.0 + took))
    step = (100.0 + took, False, False)
    expected = [step] if stalled is None else [("stalled", stalled), step]
    assert [device.calls for device in devices] == [expected, expected]
    loop.wait(devices, clock(200.0), LONG)
    loop.step(devices, {}, at(200.0))
    assert [device.calls[len(expected) :] for device in devices] == [[(200.0, False, False)]] * 2


def test_a_wake_up_ends_one_wait_and_is_in_no_result(loop: Loop) -> None:
    """However often it came, the next wait begins with nothing ready."""
    for _ in range(100_000):
        loop.wakeup.wake()
    assert _is_readable(loop.wakeup)
    assert wait(loop, []) == {}
    assert not _is_readable(loop.wakeup)


def test_a_wake_up_after_the_end_is_without_effect(selector: type[Selector]) -> None:
    """A thread may be slower than the end."""
    made = Loop()
    made.close()
    made.wakeup.wake()
    assert made.wakeup.fileno() == -1


@pytest.fixture
def signals() -> Iterator[Wakeup]:
    """A wake-up that has the signals, which are given back."""
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(each) for each in kinds]
    made = Wakeup()
    made.catch_signals()
    try:
        yield made
    finally:
        made.close()
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (signal.SIGTERM, (True, False)),
        (signal.SIGINT, (True, False)),
        (signal.SIGHUP, (False, True)),
    ],
)
def test_a_signal_wakes_and_tells_what_it_asks_for(
    signals: Wakeup, kind: signal.Signals, asked: tuple[bool, bool]
) -> None:
    """It is noted until somebody looks; the descriptor rests once it was drained."""
    assert (signals.stop, signals.reload) == (False, False)
    signal.raise_signal(kind)
    assert (signals.stop, signals.reload) == asked
    assert _is_readable(signals)
    signals.drain()
    assert not _is_readable(signals)
    assert (signals.stop, signals.reload) == asked


def test_the_end_gives_the_signals_wake_up_back(signals: Wakeup) -> None:
    """Nothing writes into a descriptor that may be another's by then."""
    signals.close()
    assert signal.set_wakeup_fd(-1) == -1


def _is_readable(wakeup: Wakeup) -> bool:
    with selectors.SelectSelector() as looking:
        looking.register(wakeup, READ)
        return bool(looking.select(0))

"""What the loop waits for, which devices it steps, and how it is woken."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.clock import Now
from bat2influx.daemon.loop import FEW, GATHER, MANY, STALL, Loop, Wakeup

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
BOTH = READ | WRITE
LONG = 1000.0  # s


class Selector(selectors.DefaultSelector):
    """The real selector, which polls once instead of waiting, and records the timeout."""

    waits: list[float | None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now."""
        self.waits.append(timeout)
        return super().select(0)

    def watched(self) -> dict[int, int]:
        """Return the descriptors with what they are watched for."""
        return {key.fd: key.events for key in self.get_map().values()}


class Device:
    """The attributes of a device that the loop uses; readable through `peer`, always writable."""

    def __init__(self, timeout: float = LONG) -> None:
        self.own, self.peer = socket.socketpair()
        self.connected, self.wants_write, self.notified = True, False, True
        self.messages = 0
        self.logged = 0  # messages with each step
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
        """Record the call."""
        self.calls.append(("stalled", seconds))

    def step(self, now: Now, *, readable: bool, writable: bool) -> None:
        """Record the call."""
        self.calls.append((now.mono, readable, writable))
        self.messages += self.logged

    def close(self) -> None:
        """Close both ends."""
        self.own.close()
        self.peer.close()


def at(mono: float) -> Now:
    """Return the clocks."""
    return Now(0, mono, 0)


def clock(*seconds: float) -> Callable[[], Now]:
    """Return a function that returns these clocks one after the other, then the last for ever."""
    left = [*seconds]
    return lambda: at(left.pop(0) if len(left) > 1 else left[0])


Make = Callable[..., Device]


@pytest.fixture
def make() -> Iterator[Make]:
    """Creates devices, and closes them at the end."""
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
    """Wait, on a machine on which nothing takes time."""
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
def test_it_waits_for_the_earliest_timeout(
    loop: Loop, make: Make, most: float, devices: list[float], waited: float
) -> None:
    """All devices are asked with the same reading of the clock."""
    made = [make(timeout) for timeout in devices]
    loop.wait(made, clock(3.0), most)  # type: ignore[arg-type]
    assert Selector.waits == [waited]
    assert all(device.asked == [at(3.0)] for device in made)


def test_ready_descriptors_are_returned(loop: Loop, make: Make) -> None:
    """Writability is awaited only if a device wants to write."""
    quiet, speaks, full, both = devices = [make() for _ in range(4)]
    full.wants_write = both.wants_write = True
    for each in (speaks, both):
        each.peer.send(b"x")
    assert wait(loop, devices) == {speaks.fileno(): READ, full.fileno(): WRITE, both.fileno(): BOTH}
    assert watched(loop)[quiet.fileno()] == READ


def test_a_device_is_watched_according_to_its_state(loop: Loop, make: Make) -> None:
    """Connected, wanting to write, not any more, reconnected, disconnected, removed."""
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


def test_a_closed_connection_is_no_longer_watched(loop: Loop, make: Make) -> None:
    """Its descriptor may be closed by then."""
    device = make()
    wait(loop, [device])
    device.close()
    device.connected = False
    assert wait(loop, [device]) == {}
    assert watched(loop) == {}


@pytest.mark.parametrize("writes", [False, True])
def test_found_a_reused_descriptor_was_not_watched(loop: Loop, make: Make, writes: bool) -> None:
    """Within one turn, a new connection gets the number of a closed one."""
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


def test_other_descriptors_are_watched_while_they_are_passed(loop: Loop) -> None:
    """Such as a terminal, in addition to devices."""
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
def test_each_device_is_stepped_with_its_readiness(
    loop: Loop, make: Make, messages: tuple[int, int], heard: bool
) -> None:
    """The result is whether one has a message; a device without a connection is stepped, too."""
    devices: list[Any] = [make(), make(), make()]
    first, second, absent = devices
    absent.connected = False
    first.logged, second.logged = messages
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
def test_a_wait_far_beyond_its_timeout_is_a_stall(
    loop: Loop, make: Make, timeout: float, took: float, stalled: float | None
) -> None:
    """Every device is informed before its step; the next wait resets this."""
    devices: list[Any] = [make(timeout), make()]
    loop.wait(devices, clock(100.0, 100.0 + took), LONG)
    loop.step(devices, {}, at(100.0 + took))
    step = (100.0 + took, False, False)
    expected = [step] if stalled is None else [("stalled", stalled), step]
    assert [device.calls for device in devices] == [expected, expected]
    loop.wait(devices, clock(200.0), LONG)
    loop.step(devices, {}, at(200.0))
    assert [device.calls[len(expected) :] for device in devices] == [[(200.0, False, False)]] * 2


@pytest.mark.parametrize(
    ("received", "timeout", "pauses"),
    [
        (FEW - 1, LONG, []),
        (FEW, LONG, [GATHER]),
        (MANY - 1, LONG, [GATHER]),
        (MANY, LONG, []),
        (FEW, GATHER, [GATHER]),
        (FEW, GATHER / 2, []),
        (FEW, 0.0, []),
    ],
)
def test_messages_gather_under_load(
    loop: Loop,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    received: int,
    timeout: float,
    pauses: list[float],
) -> None:
    """Before the next wait only, which is shorter by the pause, and if nothing else is due."""
    slept: list[float] = []
    monkeypatch.setattr("bat2influx.daemon.loop.time", SimpleNamespace(sleep=slept.append))
    devices: list[Any] = [make(timeout), make()]
    devices[0].logged, devices[1].logged = received - 3, 3
    loop.step(devices, {}, at(0.0))
    wait(loop, devices)
    assert slept == pauses
    assert Selector.waits == [timeout - sum(pauses)]
    devices[0].logged = devices[1].logged = 0
    loop.step(devices, {}, at(0.0))
    wait(loop, devices)
    assert slept == pauses


def test_the_answers_of_a_polled_device_do_not_wait(
    loop: Loop, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do notifications, if there is one."""
    monkeypatch.setattr("bat2influx.daemon.loop.time", SimpleNamespace())
    devices: list[Any] = [make(), make()]
    devices[0].logged, devices[1].notified = FEW, False
    loop.step(devices, {}, at(0.0))
    wait(loop, devices)
    assert Selector.waits == [LONG]


def test_a_wake_up_ends_one_wait_and_is_in_no_result(loop: Loop) -> None:
    """However many wake-ups came, the next wait begins with nothing ready."""
    for _ in range(100_000):
        loop.wakeup.wake()
    assert _is_readable(loop.wakeup)
    assert wait(loop, []) == {}
    assert not _is_readable(loop.wakeup)


def test_a_wake_up_after_the_end_has_no_effect(selector: type[Selector]) -> None:
    """A thread may run longer than the loop."""
    made = Loop()
    made.close()
    made.wakeup.wake()
    assert made.wakeup.fileno() == -1


@pytest.fixture
def signals() -> Iterator[Wakeup]:
    """A wake-up with signal handlers, which are restored."""
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
def test_a_signal_wakes_the_loop_and_sets_its_flag(
    signals: Wakeup, kind: signal.Signals, asked: tuple[bool, bool]
) -> None:
    """The flag stays until it is read; the descriptor is drained."""
    assert (signals.stop, signals.reload) == (False, False)
    signal.raise_signal(kind)
    assert (signals.stop, signals.reload) == asked
    assert _is_readable(signals)
    signals.drain()
    assert not _is_readable(signals)
    assert (signals.stop, signals.reload) == asked


def test_the_end_resets_the_wake_up_descriptor_of_signals(signals: Wakeup) -> None:
    """Otherwise signals would write to a descriptor that may be reused."""
    signals.close()
    assert signal.set_wakeup_fd(-1) == -1


def _is_readable(wakeup: Wakeup) -> bool:
    with selectors.SelectSelector() as looking:
        looking.register(wakeup, READ)
        return bool(looking.select(0))

"""What `check` prints about both clocks, with a fake broker."""

from __future__ import annotations

from typing import Any

import pytest

from bat2influx.clock import Now
from bat2influx.commands.check import conversation
from bat2influx.commands.check.clock_steps import HEARTBEATS_WITHIN, WORTH_A_NOTE
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.mqtt.connection import Message
from bat2influx.reading import NS
from tests.unit.commands.check.steps_by_hand import INSTANCE, VALUES, after_portal, taken, waited
from tests.unit.commands.session_by_hand import (
    CONFIG,
    MULTI,
    START,
    HandBroker,
    HandDevice,
    P,
    battery,
)

TIME = 1_780_000_000  # s, of the device at START
OURS = "this machine's clock is not synchronised"


class Own:
    """This machine's clock, `ahead` s of the device's."""

    def __init__(self, broker: HandBroker, ahead: float, *, synchronised: bool) -> None:
        self.synchronised = synchronised
        self._broker = broker
        self._ahead = ahead

    def look(self) -> Now:
        """Return the clocks; a device's second is half over at the start."""
        boot_ns = round((self._broker.now - START) * NS)
        wall_ns = TIME * NS + NS // 2 + round(self._ahead * NS) + boot_ns
        return Now(wall_ns, self._broker.now, boot_ns)


def beats(broker: HandBroker, *times: tuple[float, int]) -> None:
    """Let heartbeats arrive, each so many s after the start, with this time."""
    for at, shown in times:
        broker.at(at, f"N/{P}/heartbeat", b'{"value":%d}' % shown, arrival=round(at * NS))


def steps(
    patch: pytest.MonkeyPatch, broker: HandBroker, ahead: float, *, right: bool, **own: Any
) -> list[Step]:
    """Return the steps about clocks, which come last."""
    patch.setattr(conversation, "Clock", lambda: Own(broker, ahead, synchronised=right))
    found = after_portal(patch, broker, battery(**own))
    assert found[: 1 + len(VALUES)] == [INSTANCE, *VALUES]
    return found[1 + len(VALUES) :]


def broker(*, shows: int | None = TIME) -> HandBroker:
    """Return a broker with a device whose heartbeats begin with its first keepalive."""
    values = dict(MULTI) if shows is None else {**MULTI, "heartbeat": shows}
    return HandBroker(HandDevice(values=values))


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (0.0, ""),
        (WORTH_A_NOTE / NS, ""),
        (-WORTH_A_NOTE / NS, ""),
        (WORTH_A_NOTE / NS + 0.5, "5.5 s ahead of"),
        (-3600.0, "3600.0 s behind"),
    ],
)
@pytest.mark.parametrize("clock", ["own", "device"])
def test_a_synchronised_clock_is_compared_without_a_wait(
    monkeypatch: pytest.MonkeyPatch, ahead: float, told: str, clock: str
) -> None:
    """A difference is only a note, because timestamps follow this machine's clock."""
    made = broker()
    found = steps(monkeypatch, made, ahead, right=True, clock=clock)
    own = "timestamps follow this machine's clock"
    text = f"this machine's clock is {told} the device's; {own}"
    why = f"{own}, because systemd-timesyncd has set it, or does not run"
    expected = [Step(NOTE, "clock", text)] if told else []
    if clock == "device" and not told:
        expected = [Step(OK, "clock", why)]
    assert found == expected
    assert waited(made, 0.0)


@pytest.mark.parametrize(
    ("clock", "ahead", "state", "text"),
    [
        ("own", 1.5, OK, f"{OURS}, and agrees with the device's"),
        ("device", 1.5, OK, f"{OURS}, and agrees with the device's"),
        (
            "own",
            -259_200.0,
            NOTE,
            f"{OURS} and is 259200.0 s behind the device's; to use the device's for timestamps,"
            f" write clock = device under [Battery] in {CONFIG}",
        ),
        (
            "device",
            -259_200.0,
            NOTE,
            f"{OURS} and is 259200.0 s behind the device's; timestamps follow the device's clock",
        ),
    ],
)
def test_a_clock_that_is_not_synchronised_is_compared_with_several_heartbeats(
    monkeypatch: pytest.MonkeyPatch, clock: str, ahead: float, state: str, text: str
) -> None:
    """The device gets a keepalive for them, and the step has the advice."""
    made = broker()
    beats(made, (3.0, TIME + 3), (6.0, TIME + 6), (9.0, TIME + 9))
    found = steps(monkeypatch, made, ahead, right=False, clock=clock)
    assert found == [Step(state, "clock", text)]
    assert waited(made, 6.0)
    assert made.published[-1] == (
        f"R/{P}/keepalive",
        b'{"keepalive-options":["suppress-republish"]}',
    )


@pytest.mark.parametrize("shows", [25, None])
def test_a_device_that_does_not_know_the_time(
    monkeypatch: pytest.MonkeyPatch, shows: int | None
) -> None:
    """It is in 1970, too, or its firmware has no heartbeat; the wait for it has an end."""
    made = broker(shows=shows)
    if shows is not None:
        beats(made, *((at, shows + at) for at in range(3, 60, 3)))
    found = steps(monkeypatch, made, -3600.0, right=False)
    assert found == [Step(NOTE, "clock", f"{OURS}, and the device reports no plausible time")]
    assert waited(made, HEARTBEATS_WITHIN)


def test_the_clocks_of_a_fleet_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each device has one."""
    made = broker()
    monkeypatch.setattr(conversation, "Clock", lambda: Own(made, 3600.0, synchronised=True))
    made.at(0.5, f"N/{P}/heartbeat", b'{"value":%d}' % TIME)
    found = taken(monkeypatch, made, battery(serial="*", mode="notify"))
    assert found[-len(VALUES) :] == VALUES


def test_a_retained_heartbeat_shows_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its age is unknown."""
    made = broker(shows=None)
    kept = Message(f"N/{P}/heartbeat", b'{"value":%d}' % TIME, True, 0)
    made.devices[0].retained = lambda: iter([kept])  # type: ignore[method-assign]
    own = battery(serial=P)
    monkeypatch.setattr(conversation, "Clock", lambda: Own(made, 3600.0, synchronised=True))
    assert "clock" not in [step.label for step in taken(monkeypatch, made, own)]

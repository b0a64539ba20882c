"""One turn of the daemon, part by part, and its end."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.clock import Hold
from bat2influx.daemon import ending, main
from bat2influx.daemon.main import GATHER, LAST_ANSWERS, PACES, STOP_TIMEOUT
from bat2influx.delivery.figures import Figures
from bat2influx.device.device_clock import DeviceClock
from bat2influx.device.plan import Series
from bat2influx.reading import NOWHERE, NS
from bat2influx.service.events import message_id
from tests.unit.daemon.daemon_by_hand import (
    STARTED,
    TIME,
    TWO,
    Harness,
    Part,
    by_hand,
    delivery,
    quiet,
)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """Daemons made by hand."""
    with by_hand(tmp_path) as made:
        yield made


def test_a_turn_calls_its_steps_in_order_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` returns the exit code, and stops the parts last."""

    class Turning(Part):
        exit_code = 78
        turns = 2

        @property
        def ended(self) -> bool:
            """Whether two turns are over."""
            self.turns -= 1
            return self.turns < 0

    made = Turning()
    monkeypatch.setattr(main, "Daemon", lambda *_: made)
    assert main.run(None, None) == 78  # type: ignore[arg-type]
    turn = ["wait", "follow_clock", "step_devices", "deliver", "report_metrics", "report"]
    names = ["start", *[*turn, "reload_if_requested"] * 2, "await_replies", "stop"]
    assert [call[0] for call in made.calls] == names


@pytest.mark.parametrize("where", ["start", "step_devices", "await_replies"])
def test_the_parts_are_stopped_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An exception in a turn is raised after queued values were stored."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    made = Part(**{"ended": where == "await_replies", where: fail})
    monkeypatch.setattr(main, "Daemon", lambda *_: made)
    with pytest.raises(ZeroDivisionError):
        main.run(None, None)  # type: ignore[arg-type]
    assert made.calls[-1] == ("stop",)


@pytest.mark.parametrize(
    ("failure", "undecided", "stop", "ended", "code"),
    [
        (None, (None, None), False, False, os.EX_OK),
        (None, (None, None), True, True, os.EX_OK),
        (None, ("which?", None), False, False, os.EX_OK),
        (None, ("which?", "which?"), False, True, os.EX_CONFIG),
        (OSError("gone"), (None, None), False, True, os.EX_SOFTWARE),
    ],
)
def test_it_ends_by_a_signal_a_failed_thread_or_without_a_device_to_read(
    harness: Harness,
    caplog: pytest.LogCaptureFixture,
    failure: BaseException | None,
    undecided: tuple[str | None, ...],
    stop: bool,
    ended: bool,
    code: int,
) -> None:
    """One device that needs a person's decision does not end the others."""
    daemon = harness.daemon()
    daemon._delivery = delivery(failure=failure, failed_thread="keeper")
    daemon.devices = tuple(quiet(undecided=each) for each in undecided)
    daemon._wakeup.stop = stop
    assert (daemon.ended, daemon.exit_code) == (ended, code)
    assert ("exiting: worker thread 'keeper' failed" in caplog.text) is (failure is not None)


@pytest.mark.parametrize(
    ("most", "status", "own", "clock", "waited"),
    [
        (math.inf, 9.0, math.inf, 5.0, 5.0),
        (math.inf, 0.5, math.inf, 5.0, 0.5),
        (math.inf, 9.0, 0.25, 5.0, 0.25),
        (0.125, 9.0, math.inf, 5.0, 0.125),
    ],
)
def test_it_waits_for_the_earliest_event(
    harness: Harness, most: float, status: float, own: float, clock: float, waited: float
) -> None:
    """A status line, a report, a reading of the clock, or the caller's limit."""
    daemon = harness.daemon()
    loop = daemon._loop = Part(close=daemon._loop.close)
    daemon._status = SimpleNamespace(timeout=lambda now: status)
    daemon._self_report = SimpleNamespace(timeout=lambda now: own)
    daemon._clock.timeout = lambda: clock
    daemon.wait(most)
    ((name, devices, look, given),) = loop.calls
    assert (name, devices, look, given) == ("wait", daemon.devices, daemon._clock.look, waited)


def test_a_set_clock_is_reported_to_delivery_and_devices(harness: Harness) -> None:
    """Once for each step, and not without one."""
    daemon = harness.daemon()
    to, device = delivery(), quiet()
    daemon._delivery, daemon.devices = to, (device,)
    daemon.follow_clock()
    daemon._clock.step = -5 * NS
    daemon._clock.now = 3.0
    daemon.follow_clock()
    daemon.follow_clock()
    assert to.calls == device.calls == [("clock_set", -5 * NS)]
    assert daemon._now.mono == STARTED + 3.0


def test_waiting_for_the_clock_is_logged_at_each_change(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """The delivery holds values back from then on, or no longer."""
    daemon = harness.daemon()
    to = daemon._delivery = delivery()
    with caplog.at_level(logging.INFO, "bat2influx"):
        for hold in (Hold.NO, Hold.UNSET, Hold.UNSET, Hold.UNSYNCHRONISED, Hold.NO):
            daemon._clock.hold = hold
            daemon.follow_clock()
    assert to.calls == [("hold", Hold.UNSET), ("hold", Hold.UNSYNCHRONISED), ("hold", Hold.NO)]
    assert [record.getMessage() for record in caplog.records] == [
        "the clock has not been set; values are queued until it is",
        "the clock is not synchronised yet; values are queued until it is",
        "no longer waiting for the clock; queued values are stored",
    ]


def test_timestamps_follow_the_clock_of_the_device(harness: Harness) -> None:
    """All timestamps are corrected, and values no longer wait; and the same back."""
    daemon = harness.daemon()
    to = daemon._delivery = delivery()
    heard = DeviceClock()
    for at in (0, 3, 6):
        heard.heartbeat(b'{"value":%d}' % (TIME // NS + 3600 + at), at * NS + NS // 2)
    battery = SimpleNamespace(name="", address="10.0.0.2", clock="device")
    device = quiet(battery=battery, clock=heard)
    daemon.devices = (device,)
    daemon._clock.synchronised, daemon._clock.hold = False, Hold.UNSYNCHRONISED
    daemon.follow_clock()
    assert to.calls == [("clock_switched", 3600 * NS)]
    assert (daemon._now.wall_ns, to.offset_ns) == (TIME + 3600 * NS, 3600 * NS)
    assert "3600.0 s behind the device's" in daemon._status_text(daemon._now)
    daemon._clock.synchronised, daemon._clock.hold = True, Hold.NO
    daemon.follow_clock()
    assert to.calls[1:] == [("clock_switched", -3600 * NS)]
    assert device.calls == [("clock_set", 3600 * NS), ("clock_set", -3600 * NS)]
    assert (daemon._now.wall_ns, to.offset_ns) == (TIME, 0)
    assert daemon._hold is Hold.NO


def test_values_become_lines_and_are_counted(harness: Harness) -> None:
    """Those of a device together, in order; a device without values hands nothing over."""
    daemon = harness.daemon("[Influx]\nmeasurement = bank\ntags = a:b\n" + TWO)
    to = daemon._delivery = delivery()
    soc, power = Series("Soc", NOWHERE), Series("Power", NOWHERE)
    boat = SimpleNamespace(name="boat", address="10.0.0.3", clock="own")
    daemon.devices = (
        quiet(pop_rows=lambda: [(soc, 61.5, 1), (soc, 62.0, 2)]),
        quiet(),
        quiet(battery=boat, pop_rows=lambda: [(power, 1.0, 3)]),
    )
    daemon.deliver()
    assert to.calls == [
        ("put", [b"bank,a=b Soc=61.5 1", b"bank,a=b Soc=62.0 2"]),
        ("put", [b"bank,a=b,site=boat Power=1.0 3"]),
    ]
    assert daemon._status._counted == 3


def _said(soc: float, *, open_until: float = -1.0, daemon: Any = None) -> Any:
    """Return a device with one value, and a pending request until that time."""
    rows = [(Series("Soc", NOWHERE), soc, 1)]

    def pop_rows() -> list[object]:
        taken, rows[:] = rows[:], []
        return taken

    made = quiet(pop_rows=pop_rows, expects_answer=lambda since: daemon._clock.now < open_until)
    type(made).has_readings = property(lambda self: bool(rows))
    return made


@pytest.mark.parametrize(
    ("open_until", "times", "put_at"),
    [
        (-1.0, (0.0,), 0.0),
        (0.002, (0.0, 0.001, 0.002), 0.002),
        (9.0, (0.0, 0.003, 0.0039, GATHER, 0.1), GATHER),
    ],
    ids=["nothing is awaited", "the rest comes", "the rest does not come"],
)
def test_values_of_a_tick_are_delivered_together(
    harness: Harness, open_until: float, times: tuple[float, ...], put_at: float
) -> None:
    """A request costs more than its values; no value waits longer than GATHER."""
    daemon = harness.daemon()
    to = daemon._delivery = delivery()
    daemon.devices = (_said(61.0, open_until=open_until, daemon=daemon),)
    for at in times:
        daemon._clock.now = at
        daemon.follow_clock()
        daemon.deliver()
        assert len(to.calls) == (at >= put_at), at
        assert daemon._gather_until == (math.inf if at >= put_at else STARTED + GATHER)


def test_it_waits_no_longer_than_values_may_gather(harness: Harness) -> None:
    """The loop turns again when they are due, whatever else is due later."""
    daemon = harness.daemon()
    loop = daemon._loop = Part(close=daemon._loop.close)
    daemon._status = daemon._self_report = SimpleNamespace(timeout=lambda now: 9.0)
    daemon._gather_until = STARTED + 0.002
    for at, most in ((0.0, 0.002), (0.003, 0.0)):
        daemon._clock.now = at
        daemon.wait()
        assert loop.calls.pop()[-1] == pytest.approx(most, abs=1e-9)


def test_gathering_values_are_delivered_before_a_step_of_the_clock(harness: Harness) -> None:
    """Their timestamps are corrected with those of all values handed over before."""
    daemon = harness.daemon()
    to = daemon._delivery = delivery()
    daemon.devices = (_said(61.0, open_until=9.0, daemon=daemon),)
    daemon.deliver()
    assert to.calls == []
    daemon._clock.step = 5 * NS
    daemon.follow_clock()
    assert [call[0] for call in to.calls] == ["put", "clock_set"]


def test_gathering_values_are_delivered_before_a_reload(harness: Harness) -> None:
    """The new file is without the device, or has other names for it."""
    daemon = harness.daemon()
    to = daemon._delivery = delivery(use=lambda _: None)
    said = _said(61.0, open_until=9.0, daemon=daemon)
    daemon.devices = (said,)
    daemon.deliver()
    assert to.calls == []
    daemon._self_report = Part()
    daemon._apply(harness.settings("[Influx]\nmeasurement = other\n" + TWO))
    assert to.calls == [("put", [b"dc Soc=61.0 1"])]


def test_a_message_of_any_device_counts_for_the_watchdog(harness: Harness) -> None:
    """It allows the next ping; a turn without a message does not."""
    daemon = harness.daemon()
    daemon._delivery = delivery()
    for heard in (False, True):
        daemon._loop = Part(step=lambda *_, heard=heard: heard, close=daemon._loop.close)
        daemon.step_devices({})
        daemon.report()
        assert daemon._watchdog.alive == (STARTED if heard else None)


@pytest.mark.parametrize("watched", [True, False])
def test_pings_and_intervals_need_a_watchdog(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """A start without a device requests more time; the health file is written in any case."""
    if not watched:
        monkeypatch.delenv("WATCHDOG_USEC")
    daemon = harness.daemon()
    daemon._delivery = delivery()
    daemon.devices = (quiet(),)
    sent = []
    for at, message in ((0.0, False), (10.0, False), (15.0, True), (15.5, False), (16.0, False)):
        daemon._clock.now = at
        if message:
            daemon._watchdog.message()
        daemon.report()
        sent += [text for text in harness.sent if text.startswith("WATCHDOG")]
        harness.sent.clear()
    asked = ["WATCHDOG_USEC=900000000", "WATCHDOG=1", "WATCHDOG_USEC=120000000"]
    assert sent == (asked if watched else [])
    health = json.loads((harness.run / "bat2influx.health").read_text())
    assert (health["at"], health["alive"]) == (STARTED + 16, STARTED + 15)
    assert health["within"] == 120.0
    assert health["status"] == "looking for 10.0.0.2; 0.0 values/s, 0 queued"


def test_the_health_file_has_the_figures_of_the_delivery(harness: Harness) -> None:
    """And the time of the latest value of all devices."""
    daemon = harness.daemon()
    daemon._delivery = delivery(figures=Figures(accepted=7, queued=3, database_up=False))
    daemon.devices = (quiet(), quiet(last_value_ns=TIME), quiet(last_value_ns=TIME - 1))
    daemon.report()
    figures = json.loads((harness.run / "bat2influx.health").read_text())["figures"]
    assert (figures["stored"], figures["queued"], figures["database_up"]) == (7, 3, False)
    assert figures["last_value_ns"] == TIME


@pytest.mark.parametrize(
    ("given", "battery", "spans"),
    [
        (8, "interval = 30", 96.0),
        (8, "interval = 1", 32.0),
        (8, "interval = 0.2", 8.0),
        (24, "mode = notify", 96.0),
        (200, "interval = 30", 200.0),
    ],
)
def test_found_a_short_watchdog_reported_a_device_between_two_messages(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, given: int, battery: str, spans: float
) -> None:
    """The shortest limit of a device, W/24, contains a message: a heartbeat comes every 3 s."""
    monkeypatch.setenv("WATCHDOG_USEC", str(given * 1_000_000))
    daemon = harness.daemon(f"[Battery]\naddress = 10.0.0.2\n{battery}\n")
    (device,) = daemon.devices
    assert device._liveness._reconnect_after == spans / 8
    assert PACES / 24 > 1


def test_lines_of_the_self_measurement_go_through_the_delivery(harness: Harness) -> None:
    """As soon as they are configured, and then when they are due."""
    daemon = harness.daemon("[Influx]\nself_measurement = own\n")
    accepting = daemon._delivery
    daemon._delivery = put = Part()
    put.figures = accepting.figures
    daemon._self_report._next = STARTED
    for at in (0.0, 5.0, 10.0):
        daemon._clock.now = at
        daemon.follow_clock()
        daemon.report_metrics()
    lines = [call[1] for call in put.calls if call[0] == "put"]
    assert len(lines) == 2
    assert b"own stored=0.0 %d" % TIME in lines[0]


# The end


class LastWords:
    """A loop in which each wait takes so many seconds, or its timeout if that is shorter."""

    def __init__(self, daemon: Any, seconds: float) -> None:
        self.close = daemon._loop.close
        self._clock, self._seconds = daemon._clock, seconds
        self.waits: list[float] = []

    def wait(self, _devices: object, _look: object, most: float) -> dict[int, int]:
        """Let time pass."""
        self.waits.append(most)
        self._clock.now += min(most, self._seconds)
        return {}

    def step(self, *_: object) -> bool:
        """Do nothing."""
        return False


@pytest.mark.parametrize(
    ("until", "waits"),
    [
        (0.0, []),
        (0.25, [0.5, 0.25 + 0.125]),
        (9.0, [0.5, 0.375, 0.25, 0.125]),
    ],
)
def test_pending_answers_are_awaited_at_the_end(
    harness: Harness, until: float, waits: list[float]
) -> None:
    """While one device awaits some, for at most half a second; all answers are delivered."""
    daemon = harness.daemon()
    loop = daemon._loop = LastWords(daemon, 0.125)
    since: list[float] = []

    def awaits(moment: float) -> bool:
        since.append(moment)
        return bool(daemon._clock.now < until)

    to = daemon._delivery = delivery()
    said = quiet(expects_answer=awaits, pop_rows=lambda: [(Series("Soc", NOWHERE), 1.0, 1)])
    daemon.devices = (quiet(), said)
    daemon._status._next = math.inf
    daemon.await_replies()
    assert loop.waits == waits
    assert {*since} == {STARTED - LAST_ANSWERS}
    assert len(to.calls) == len(waits)
    assert all(("stop_requests",) in device.calls for device in daemon.devices)


def test_after_a_failure_no_answer_is_awaited(harness: Harness) -> None:
    """Values that cannot be delivered are not requested."""
    daemon = harness.daemon()
    daemon.exit_code = os.EX_SOFTWARE
    daemon.devices = (quiet(),)
    daemon.await_replies()
    assert daemon.devices[0].calls == []


@pytest.mark.parametrize(
    ("figures", "event", "level"),
    [
        (Figures(accepted=5), "stopped", "INFO"),
        (Figures(queued=7, on_disk=7), "stopped", "INFO"),
        (Figures(queued=9, on_disk=7), "values lost", "ERROR"),
        (Figures(failed_thread="sender"), "stopped", "ERROR"),
    ],
)
def test_the_last_log_line_names_where_the_values_are(
    harness: Harness,
    caplog: pytest.LogCaptureFixture,
    figures: Figures,
    event: str,
    level: str,
) -> None:
    """Values up to the disconnect are delivered, and no runtime file stays."""
    daemon = harness.daemon("[Metrics]\ntextfile = yes\n")
    device = quiet(pop_rows=lambda: [(Series("Soc", NOWHERE), 1.0, 1)])
    daemon.devices = (device,)
    to = daemon._delivery = delivery(figures=figures)
    daemon.report()
    with caplog.at_level(logging.INFO, "bat2influx"):
        daemon.stop()
    assert device.calls == [("close",)]
    assert to.calls == [("put", [b"dc Soc=1.0 1"]), ("stop", STOP_TIMEOUT)]
    (record,) = caplog.records
    assert (record.getMessage(), record.levelname) == (ending.last_line(figures).text, level)
    assert vars(record)["MESSAGE_ID"] == message_id(event)
    assert vars(record).get("COUNT") == ("2" if event == "values lost" else None)
    assert list(harness.run.iterdir()) == []
    assert harness.sent[-1] == "STOPPING=1"
    assert daemon._wakeup.fileno() == -1

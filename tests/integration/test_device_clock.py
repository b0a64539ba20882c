"""A boat without a network: timestamps by the device's clock; the test controls both clocks.

Each stored time is compared with that at which the device published the value. A heartbeat's time
is exact to half a second, and the machine may be busy.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from bat2influx.reading import NS
from tests.standins.venus.device import Device
from tests.support.clocks import Clocks
from tests.support.compare import NINE, answered, missing_values, published, stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
BATTERY = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275, "clock": "device"}
HOUR, DAY = 3600.0, 86_400.0
IN_1970 = 10 * DAY
VOLTAGE = NINE["Voltage"]
EARLY, LATE = 2.0, 5.0  # s, of a timestamp: a heartbeat's half second, a tick, and a busy machine
FOLLOWED = "timestamps follow the clock of the device at 127.0.0.1"
AN_HOUR = r"3(599|600)\.\d s"
APART = r"this machine's clock is not synchronised and is 259(199|200)\.\d s behind the device's"
OWN = "timestamps follow this machine's clock again"


class Boat:
    """The device, the daemon and their clocks; `ours` is the offset of this machine's, in s."""

    def __init__(self, setting: Setting, folder: Path, ours: float) -> None:
        self.setting = setting
        self.device = Device(P, counted=True)
        setting.venus(self.device)
        self.clocks = Clocks(folder / "clocks")
        self.clocks.put(wall=ours)
        self._synchronised = folder / "timesync" / "synchronized"
        self._synchronised.parent.mkdir()
        self.notify = setting.notify_socket()

    def start(self, *options: str, **sections: dict[str, object]) -> None:
        """Start the daemon, or another command."""
        self.daemon = self.setting.daemon(
            notify=self.notify,
            watchdog=40.0,
            module="tests.support.clocks",
            options=options,
            environment={
                "CLOCKS": str(self.clocks.file),
                "SYNCHRONISED": str(self._synchronised),
                "RUNTIME_DIRECTORY": str(self._synchronised.parent),
            },
            **{"Battery": BATTERY, **sections},
        )

    def synchronise(self) -> None:
        """Set this machine's clock, as systemd-timesyncd does."""
        self.clocks.put(wall=0.0)
        self._synchronised.touch()

    def more(self, count: int = 10) -> None:
        """Wait until the device has answered so many more reads, and all answers are stored."""
        before = len(answered(self.device, VOLTAGE))
        wait("reads", lambda: len(answered(self.device, VOLTAGE)) >= before + count)
        latest = answered(self.device, VOLTAGE)[-2][1]
        wait(
            "the latest",
            lambda: any(v >= latest for _, v in stored_values(self.setting, "Voltage")),
        )

    def more_reads(self, count: int = 10) -> None:
        """Wait until the device has answered so many more reads, stored or not."""
        before = len(answered(self.device, VOLTAGE))
        wait("reads", lambda: len(answered(self.device, VOLTAGE)) >= before + count)

    @property
    def now(self) -> int:
        """How many values of the voltage the device has published so far."""
        return len(published(self.device, VOLTAGE))

    def off(self, since: int = 0, until: int | None = None) -> list[float]:
        """Return the offsets in s of the timestamps of a span of values, by their numbers."""
        when = {value: at for at, value in published(self.device, VOLTAGE)[since:until]}
        found = [
            (at / NS, value)
            for at, value in stored_values(self.setting, "Voltage")
            if value in when
        ]
        assert found
        return [stamp - when[value] for stamp, value in found]

    def assert_off(self, *offsets: float, since: int = 0, until: int | None = None) -> None:
        """Assert that each timestamp of a span is off by one of these, in s."""
        wrong = [
            off
            for off in self.off(since, until)
            if not any(-EARLY < off - each < LATE for each in offsets)
        ]
        assert not wrong, f"timestamps are off by {wrong[:5]}"

    def assert_all(self, *offsets: float) -> None:
        """Assert that each answer is stored, and none of them twice; to be called at the end."""
        assert self.daemon.stop() == 0
        spoken, answers = published(self.device, VOLTAGE), {*answered(self.device, VOLTAGE)}
        stored = stored_values(self.setting, "Voltage")
        values = [value for _, value in stored]
        assert len(values) == len({*values})
        assert {*values} <= {value for _, value in spoken}
        ended = max(at for at, value in spoken if value in {*values})
        owed = [each for each in sorted(answers) if each[0] <= ended]
        unasked = [each for each in spoken if each not in answers]
        missing = missing_values(owed, stored, interval=0.2, offsets=offsets, unasked=unasked)
        assert not missing, f"{len(missing)} of {len(owed)} are missing"


def test_a_machine_in_1970_stores_by_the_clock_of_the_device(
    setting: Setting, tmp_path: Path
) -> None:
    """From the first value on, whatever happens to either clock, until ours is synchronised."""
    boat = Boat(setting, tmp_path, IN_1970 - time.time())
    boat.start()
    boat.daemon.wait_for_log("the clock has not been set; values are queued until it is")
    boat.daemon.wait_for_log(FOLLOWED)
    boat.daemon.wait_for_log("no longer waiting for the clock")
    boat.more()
    wait("the status", lambda: "behind the device's (timestamps" in boat.notify.status)
    boat.clocks.put(wall=-3 * DAY)  # set, and wrong
    boat.more()
    boat.device.set_clock(0.0, shown=False)  # no more heartbeats
    boat.more()
    boat.device.set_clock(25.0 - time.time())  # the device has restarted, in 1970
    boat.more(20)
    boat.assert_off(0.0)
    boat.synchronise()
    boat.daemon.wait_for_log(OWN)
    boat.more()
    assert len(boat.daemon.logged(FOLLOWED)) == 1
    wait("the status", lambda: "clock" not in boat.notify.status)
    boat.assert_off(0.0)
    boat.assert_all(0.0)


@pytest.mark.parametrize("timestamps", ["arrival", "tick"])
def test_both_clocks_are_wrong(setting: Setting, tmp_path: Path, timestamps: str) -> None:
    """Timestamps are as wrong as the device's, and right once the machine's is synchronised."""
    boat = Boat(setting, tmp_path, -3 * DAY)
    boat.device.set_clock(HOUR)
    boat.start(Influx={"timestamps": timestamps})
    boat.daemon.wait_for_log(FOLLOWED)
    boat.more()
    boat.assert_off(HOUR)
    boat.synchronise()
    boat.daemon.wait_for_log(OWN)
    since = boat.now
    boat.more()
    boat.assert_off(HOUR, 0.0)
    boat.assert_off(0.0, since=since + 2)
    boat.assert_all(0.0, HOUR)


def test_values_are_queued_while_neither_clock_is_set(setting: Setting, tmp_path: Path) -> None:
    """They get the right time once the device has it, and nothing is stored in 1970."""
    boat = Boat(setting, tmp_path, IN_1970 - time.time())
    boat.device.set_clock(25.0 - time.time())
    boat.start()
    boat.daemon.wait_for_log("the clock has not been set; values are queued until it is")
    boat.more_reads(50)
    assert not setting.stored()
    boat.device.set_clock(0.0)
    boat.daemon.wait_for_log(FOLLOWED)
    boat.more()
    boat.assert_off(0.0)
    boat.assert_all(0.0)


def test_at_the_switch_queued_values_are_moved_and_stored_ones_stay(
    setting: Setting, tmp_path: Path
) -> None:
    """The device's clock was wrong, and the database down when the machine's was synchronised."""
    boat = Boat(setting, tmp_path, 0.0)
    boat.device.set_clock(-HOUR)
    boat.start()
    boat.daemon.wait_for_log(FOLLOWED)
    boat.more()
    setting.influxdb.stop()
    boat.daemon.wait_for_log("values are queued")
    begun = boat.now
    boat.more_reads(20)
    boat.synchronise()
    moved = boat.daemon.wait_for_log(f"timestamps move forward by {AN_HOUR}, also those of")
    assert int(moved.partition("those of ")[2].split()[0]) >= 20
    boat.more_reads()
    setting.influxdb.start()
    boat.more()
    boat.assert_off(-HOUR, until=begun - 10)
    boat.assert_off(0.0, since=begun + 2)
    boat.assert_all(0.0, -HOUR)


def test_a_jump_of_the_devices_clock_is_followed(setting: Setting, tmp_path: Path) -> None:
    """It was ahead, and was corrected: timestamps go back, and no value is overwritten."""
    boat = Boat(setting, tmp_path, -3 * DAY)
    boat.device.set_clock(HOUR)
    boat.start()
    boat.daemon.wait_for_log(FOLLOWED)
    boat.more()
    boat.device.set_clock(0.0)
    boat.daemon.wait_for_log(f"the clock was set back by {AN_HOUR}")
    since = boat.now
    boat.more()
    boat.assert_off(0.0, since=since + 2)
    boat.assert_off(0.0, HOUR)
    boat.assert_all(0.0, HOUR)


def test_by_default_a_difference_is_only_reported(setting: Setting, tmp_path: Path) -> None:
    """In the status line and in the metrics, until the machine's clock is synchronised."""
    boat = Boat(setting, tmp_path, -3 * DAY)
    boat.start(Battery={**BATTERY, "clock": "own"}, Metrics={"textfile": "yes"})
    wait("the status", lambda: re.search(f"{APART};", boat.notify.status))
    prom = tmp_path / "timesync" / "bat2influx.prom"

    def metric() -> list[str]:
        lines = prom.read_text().splitlines() if prom.exists() else []
        return [line for line in lines if line.startswith("bat2influx_clock_difference_seconds ")]

    (line,) = wait("the metric", metric)
    assert float(line.split()[1]) == pytest.approx(-3 * DAY, abs=1.0)
    assert not boat.daemon.logged(FOLLOWED)
    boat.synchronise()
    wait("no difference", lambda: "clock" not in boat.notify.status and not metric())


def test_a_device_in_mode_notify(setting: Setting, tmp_path: Path) -> None:
    """Its heartbeats come all the same; each change gets the device's time."""
    boat = Boat(setting, tmp_path, IN_1970 - time.time())
    boat.start(Battery={**BATTERY, "mode": "notify"})
    boat.daemon.wait_for_log(FOLLOWED)
    wait("changes", lambda: len(stored_values(setting, "Voltage")) > 10)
    boat.synchronise()
    boat.daemon.wait_for_log(OWN)
    before = len(stored_values(setting, "Voltage"))
    wait("changes", lambda: len(stored_values(setting, "Voltage")) > before + 3)
    boat.assert_off(0.0)
    assert boat.daemon.stop() == 0
    values = [value for _, value in stored_values(setting, "Voltage")]
    assert len(values) == len({*values})


@pytest.mark.parametrize(
    ("clock", "then"),
    [
        ("device", "; timestamps follow the device's clock"),
        ("own", "; to use the device's for timestamps, write clock = device under [Battery] in "),
    ],
)
def test_check_reports_the_difference_of_the_clocks(
    setting: Setting, tmp_path: Path, clock: str, then: str
) -> None:
    """And the clock of the timestamps, or the setting for that; it is no fault."""
    boat = Boat(setting, tmp_path, -3 * DAY)
    boat.start("check", Battery={**BATTERY, "clock": clock})
    assert boat.daemon.wait_for_end() == 0
    text = f"^note +clock +{APART}{re.escape(then)}"
    assert boat.daemon.logged(text), boat.daemon.tail(30)

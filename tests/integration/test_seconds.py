"""How many seconds a daemon with real time spans (W = 120 s) takes to detect changes of services.

A failure prints the measured times. A bound is twice the documented time, because the machines that
run this are shared; without the code under test, each takes 15 s to 15 min.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from bat2influx.reading import NS
from tests.standins.venus.device import Device
from tests.support.compare import stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait

P = "c0619ab1c2d3"
AT_ONCE = 4.0  # s; a farewell, handled on arrival
SOON = 10.0  # s; a return, twice 5 s
HANGING = 30.0  # s; a service that hangs, polled: twice W/8
MODES = pytest.mark.parametrize("mode", ["poll", "notify"])

pytestmark = pytest.mark.long


class Scene:
    """A device, the daemon that reads it, and its messages to systemd."""

    def __init__(self, setting: Setting, mode: str, device: Device, **battery: object) -> None:
        self.setting, self.device = setting, device
        setting.venus(device)
        device.quicken(2)
        self.notify: NotifySocket = setting.notify_socket()
        self.fields = battery.pop("fields", {})
        self.daemon: Daemon = setting.daemon(
            notify=self.notify,
            Battery={"mode": mode, "soc_interval": 1, **battery},
            Fields=self.fields,  # type: ignore[arg-type]
        )

    def values(self, field: str) -> Callable[[], bool]:
        """Return the condition that there is a current value."""
        since = time.time()
        return lambda: (
            bool(stored := stored_values(self.setting, field)) and stored[-1][0] / NS > since
        )

    def status(self, words: str) -> Callable[[], bool]:
        """Return the condition that the status has this text."""
        return lambda: re.search(words, self.notify.status) is not None

    def seconds(self, what: str, condition: Callable[[], bool], most: float) -> None:
        """Wait for it, and assert that it took no longer."""
        begun = time.monotonic()
        wait(what, condition, 8 * most)
        took = time.monotonic() - begun
        assert took <= most, f"{what} took {took:.1f} s, and {most:g} s is the most"


@MODES
def test_a_farewell_and_a_return_are_detected_at_once(setting: Setting, mode: str) -> None:
    """Status and log have its name and the time, and no old value is shown."""
    scene = Scene(setting, mode, Device(P))
    wait("values", scene.values("Voltage"))
    scene.device.vanish("vebus")
    lost = scene.status(r"no longer has vebus 275 \(since \d\d:\d\d:\d\d\)")
    scene.seconds("the farewell in the status", lost, AT_ONCE)
    wait("no old value shown", lambda: "Voltage 5" not in scene.notify.status)
    assert scene.daemon.logged("no longer has vebus 275")
    scene.device.come_back("vebus")
    scene.seconds("a value after the return", scene.values("Voltage"), SOON)
    wait("a good status", lambda: "no longer" not in scene.notify.status)
    assert not scene.daemon.logged("no such path|ERROR")
    assert scene.daemon.stop() == 0


@MODES
def test_a_renumbered_inverter_is_read_soon(setting: Setting, mode: str) -> None:
    """275 leaves and 276 appears: as if a cable were plugged in elsewhere."""
    scene = Scene(setting, mode, Device(P))
    wait("values", scene.values("Voltage"))
    scene.device.renumber("vebus", 276)
    scene.seconds("a value of the new instance", scene.values("Voltage"), SOON)
    wait("the log", lambda: bool(scene.daemon.logged("vebus 276")))
    assert scene.device.log.counters.republishes <= 1
    assert scene.daemon.stop() == 0


@MODES
def test_services_that_start_late_at_a_boot_are_read_soon(setting: Setting, mode: str) -> None:
    """The daemon runs first: then comes the inverter, then the services of a preset."""
    device = Device(P, ("vebus", "system", "battery/512"))
    device.restart(late=["vebus", "battery/512"])
    scene = Scene(setting, mode, device, fields={"presets": "battery"})
    wait("what is missing", scene.status("has no vebus"))
    scene.device.come_back("vebus")
    scene.seconds("the inverter's value", scene.values("Voltage"), SOON)
    scene.device.come_back("battery/512")
    scene.seconds("the battery's value", scene.values("BatteryVoltage"), SOON)
    assert scene.daemon.stop() == 0


@MODES
def test_a_service_that_crashes_is_reported_with_the_time(setting: Setting, mode: str) -> None:
    """W/8 after its first missed answer; in mode notify after a read that is sent before."""
    scene = Scene(setting, mode, Device(P))
    wait("values", scene.values("Voltage"))
    scene.device.crash("vebus")
    wait("no answer shown", scene.status("Voltage no answer"), HANGING)
    hangs = scene.status(r"vebus 275 is not responding \(since \d\d:\d\d:\d\d\)")
    scene.seconds("the crash in the status", hangs, HANGING + (AT_ONCE if mode == "notify" else 0))
    scene.device.come_back("vebus")
    scene.seconds("a value after the return", scene.values("Voltage"), SOON)
    assert not scene.daemon.logged("no such path|has no vebus|ERROR")
    assert scene.daemon.stop() == 0

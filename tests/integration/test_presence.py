"""Services that leave, come late or return, with the real daemon: the others continue.

The numbers are those of VENUS, "Presence"; W is short where that only shortens the test.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.test_check import Check
from tests.standins.venus.device import Device
from tests.support.compare import stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
CHARGERS = ("solarcharger/288", "solarcharger/289", "solarcharger/290")
SYSTEM_OF_THREE = {
    "Battery": {"interval": 0.2, "soc_interval": 0.2},
    "Fields": {
        "defaults": "no",
        **{f"Pv{each[-3:]}": f"{each}/Yield/Power" for each in CHARGERS},
        "Shunt": "battery/512/Soc",
        "Bms": "battery/513/Soc",
    },
}
W = 24.0  # s


def more(setting: Setting, field: str, count: int = 5) -> Callable[[], bool]:
    """Return the condition that `count` more values of a field are stored than now."""
    before = len(stored_values(setting, field))
    return lambda: len(stored_values(setting, field)) >= before + count


@pytest.fixture
def three(setting: Setting) -> Device:
    """Three chargers, two batteries and no vebus."""
    device = Device(P, (*CHARGERS, "battery/512", "battery/513", "system"))
    setting.venus(device)
    return device


def test_check_reports_no_choice_for_given_instances(setting: Setting, three: Device) -> None:
    """The file has each instance, so that nothing is left to choose."""
    check = Check(setting.write_ini(**SYSTEM_OF_THREE))
    assert (check.code, check.of("WRONG")) == (0, [])
    assert check.text("instance").splitlines() == [
        "solarcharger 288",
        "solarcharger 289",
        "solarcharger 290",
        "battery 512",
        "battery 513",
    ]


@pytest.mark.long
def test_found_a_charger_that_was_switched_off_ended_the_daemon(
    setting: Setting, three: Device
) -> None:
    """It is reported while the others continue, and read again after its return."""
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=W, **SYSTEM_OF_THREE)
    wait("values", lambda: len(stored_values(setting, "Pv288")) >= 5)
    three.vanish("solarcharger/288")
    daemon.wait_for_log("no longer has solarcharger 288 .since .*check that it is connected")
    wait("the same in STATUS", lambda: "no longer has solarcharger 288" in notify.status)
    for field in ("Pv289", "Pv290", "Shunt", "Bms"):
        wait(f"more of {field}", more(setting, field))
    back = more(setting, "Pv288")
    three.come_back("solarcharger/288")
    wait("its values", back)
    daemon.wait_for_log("every field is answered")
    assert not daemon.logged("ERROR|several|no such path")
    assert daemon.stop() == 0


@pytest.mark.long
def test_found_a_preset_whose_service_came_twice_ended_the_daemon(setting: Setting) -> None:
    """A second battery, plugged in later, is a choice in STATUS, and all else is read."""
    device = Device(P, ("vebus", "system"))
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify,
        watchdog=4.0,  # the next search for a preset's services comes after 7.5 W
        Battery=SYSTEM_OF_THREE["Battery"],
        Fields={"presets": "battery"},
    )
    wait("values", lambda: len(stored_values(setting, "Voltage")) >= 5)
    paths = {"/ProductId": 1, "/Soc": 50.0, "/Dc/0/Voltage": 52.0}
    for instance in (512, 513):
        device.add_service("battery", instance, paths)
    wait("the choice in STATUS", lambda: "several instances of battery" in notify.status)
    assert "the other fields are read" in notify.status
    wait("more values", more(setting, "Voltage"))
    assert daemon.stop() == 0

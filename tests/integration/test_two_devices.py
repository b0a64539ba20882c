"""Several devices in one process: each is read independently of the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.support.compare import NINE, assert_all
from tests.support.daemon import Setting, wait
from tests.support.process import free_port

A, B = "c0619ab1c2d3", "c0619ab1d4e5"
QUICK = {"interval": 0.2, "soc_interval": 0.2}


def of(setting: Setting, site: str, field: str) -> list[tuple[int, float]]:
    """Return (time in ns, number) of a field of one device."""
    rows = [row for row in setting.rows() if row.get("site") == site]
    return [(int(row["time"]), float(row[field])) for row in rows if row.get(field) is not None]


def battery(setting: Setting, **keys: object) -> Mapping[str, object]:
    """Return a section for the test's broker, with `keys`."""
    return {"address": "127.0.0.1", "port": setting.mosquitto.port, **QUICK, **keys}


@pytest.mark.parametrize("way", ["off", "silent"])
def test_one_is_missing_and_the_other_loses_nothing(setting: Setting, way: str) -> None:
    """The service continues, pings are sent, and STATUS= names the missing device."""
    there, missing = Device(A, counted=True), Device(B)
    missing.silence()
    setting.venus(there, missing)
    port = free_port() if way == "off" else setting.mosquitto.port
    notify = setting.notify_socket()
    del setting.ini["Battery"]
    daemon = setting.daemon(
        notify=notify,
        watchdog=32,
        **{
            "Battery home": battery(setting, serial=A, instance=275),
            "Battery boat": battery(setting, serial=B, instance=275, port=port),
        },
    )
    named = (
        f"refused by 127.0.0.1 port {port}"
        if way == "off"
        else f"device {B} at 127.0.0.1 does not respond"
    )
    wait("its name in STATUS", lambda: named in notify.status)
    wait("pings", lambda: len(notify.times("WATCHDOG")) >= 4)
    assert "home: Voltage " in notify.status
    assert re.search(f"boat: [^;]*{named}", notify.status)
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_all(there, leaf, of(setting, "home", field), field)
        assert not of(setting, "boat", field)


def test_each_has_separate_fields(setting: Setting) -> None:
    """[Fields NAME] replaces [Fields]; the tag `site` distinguishes them."""
    setting.venus(Device(A), Device(B, ("vebus", "system", "battery")))
    del setting.ini["Battery"]
    setting.daemon(
        **{
            "Battery home": battery(setting, serial=A),
            "Battery boat": battery(setting, serial=B, mode="notify"),
            "Fields": {"State": "vebus/State"},
            "Fields boat": {"defaults": "no", "presets": "battery"},
        }
    )

    def fields(site: str) -> set[str]:
        rows = [row for row in setting.rows() if row.get("site") == site]
        return {key for row in rows for key, value in row.items() if value is not None} - {
            "time",
            "site",
        }

    wait("home", lambda: fields("home") == {*NINE, "State"})
    wait("boat", lambda: "BatterySoc" in fields("boat"))
    assert all(field.startswith("Battery") for field in fields("boat"))


def test_a_choice_for_the_user_at_one_does_not_stop_the_other(setting: Setting) -> None:
    """Its choices are in the log and in STATUS=, and the others continue."""
    setting.venus(Device(A), Device(B, ("vebus", "vebus/276", "system")))
    notify = setting.notify_socket()
    del setting.ini["Battery"]
    daemon = setting.daemon(
        notify=notify,
        **{
            "Battery home": battery(setting, serial=A),
            "Battery boat": battery(setting, serial=B),
        },
    )
    wait("it in STATUS", lambda: "several instances of vebus" in notify.status)
    wait("values", lambda: len(of(setting, "home", "Voltage")) >= 10)
    (line,) = daemon.logged("several instances of vebus")
    assert "under [Battery boat] in" in line
    assert daemon.running
    assert daemon.stop() == 0


def test_two_brokers_and_one_that_restarts(setting: Setting, tmp_path: Path) -> None:
    """Each has its own connection: an outage of one does not affect the other."""
    home, boat = Device(A, counted=True), Device(B, counted=True)
    setting.venus(home)
    del setting.ini["Battery"]
    with (
        Mosquitto(tmp_path / "boat") as other,
        VenusRunner("127.0.0.1", other.port, boat) as runner,
    ):
        daemon = setting.daemon(
            watchdog=60,
            **{
                "Battery home": battery(setting, serial=A, instance=275),
                "Battery boat": battery(setting, serial=B, instance=275, port=other.port),
            },
        )
        wait("both", lambda: of(setting, "home", "Soc") and of(setting, "boat", "Soc"))
        before = len(of(setting, "boat", "Soc"))
        other.restart()
        assert runner.wait_attached()
        wait("again", lambda: len(of(setting, "boat", "Soc")) >= before + 5)
        assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_all(home, leaf, of(setting, "home", field), field)

"""A broker that is not the device: bridged, below a prefix, and without its retained message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.venus.bridge import Bridged
from tests.standins.venus.device import Device
from tests.support.compare import NINE, assert_complete
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
QUICK = {"interval": 0.2, "soc_interval": 0.2}


def nine(setting: Setting) -> bool:
    """Tell whether all are stored, some more than once."""
    stored = setting.stored()
    return {field for _, field, _ in stored} == NINE.keys() and len(stored) > 50


@pytest.mark.parametrize("prefix", ["boat/", "house/boat/"])
def test_all_is_found_below_a_prefix(setting: Setting, tmp_path: Path, prefix: str) -> None:
    """Portal id and instance are found, and every answer is stored once."""
    device = Device(P, counted=True)
    setting.venus(device)
    with Bridged(tmp_path / "house", setting.mosquitto, prefix=prefix) as house:
        daemon = setting.daemon(
            watchdog=60,
            Battery={**QUICK, "port": house.port, "topic_prefix": prefix.removesuffix("/")},
        )
        wait("the nine", lambda: nine(setting))
        assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)
    assert not daemon.says("WARNING|ERROR")


def test_what_is_discovered_through_a_bridge_has_its_prefix(
    setting: Setting, tmp_path: Path
) -> None:
    """The lines for the ini are those by which it was reached."""
    setting.venus(Device(P))
    with Bridged(tmp_path / "house", setting.mosquitto) as house:
        discover = setting.daemon(
            Battery={"port": house.port, "topic_prefix": "boat"},
            options=("discover", f"127.0.0.1:{house.port}"),
        )
        assert discover.wait_for_end() == 0, discover.log.read_text()
    assert discover.says("^topic_prefix = boat/$")


@pytest.fixture
def house(setting: Setting, tmp_path: Path) -> Iterator[Bridged]:
    """A broker to which no retained message comes over."""
    with Bridged(tmp_path / "house", setting.mosquitto, retained=False) as made:
        yield made


@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_without_a_retained_serial_the_portal_id_is_given(
    setting: Setting, house: Bridged, mode: str
) -> None:
    """With `serial` all is as at the device itself, and the instance is found."""
    setting.venus(Device(P))
    battery = {**QUICK, "port": house.port, "topic_prefix": "boat", "serial": P, "mode": mode}
    setting.daemon(watchdog=60, Battery=battery)
    wait("the nine", lambda: nine(setting))


def test_without_both_it_is_told_to_give_it(setting: Setting, house: Bridged) -> None:
    """That the broker may be no device is said, with the key to set."""
    setting.venus(Device(P))
    notify = setting.notify_socket()
    setting.daemon(
        notify=notify, watchdog=16, Battery={**QUICK, "port": house.port, "topic_prefix": "boat"}
    )
    wait("it in STATUS", lambda: "no device has said its portal id" in notify.status)
    assert "set serial" in notify.status


def test_a_device_that_is_cut_off_behind_the_bridge(setting: Setting, tmp_path: Path) -> None:
    """The broker is there and the device is not: told as its silence, until the bridge is back."""
    runner = setting.venus(Device(P))
    notify = setting.notify_socket()
    with Bridged(tmp_path / "house", setting.mosquitto) as house:
        setting.daemon(
            notify=notify,
            watchdog=16,
            Battery={**QUICK, "port": house.port, "topic_prefix": "boat"},
        )
        wait("the nine", lambda: nine(setting))
        setting.mosquitto.stop()
        wait("its silence", lambda: f"device {P} at 127.0.0.1 is silent" in notify.status)
        setting.mosquitto.start()
        assert runner.wait_attached()
        before = len(setting.stored())
        wait("values again", lambda: len(setting.stored()) > before + 20)
        wait("a good STATUS", lambda: "silent" not in notify.status)

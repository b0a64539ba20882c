"""A broker that is not the device: bridged, below a prefix, and without its retained message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_check import EX_OK, EX_UNAVAILABLE, Check
from tests.integration.test_discover import Result, discover
from tests.standins.venus.bridge import Bridged
from tests.standins.venus.device import Device
from tests.support.compare import NINE, assert_complete
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
QUICK = {"interval": 0.2, "soc_interval": 0.2}


def nine(setting: Setting) -> bool:
    """Return whether all are stored, some more than once."""
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
    assert not daemon.logged("WARNING|ERROR")


def test_what_is_discovered_through_a_bridge_has_its_prefix(
    setting: Setting, tmp_path: Path
) -> None:
    """The lines for the ini are those of its connection."""
    setting.venus(Device(P))
    with Bridged(tmp_path / "house", setting.mosquitto) as house:
        discover = setting.daemon(
            Battery={"port": house.port, "topic_prefix": "boat"},
            options=("discover", f"127.0.0.1:{house.port}"),
        )
        assert discover.wait_for_end() == 0, discover.log.read_text()
    assert discover.logged("^topic_prefix = boat/$")


@pytest.fixture
def house(setting: Setting, tmp_path: Path) -> Iterator[Bridged]:
    """A broker that gets no retained message from the bridge."""
    with Bridged(tmp_path / "house", setting.mosquitto, retained=False) as made:
        yield made


@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_without_a_retained_serial_the_portal_id_is_given(
    setting: Setting, house: Bridged, mode: str
) -> None:
    """With `serial` all is as at the device itself, and the instance is discovered."""
    setting.venus(Device(P))
    battery = {**QUICK, "port": house.port, "topic_prefix": "boat", "serial": P, "mode": mode}
    setting.daemon(watchdog=60, Battery=battery)
    wait("the nine", lambda: nine(setting))


def test_without_both_the_key_to_set_is_reported(setting: Setting, house: Bridged) -> None:
    """The log says that the broker may be no device, with the key to set."""
    setting.venus(Device(P))
    notify = setting.notify_socket()
    setting.daemon(
        notify=notify, watchdog=16, Battery={**QUICK, "port": house.port, "topic_prefix": "boat"}
    )
    wait("it in STATUS", lambda: "no device has published its portal id" in notify.status)
    assert "set serial" in notify.status


def test_a_device_that_is_cut_off_behind_the_bridge(setting: Setting, tmp_path: Path) -> None:
    """The broker runs, the device does not respond: reported until the bridge reconnects."""
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
        wait("its report", lambda: f"device {P} at 127.0.0.1 does not respond" in notify.status)
        setting.mosquitto.start()
        assert runner.wait_attached()
        before = len(setting.stored())
        wait("values again", lambda: len(setting.stored()) > before + 20)
        wait("a good STATUS", lambda: "does not respond" not in notify.status)


# A bridge in one direction


@pytest.fixture(params=["", "boat/"], ids=["no prefix", "prefix"])
def one_way(
    request: pytest.FixtureRequest, setting: Setting, tmp_path: Path
) -> Iterator[tuple[Bridged, Device, str]]:
    """A broker that gets what the device publishes and passes no request to it."""
    device, prefix = Device(P), request.param
    setting.venus(device)
    with Bridged(tmp_path / "one way", setting.mosquitto, prefix=prefix, questions=False) as made:
        setting.ini["Battery"] |= {"port": made.port}
        if prefix:
            setting.ini["Battery"]["topic_prefix"] = prefix
        yield made, device, prefix


def asked_at(setting: Setting, port: int) -> Result:
    """Return the result of `discover` for a broker."""
    return discover(setting.write_ini(), f"127.0.0.1:{port}")


def test_values_without_answers_name_the_bridge(
    setting: Setting, one_way: tuple[Bridged, Device, str]
) -> None:
    """Other clients keep the device awake: check reports the fault, discover lists the values."""
    house, device, _ = one_way
    device.foreign(1.0, ["system/0/Dc/Battery/Soc"], keepalive=True)
    said, device_there = "sends values, but does not answer requests. Check", f"device {P} at"
    check = Check(setting.write_ini())
    assert check.code == EX_UNAVAILABLE
    assert check.of("wrong") == ["device"], check.output
    assert f"{device_there} 127.0.0.1 {said}" in check.text("device")
    assert "the bridge forwards" in check.text("device")
    assert "restart" not in check.output
    result = asked_at(setting, house.port)
    assert f"{device_there} 127.0.0.1:{house.port} {said}" in result.err
    assert "= vebus/275/" in result.out
    assert not [request for request in device.log.requests if "system/0/Dc" not in request.topic]


def test_a_retained_serial_without_answers_names_the_bridge(
    setting: Setting, one_way: tuple[Bridged, Device, str]
) -> None:
    """If no client keeps it awake, its serial number is the only message."""
    house, _, prefix = one_way
    check = Check(setting.write_ini())
    assert check.of("wrong") == ["device"], check.output
    assert "R/#" in check.text("device")
    assert ("restart" in check.text("device")) is (prefix == "")
    assert "R/#" in asked_at(setting, house.port).err


# A prefix that is missing, or wrong


@pytest.mark.parametrize(
    ("there", "own"), [("boat/", ""), ("home/cellar/", ""), ("home/cellar/", "boat"), ("", "boat")]
)
def test_the_prefix_is_guessed_from_retained_messages(
    setting: Setting, tmp_path: Path, there: str, own: str
) -> None:
    """With the guess in the file all is ok; discover lists the device below it at once."""
    setting.venus(Device(P))
    with Bridged(tmp_path / "house", setting.mosquitto, prefix=there) as house:
        battery = {"port": house.port} | ({"topic_prefix": own} if own else {})
        check = Check(setting.write_ini(Battery=battery))
        assert check.of("wrong") == ["portal id"], check.output
        shown = there.removesuffix("/")
        how = f"Set topic_prefix = {shown} in" if there else "Remove topic_prefix from"
        assert how in check.text("portal id")
        result = discover(setting.directory / "bat2influx.ini", f"127.0.0.1:{house.port}")
        assert "= vebus/275/" in result.out, result.err
        assert (f"topic_prefix = {there}" in result.lines) is bool(there)
        setting.ini["Battery"].pop("topic_prefix", None)
        right = Check(
            setting.write_ini(Battery={"port": house.port, "topic_prefix": shown or '""'})
        )
        assert right.code == EX_OK, right.output

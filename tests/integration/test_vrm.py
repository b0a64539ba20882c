"""The VRM cloud's broker, by its rules: found by the portal id; refusals are explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import steady_unix_time
from tests.standins.venus.vrm_cloud import GUEST, GUEST_TOKEN, MODULE, OWNER, OWNER_TOKEN, VrmCloud
from tests.support.compare import NINE, stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
INTEREST = 4.0  # s, in place of two minutes


@pytest.fixture
def cloud(setting: Setting, tmp_path: Path) -> Iterator[VrmCloud]:
    """The cloud, and an ini for its owner."""
    with VrmCloud(tmp_path / "cloud", P) as made:
        setting.ini["Battery"] = {
            "address": "vrm",
            "serial": P,
            "user": OWNER,
            "password": OWNER_TOKEN,
            "ca_file": made.ca_file,
            "interval": 0.5,
            "soc_interval": 0.5,
        }
        yield made


@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_the_nine_over_the_cloud(setting: Setting, cloud: VrmCloud, mode: str) -> None:
    """Portal id, e-mail and token are enough, and values continue without other clients."""
    device = Device(P)
    with cloud.runner(device, interest=INTEREST):
        daemon = setting.daemon(
            watchdog=15,
            module=MODULE,
            environment=cloud.client_environment,
            Battery={"mode": mode},
        )
        wait("the nine", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
        since = steady_unix_time()
        wait("twice the interval", lambda: steady_unix_time() > since + 2 * INTEREST)
        before = len(stored_values(setting, "Voltage"))
        wait("more", lambda: len(stored_values(setting, "Voltage")) >= before + 3)
        assert daemon.stop() == 0
    assert cloud.name in daemon.log.read_text()
    assert not daemon.logged("WARNING|ERROR")
    assert device.log.counters.wildcards == 0


def test_check_over_the_cloud(setting: Setting, cloud: VrmCloud) -> None:
    """Each step is printed, and no subscription is sent that the cloud rejects."""
    with cloud.runner(Device(P)):
        check = setting.daemon(
            module=MODULE, environment=cloud.client_environment, options=("check",)
        )
        assert check.wait_for_end() == 0, check.log.read_text()
    assert check.logged("ok +Voltage +")


def test_an_account_that_may_not_send_requests(setting: Setting, cloud: VrmCloud) -> None:
    """Reason code 135 is reported with its meaning, and with advice for VRM."""
    notify = setting.notify_socket()
    with cloud.runner(Device(P)):
        daemon = setting.daemon(
            notify=notify,
            watchdog=16,
            module=MODULE,
            environment=cloud.client_environment,
            Battery={"user": GUEST, "password": GUEST_TOKEN},
        )
        line = daemon.wait_for_log("VRM")
        assert "not authorised" in line
        wait("it in STATUS", lambda: "not authorised" in notify.status)
        assert daemon.running


def test_a_token_that_is_wrong(setting: Setting, cloud: VrmCloud) -> None:
    """The advice is about the account on VRM, not about a device's password, without secrets."""
    with cloud.runner(Device(P)):
        daemon = setting.daemon(
            module=MODULE, environment=cloud.client_environment, Battery={"password": "0000beef"}
        )
        line = daemon.wait_for_log("rejected the login")
        assert "access token" in line
        assert "0000beef" not in daemon.log.read_text()


def test_without_the_authority(setting: Setting, cloud: VrmCloud) -> None:
    """The text names Victron's certificate authority, and proposes no pin."""
    del setting.ini["Battery"]["ca_file"]
    daemon = setting.daemon(module=MODULE, environment=cloud.client_environment)
    line = daemon.wait_for_log("certificate")
    assert "venus-ca.crt" in line
    assert "bat2influx pin" not in line


def test_a_device_that_is_offline_does_not_respond(setting: Setting, cloud: VrmCloud) -> None:
    """The cloud does not report it; the daemon does, and values come once it is online."""
    notify = setting.notify_socket()
    device = Device(P)
    device.silence()
    with cloud.runner(device):
        setting.daemon(
            notify=notify,
            watchdog=16,
            module=MODULE,
            environment=cloud.client_environment,
            Battery={"instance": 275},
        )
        wait(
            "it in STATUS", lambda: f"device {P} at {cloud.name} does not respond" in notify.status
        )
        device.speak()
        wait("values", setting.stored)

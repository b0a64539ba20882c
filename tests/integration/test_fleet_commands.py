"""The commands with a fleet: check, watch, discover, setup-db and a reload."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.test_fleet import FLEET, fleet, kept, portals
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait

NOBODY = "c0619ab1ffff"


def test_watch_shows_the_named_one(setting: Setting) -> None:
    """Its values alone, though the others publish too."""
    devices = fleet(3)
    setting.venus(*devices)
    for device in devices:
        device.foreign(5, keepalive=True)
    watch = setting.daemon(
        Battery={**FLEET, "share_group": "store"},
        options=("watch", portals(3)[1]),
        environment={"TERM": "dumb"},
    )
    watch.wait_for_log("Voltage [0-9.]+ V, .*F [0-9.]+ Hz")
    assert watch.logged(f"receiving changes from 127.0.0.1, portal id {portals(3)[1]}")
    assert watch.stop() == 0


@pytest.mark.parametrize(
    ("battery", "named", "problem"),
    [
        (FLEET, [], "serial = [*] is every device behind 127.0.0.1; give the portal id of one"),
        (
            FLEET,
            ["x/#"],
            "serial = [*] is every device behind 127.0.0.1; give the portal id of one",
        ),
        (
            {"serial": NOBODY},
            [NOBODY],
            "a portal id is used with serial = [*] only, which .* does not have",
        ),
    ],
    ids=["nobody", "nonsense", "no fleet"],
)
def test_watch_reports_a_missing_argument(
    setting: Setting, battery: dict[str, str], named: list[str], problem: str
) -> None:
    """In one line, before any request."""
    watch = setting.daemon(Battery=battery, options=("watch", *named))
    assert watch.wait_for_end() == 64
    assert watch.logged(f"^bat2influx watch: {problem}")
    assert len(watch.log.read_text().splitlines()) == 1


def test_discover_and_setup_db_work_with_a_fleet(setting: Setting) -> None:
    """The first lists the devices behind the broker; the second does not depend on devices."""
    setting.venus(*fleet(2))
    port = setting.mosquitto.port
    discover = setting.daemon(Battery=FLEET, options=("discover", f"127.0.0.1:{port}"))
    assert discover.wait_for_end() == 0, discover.log.read_text()
    for portal in portals(2):
        assert discover.logged(portal)
    setup = setting.daemon(Battery=FLEET, options=("setup-db", "--dry-run"))
    assert setup.wait_for_end() == 0, setup.log.read_text()
    assert setup.logged("CREATE DATABASE")


def test_a_reload_makes_a_fleet_of_a_device_and_the_reverse(setting: Setting) -> None:
    """The device that was read before continues; the others are added or removed."""
    devices = fleet(2)
    setting.venus(*devices)
    alone = {"serial": portals(2)[0], "mode": "notify"}
    tags = {"device_tags": "portal, instance"}
    daemon = setting.daemon(watchdog=64, Battery=alone, Influx=tags)
    wait("one", lambda: {portal for portal, _ in kept(setting)} == {portals(2)[0]})
    for battery in (FLEET, {**FLEET, "share_group": "store"}, alone):
        before = len(daemon.logged("configuration reloaded"))
        setting.write_ini(Battery=battery, Influx=tags)
        os.kill(daemon.pid, signal.SIGHUP)
        wait("the reload", lambda n=before: len(daemon.logged("configuration reloaded")) > n)
        if battery is FLEET:
            wait("all fields of both", lambda: len(kept(setting)) == 2 * len(NINE))
        elif battery is not alone:
            daemon.wait_for_log("sharing the work in the group store")
    assert daemon.stop() == 0
    assert not daemon.logged("WARNING|ERROR")

"""A large system, stored with an ini of a few lines: read back and compared."""

from __future__ import annotations

import json

import pytest

from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.venus.device import Device
from tests.standins.venus.large import ABSENT, NULL, large, services
from tests.support.compare import assert_all, published
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
INI = """\
[Battery]
address = 127.0.0.1
port = {mqtt}
interval = 0.5
soc_interval = 1
[Fields]
presets = battery, grid, solar, system, phases
instances = {instances}
[Influx]
address = 127.0.0.1
port = {influx}
"""
Series = tuple[str, str]  # a field and the tag `instance`


def wanted(instances: str) -> dict[Series, str]:
    """Return the leaf of each series, by the documented names."""
    paths = [(f.name, f.service, f.path) for f in DEFAULT_FIELDS]
    paths += [(p.name, p.service, p.path) for preset in PRESETS.values() for p in preset]
    found = {}
    for name, service, path in paths:
        for place, there in services(P).items():
            own, _, instance = place.partition("/")
            if own == service and f"/{path}" in there and f"{place}/{path}" not in NULL:
                named = instances == "name" and service != "system"
                field = f"{name}_{instance}" if named else name
                found[field, instance if instances == "tag" else ""] = f"{place}/{path}"
    return found


def stored(setting: Setting) -> dict[Series, list[tuple[int, float]]]:
    """Return (time in ns, number) of each stored series."""
    found: dict[Series, list[tuple[int, float]]] = {}
    for row in setting.rows():
        for field, value in row.items():
            if field not in ("time", "instance") and value is not None:
                series = field, str(row.get("instance") or "")
                found.setdefault(series, []).append((int(row["time"]), float(value)))
    return found


@pytest.mark.parametrize("instances", ["tag", "name"])
def test_a_large_system_by_a_few_lines(setting: Setting, instances: str) -> None:
    """Two inverters, three phases, a BMS, a meter and the sun: each value under its name."""
    device = large(P, counted=True)
    setting.venus(device)
    ini = INI.format(mqtt=setting.mosquitto.port, influx=setting.influxdb.port, instances=instances)
    assert len(ini.splitlines()) < 15
    daemon = setting.daemon(text=ini)
    leaves = wanted(instances)
    wait("many series", lambda: len(stored(setting)) > 100)
    wait("all series", lambda: {*stored(setting)} >= {*leaves} - void(device, leaves))
    wait("some of each", lambda: min(map(len, stored(setting).values())) >= 3)
    assert daemon.stop() == 0
    series = stored(setting)
    assert {*series} == {*leaves} - void(device, leaves)
    assert len(series) > 120
    for each, values in series.items():
        if len({number for _, number in published(device, leaves[each])}) > 1:
            assert_all(device, leaves[each], values, str(each))
        else:  # a setting, which is not counted
            assert {number for _, number in values} == numbers(device, leaves[each])
    assert not daemon.logged("WARNING|ERROR")


def numbers(device: Device, leaf: str) -> set[float]:
    """Return the numbers that the device has published for a leaf, also settings with limits."""
    payloads = {m.payload for m in device.log.sent if m.topic == f"N/{P}/{leaf}"}
    values = {json.loads(payload)["value"] for payload in payloads}
    return {round(float(value), 4) for value in values if value is not None}


def void(device: Device, leaves: dict[Series, str]) -> set[Series]:
    """Return the series for which the device has published only nulls."""
    return {series for series, leaf in leaves.items() if not numbers(device, leaf)}


def test_check_shows_which_fields_of_the_presets_exist(setting: Setting) -> None:
    """Each value has a line, missing ones are listed, and all is ok."""
    setting.venus(large(P))
    ini = INI.format(mqtt=setting.mosquitto.port, influx=setting.influxdb.port, instances="tag")
    check = setting.daemon(text=ini, options=("check",))
    assert check.wait_for_end() == 0
    published = check.log.read_text()
    assert "InputL2Power/275" in published
    assert "InputL2Power/289" in published
    assert "not on this device" in published
    lacking = {place.partition("/")[0]: place.partition("/")[2] for place in ABSENT}
    for preset in (each for own in PRESETS.values() for each in own):
        if lacking.get(preset.service) == preset.path:
            assert preset.name in published


def test_two_inverters_and_one_selected(setting: Setting) -> None:
    """Without `instances` the choices are listed, and with one of them all is ok."""
    setting.venus(large(P))
    undecided = setting.daemon(Battery={"interval": 0.2})
    assert undecided.wait_for_end() == 78
    (first,) = undecided.logged("several instances of vebus")
    assert "275 and 289" in first
    assert undecided.logged("^instance = 289$")
    assert undecided.logged("^instances = tag$")
    setting.daemon(Battery={"interval": 0.2, "instance": 289})
    wait("values", lambda: len(setting.stored()) > 20)


def test_a_service_that_comes_later_is_found(setting: Setting) -> None:
    """The services of a preset are searched again, and a missing one is not logged."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify, watchdog=6, Battery={"interval": 0.2}, Fields={"presets": "grid"}
    )
    wait("values", lambda: len(setting.stored()) > 20)
    paths = services(P)["grid/30"]
    device.add_service("grid", 30, paths)
    wait("the grid", lambda: "GridPower" in {field for _, field, _ in setting.stored()})
    assert not daemon.logged("does not answer for|has no grid")


def test_a_text_value_is_reported_by_name(setting: Setting) -> None:
    """An enumeration is stored as its number; a text is no number, and is reported with advice."""
    device = Device(P)
    setting.venus(device)
    daemon = setting.daemon(
        watchdog=16,
        Battery={"interval": 0.2, "serial": P, "instance": 275},
        Fields={"State": "vebus/State", "Product": "vebus/ProductName"},
    )
    wait("the state", lambda: "State" in {field for _, field, _ in setting.stored()})
    published = daemon.wait_for_log("has text for Product")
    assert "Remove the field" in published
    assert "Product" not in {field for _, field, _ in setting.stored()}


def test_origin_as_tags(setting: Setting) -> None:
    """Portal id, service and instance of each value, if enabled."""
    setting.venus(Device(P))
    setting.daemon(
        Battery={"interval": 0.2},
        Fields={"Load": "system/Ac/Consumption/L1/Power"},
        Influx={"device_tags": "portal, service, instance"},
    )
    wait("all", lambda: {field for _, field, _ in setting.stored()} >= {"Soc", "Load"})
    for field, place in {"Soc": ("vebus", "275"), "Load": ("system", "0")}.items():
        rows = [row for row in setting.rows() if row.get(field) is not None]
        assert {(row["portal"], row["service"], row["instance"]) for row in rows} == {(P, *place)}

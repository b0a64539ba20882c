"""The main job: the values of a battery, every second, in the database."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

import pytest

from tests.standins.databases.influxdb import InfluxDB, Row
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.values import solarcharger
from tests.support.compare import NINE, assert_complete, published, stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
QUICK = {"interval": 0.2, "soc_interval": 0.2}
GIVEN = {**QUICK, "serial": P, "instance": 275}


def fields(setting: Setting) -> set[str]:
    """Return the names of all stored fields."""
    return {field for _, field, _ in setting.stored()}


def test_the_nine_fields_are_stored_without_any_id_configured(setting: Setting) -> None:
    """With address and port alone, portal id and instance are discovered, nine fields stored."""
    setting.venus(Device(P))
    daemon = setting.daemon()
    daemon.wait_for_log("reading 127.0.0.1, portal id c0619ab1c2d3, vebus 275")
    wait("nine fields", lambda: fields(setting) == NINE.keys())
    assert daemon.stop() == 0
    assert daemon.logged("every value is stored")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Setting, Device]]:
    """A run of some seconds, with all ids given, for the tests of its results."""
    directory = tmp_path_factory.mktemp("record")
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as setting,
    ):
        device = Device(P, counted=True)
        device.set_value("vebus", "/State", 3)
        setting.venus(device)
        own = {"Bank": "vebus/275/Dc/0/Voltage", "State": "vebus/State"}
        daemon = setting.daemon(Battery={**GIVEN, "soc_interval": 1}, Fields=own)
        wait("all fields", lambda: fields(setting) == {*NINE, *own})
        device.set_value("vebus", "/State", 3.5)
        wait("some seconds", lambda: len(stored_values(setting, "Soc")) >= 5)
        assert daemon.stop() == 0
        yield setting, device


def test_the_devices_values_are_stored(record: tuple[Setting, Device]) -> None:
    """Each received value is stored once, in order, with its field's name and its time."""
    for field, leaf in NINE.items():
        assert_complete(*record, field, leaf)


def test_every_field_is_a_float(record: tuple[Setting, Device]) -> None:
    """Whole numbers are stored as floats too; otherwise the first fraction would be rejected."""
    setting, _ = record
    types = setting.influxdb.query("SHOW FIELD KEYS FROM dc", "battery")
    assert {row["fieldType"] for row in types} == {"float"}
    assert {value for _, value in stored_values(setting, "State")} == {3, 3.5}


def test_only_configured_fields_are_stored(record: tuple[Setting, Device]) -> None:
    """Temperature and MaxChargeCurrent come with the sub-tree of the others and are ignored."""
    setting, device = record
    sent = {message.topic for message in device.log.sent}
    assert {f"N/{P}/vebus/275/Dc/0/{name}" for name in ("Temperature", "MaxChargeCurrent")} < sent
    keys = setting.influxdb.query("SHOW FIELD KEYS", "battery")
    assert {row["fieldKey"] for row in keys} == {*NINE, "Bank", "State"}
    assert setting.influxdb.query("SHOW MEASUREMENTS", "battery") == [{"name": "dc"}]


def test_the_device_is_read_by_sub_tree_and_never_written_to(
    record: tuple[Setting, Device],
) -> None:
    """One read request per sub-tree and tick is enough, each with an answer."""
    _, device = record
    asked = Counter(
        request.topic.removeprefix(f"R/{P}/vebus/275/") for request in device.log.requests
    )
    assert asked.keys() == {"Dc/0", "Ac/ActiveIn/L1", "Soc", "State"}
    assert asked["Dc/0"] == asked["Ac/ActiveIn/L1"] == asked["State"]
    assert {(request.payload, request.qos) for request in device.log.requests} == {(b"", 0)}
    counters = device.log.counters
    assert (counters.writes, counters.wildcards, counters.errors) == (0, 0, 0)


def test_the_state_of_charge_is_read_at_a_separate_interval(
    record: tuple[Setting, Device],
) -> None:
    """With a soc_interval of five intervals, every fifth tick reads it."""
    places = [request.topic.rpartition("/")[2] for request in record[1].log.requests]
    asked = [place for place in places if place in ("Soc", "State")]
    ends = [number for number, place in enumerate(asked) if place == "Soc"]
    ticks = [end - start - 1 for start, end in pairwise(ends[1:])]  # the first tick reads all
    assert max(ticks) <= 6
    assert median(ticks) >= 4  # after a stall, the next may follow soon


def test_one_path_is_stored_under_two_names(record: tuple[Setting, Device]) -> None:
    """A path of two fields is read once, and its value is stored for both."""
    setting, device = record
    assert stored_values(setting, "Bank") == stored_values(setting, "Voltage")
    assert_complete(setting, device, "Bank", NINE["Voltage"])


def test_database_measurement_and_tags_are_as_configured(setting: Setting) -> None:
    """The database is created with its name, and each point has the tags of the file."""
    setting.venus(Device(P))
    daemon = setting.daemon(
        Battery=GIVEN,
        Influx={"db": "power plant", "measurement": "The cellar", "tags": "site:home, room:up 2"},
    )
    place = {"db": "power plant", "measurement": "The cellar"}
    wait("some values", lambda: len(stored_values(setting, "Soc", **place)) >= 3)
    assert daemon.stop() == 0
    assert daemon.logged("created the database 'power plant'")
    names = [row["name"] for row in setting.influxdb.query("SHOW DATABASES")]
    assert sorted(names) == ["_internal", "power plant"] or names == ["power plant"]
    rows = setting.rows("LAST(*)", **place)
    assert rows
    tagged = setting.influxdb.query('SHOW SERIES FROM "The cellar"', "power plant")
    assert tagged == [{"key": r"The\ cellar,room=up\ 2,site=home"}]


def test_further_fields_are_a_line_each(setting: Setting) -> None:
    """A phase, a discovered or given solar charger, and a custom service are added to the nine."""
    device = Device(P, ("vebus", "system", "solarcharger"), counted=True)
    device.set_value("vebus", "/Ac/ActiveIn/L2/V", 229.5)
    device.add_service("meteo", 20, {"/ProductId": 7, "/Irradiance": 512.5, "/Wind/Speed": 3})
    device.add_service("tank", 4, {"/Level": 61})
    setting.venus(device)
    own = {
        "V2": "vebus/Ac/ActiveIn/L2/V",
        "Solar": "solarcharger/Yield/Power",
        "Panel": "solarcharger/288/Pv/V",
        "Battery": "system/Dc/Battery/Power",
        "Sun": "meteo/Irradiance",
        "Wind": "meteo/20/Wind/Speed",
        "Water": "tank/4/Level",
    }
    daemon = setting.daemon(Battery=QUICK, Fields=own)
    wait("all fields", lambda: fields(setting) == {*NINE, *own})
    wait("some values", lambda: len(stored_values(setting, "V2")) >= 5)
    assert daemon.stop() == 0
    for field, value in {"V2": 229.5, "Sun": 512.5, "Wind": 3, "Water": 61}.items():
        assert {each for _, each in stored_values(setting, field)} == {value}
    assert_complete(setting, device, "Solar", "solarcharger/288/Yield/Power")
    assert_complete(setting, device, "Panel", "solarcharger/288/Pv/V")
    assert_complete(setting, device, "Battery", "system/0/Dc/Battery/Power")
    assert_complete(setting, device, "Voltage", NINE["Voltage"])
    assert device.log.counters.errors == 0


def test_without_the_defaults_only_own_fields_are_read(setting: Setting) -> None:
    """With `defaults = no` only the user's fields are discovered, read and stored."""
    device = Device(P, ("system", "solarcharger"))
    setting.venus(device)
    daemon = setting.daemon(
        Battery=QUICK, Fields={"defaults": "no", "Pv": "solarcharger/Yield/Power"}
    )
    wait("some values", lambda: len(stored_values(setting, "Pv")) >= 5)
    assert daemon.stop() == 0
    assert fields(setting) == {"Pv"}
    asked = {r.topic for r in device.log.requests}
    assert asked == {f"R/{P}/keepalive", f"R/{P}/solarcharger/288/Yield/Power"}


def assert_mostly_whole(rows: list[Row]) -> None:
    """Assert that rows have every field, except those of answers that came after their tick."""
    whole = [row for row in rows if None not in row.values()]
    assert len(whole) > 0.7 * len(rows), rows


def test_by_tick_all_fields_of_a_tick_share_a_row(setting: Setting) -> None:
    """Rows are complete, at multiples of the interval, and in the order of the values."""
    device = Device(P, counted=True)
    setting.venus(device)
    daemon = setting.daemon(Battery=GIVEN, Influx={"timestamps": "tick"})
    wait("some rows", lambda: len(setting.rows()) >= 15)
    assert daemon.stop() == 0
    rows = setting.rows()
    assert all(row["time"] % 200_000_000 == 0 for row in rows)
    assert_mostly_whole(rows)
    for field, leaf in NINE.items():
        values = [value for _, value in stored_values(setting, field)]
        assert values == sorted(set(values))
        moments = {value: when for when, value in published(device, leaf)}
        for stamp, value in stored_values(setting, field):
            assert 0 < moments[value] - stamp / 1e9 < 10, "a tick precedes its answers"


def test_by_tick_reads_of_other_clients_change_no_row(setting: Setting) -> None:
    """The first value of a field in a tick is stored; later ones, for others, are ignored."""
    device = Device(P, counted=True)
    setting.venus(device)
    setting.daemon(Battery=GIVEN, Influx={"timestamps": "tick"})
    wait("some rows", lambda: len(setting.rows()) >= 3)
    device.foreign(60, ["vebus/275/Dc/0", "vebus/275/Soc"], keepalive=True)
    before = len(setting.rows())
    wait("more rows", lambda: len(setting.rows()) >= before + 12)
    rows = setting.rows()
    assert all(row["time"] % 200_000_000 == 0 for row in rows)
    assert_mostly_whole(rows)
    assert len(published(device, NINE["Voltage"])) > 1.5 * len(rows)


def test_found_a_value_before_the_first_tick_had_a_separate_row(setting: Setting) -> None:
    """By tick, answers to other clients before the first tick get no time between ticks."""
    device = Device(P, counted=True)
    device.foreign(50, ["vebus/275/Soc"])
    setting.venus(device)
    wait("the beginning of a tick", lambda: time.time() % 6 < 1.0)
    setting.daemon(Battery={**GIVEN, "interval": 6}, Influx={"timestamps": "tick"})
    wait("a row by tick", lambda: stored_values(setting, "Voltage"))
    assert {row["time"] % 6_000_000_000 for row in setting.rows()} == {0}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", ["bat2influx", "tests.support.console_script"])
def test_it_runs_as_a_module_and_as_a_console_script(
    setting: Setting, module: str, end: signal.Signals
) -> None:
    """However it was started, it stores values, and exits with 0 at SIGTERM and at Ctrl-C."""
    setting.venus(Device(P))
    daemon = setting.daemon(module=module, Battery=GIVEN)
    wait("a value", setting.stored)
    os.kill(daemon.pid, end)
    assert daemon.wait_for_end(10) == 0
    assert daemon.logged("every value is stored")


def test_a_solar_charger_that_comes_later_is_no_reason_to_restart(setting: Setting) -> None:
    """A service that appears after the start is discovered, and its values are stored too."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify, watchdog=4, Battery=QUICK, Fields={"Pv": "solarcharger/Yield/Power"}
    )
    wait("the others", lambda: fields(setting) == NINE.keys())
    daemon.wait_for_log("the device at 127.0.0.1 has no solarcharger")
    wait("its name in STATUS", lambda: "has no solarcharger" in notify.status)
    pid = daemon.pid
    device.add_service("solarcharger", 288, {**solarcharger(), "/Yield/Power": 431.5})
    wait("its values", lambda: 431.5 in [value for _, value in stored_values(setting, "Pv")])
    daemon.wait_for_log("every field is answered")
    wait("a good STATUS", lambda: "solarcharger" not in notify.status)
    assert daemon.pid == pid
    assert daemon.running

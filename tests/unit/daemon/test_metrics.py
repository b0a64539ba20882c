"""The daemon's own metrics: the numbers, and their two formats."""

from __future__ import annotations

import re

import pytest

from bat2influx.daemon import metrics
from bat2influx.daemon.metrics import DeviceReport, Report
from bat2influx.influx.lineprotocol import stamp_of
from bat2influx.reading import NS
from bat2influx.venus.protocol import NoValue
from tests.support.node_exporter import samples

TIME = 1_767_225_610 * NS
CELLAR = DeviceReport("", 4711, {NoValue.NULL: 3}, 2, True, 1, TIME - NS // 2)
FLEET = CELLAR._replace(devices=1000, not_responding=3)
BEHIND = CELLAR._replace(clock_difference=-259_200.5)
LOST = {("vebus", 275): TIME, ("battery", 512): TIME + NS}
REPORT = Report(
    time_ns=TIME,
    uptime=86_400.25,
    devices=(CELLAR,),
    stored=4_700,
    waiting=11,
    rejected=5,
    dropped=6,
    rejected_dropped=7,
    spool_used=0.125,
    delay=1.23456,
    memory=40_000_000,
    database_up=True,
)
NUMBERS = {
    "messages_received_total": 4711,
    "broker_reconnects_total": 2,
    "fields_without_value": 1,
    "services_missing": 2,
    "devices": 1000,
    "devices_silent": 3,
    "clock_difference_seconds": -259_200.5,
    "broker_up": 1,
    "last_value_timestamp_seconds": TIME / NS - 0.5,
    "values_stored_total": 4700,
    "values_waiting": 11,
    "values_rejected": 5,
    "values_dropped_total": 6,
    "values_rejected_dropped_total": 7,
    "spool_used_ratio": 0.125,
    "delay_seconds": 1.23456,
    "database_up": 1,
    "memory_bytes": 40_000_000,
    "uptime_seconds": 86_400.25,
    "report_timestamp_seconds": TIME / NS,
}


def stored(report: Report) -> dict[tuple[str, str], float]:
    """Return what is stored in InfluxDB, by site and field."""
    return {(each.site, each.field): each.value for each in metrics.readings(report)}


def test_a_report_becomes_a_float_for_each_field_at_one_time() -> None:
    """Every number is a float under its name, and all have the time of the report."""
    made = metrics.readings(REPORT)
    assert {each.time_ns for each in made} == {TIME}
    assert all(type(each.value) is float for each in made)
    assert {(each.site, each.field): each.value for each in made} == {
        ("", "received"): 4711,
        ("", "reconnects"): 2,
        ("", "without_value"): 1,
        ("", "stored"): 4700,
        ("", "waiting"): 11,
        ("", "rejected"): 5,
        ("", "dropped"): 6,
        ("", "rejected_dropped"): 7,
        ("", "spool_used"): 0.125,
        ("", "delay"): 1.2346,
        ("", "memory"): 40_000_000,
        ("", "uptime"): 86_400.25,
    }


def test_unknown_numbers_are_absent() -> None:
    """No delay if nothing was stored, no state of a database before the first write."""
    report = REPORT._replace(
        delay=None,
        memory=None,
        database_up=None,
        devices=(CELLAR._replace(last_value_ns=None),),
    )
    assert not {("", "delay"), ("", "memory")} & stored(report).keys()
    for name in ("delay_seconds", "memory_bytes", "database_up", "last_value_timestamp_seconds"):
        assert name not in metrics.prometheus_text(report, "1.0.0")


def test_a_fleet_has_the_number_of_its_devices() -> None:
    """And how many do not respond; a single device has neither number."""
    told = stored(REPORT._replace(devices=(FLEET,)))
    assert (told["", "devices"], told["", "devices_silent"]) == (1000, 3)
    assert "devices" not in metrics.prometheus_text(REPORT._replace(devices=(CELLAR,)), "1.0.0")


def test_the_difference_of_clocks_is_present_if_known() -> None:
    """This machine's less the device's, for Prometheus only; absent without a heartbeat."""
    found = samples(metrics.prometheus_text(REPORT._replace(devices=(BEHIND,)), "1.0.0"))
    assert found["bat2influx_clock_difference_seconds"] == -259_200.5
    assert "clock_difference" not in metrics.prometheus_text(REPORT, "1.0.0")


def test_missing_services_have_the_time_since_when() -> None:
    """By name and instance for Prometheus; their number for both."""
    report = REPORT._replace(devices=(CELLAR._replace(missing={("vebus", 275): TIME}),))
    assert stored(report)["", "services_missing"] == 1
    found = samples(metrics.prometheus_text(report, "1.0.0"))
    since = 'bat2influx_service_missing_since_timestamp_seconds{service="vebus",instance="275"}'
    assert found[since] == TIME / NS
    assert found["bat2influx_services_missing"] == 1
    none = metrics.prometheus_text(REPORT._replace(devices=(CELLAR._replace(missing={}),)), "1")
    assert samples(none)["bat2influx_services_missing"] == 0
    assert "missing_since" not in none


def test_each_device_has_its_own_numbers() -> None:
    """Under the name of its section: the tag `site` there, the label `site` here."""
    house, boat = (CELLAR._replace(site=site, received=n) for n, site in enumerate(("house", "b")))
    report = REPORT._replace(devices=(house, boat))
    assert stored(report)["house", "received"] == 0
    assert stored(report)["b", "received"] == 1
    assert stored(report)["", "stored"] == 4700
    found = samples(metrics.prometheus_text(report, "1.0.0"))
    assert found['bat2influx_messages_received_total{site="b"}'] == 1
    assert found['bat2influx_messages_without_value_total{site="b",reason="null"}'] == 3


def test_counts_continue_when_a_reload_replaces_a_device() -> None:
    """Earlier counts are added; states are the present ones."""
    now = DeviceReport("", 10, {NoValue.NULL: 1, NoValue.TEXT: 1}, 1, False, 0, None)
    both = now.after(CELLAR)
    assert both.no_values == {NoValue.NULL: 4, NoValue.TEXT: 1}
    assert (both.received, both.reconnects) == (4721, 3)
    assert (both.connected, both.without_value, both.last_value_ns) == (
        False,
        0,
        CELLAR.last_value_ns,
    )


def test_every_field_of_a_report_is_in_the_table() -> None:
    """Each further field has a number in the table above."""
    assert len(NUMBERS) == len(metrics.OF_DEVICE) + len(metrics.OF_DAEMON)
    assert {*Report._fields} - {"time_ns", "devices"} <= {
        *(quantity.field for quantity in metrics.OF_DAEMON),
        "database_up",
    }


# Prometheus' format


def test_every_number_has_help_type_and_one_sample() -> None:
    """A name that ends in _total is a counter, every other one a gauge."""
    devices = (
        FLEET._replace(missing=LOST, clock_difference=-259_200.5),
    )  # which no device is, but each number is there
    text = metrics.prometheus_text(REPORT._replace(devices=devices), "1.2.3")
    found = samples(text)
    for name, number in NUMBERS.items():
        assert found[f"bat2influx_{name}"] == number
        kind = "counter" if name.endswith("_total") else "gauge"
        assert re.search(
            rf"^# HELP bat2influx_{name} [A-Z].*[.]\n# TYPE bat2influx_{name} {kind}\n"
            rf"bat2influx_{name} ",
            text,
            re.MULTILINE,
        )
    assert found['bat2influx_info{version="1.2.3"}'] == 1
    assert len(found) == len(NUMBERS) + 1 + len(NoValue) + len(LOST)
    assert text.endswith("\n")


def test_each_reason_for_no_value_has_a_count() -> None:
    """A reason without a message is zero, so that its first one shows as a change."""
    found = samples(metrics.prometheus_text(REPORT, "1.2.3"))
    for reason in NoValue:
        name = f'bat2influx_messages_without_value_total{{reason="{reason.value}"}}'
        assert found[name] == (3 if reason is NoValue.NULL else 0)


@pytest.mark.parametrize(("known", "shown"), [(True, "1"), (False, "0")])
def test_booleans_are_one_or_zero(known: bool, shown: str) -> None:
    """The format has numbers only."""
    report = REPORT._replace(database_up=known, devices=(CELLAR._replace(connected=known),))
    text = metrics.prometheus_text(report, "1.2.3")
    assert f"\nbat2influx_database_up {shown}\n" in text
    assert f"\nbat2influx_broker_up {shown}\n" in text


def test_the_name_of_the_ini_is_a_label_on_everything() -> None:
    """So the samples of two daemons differ."""
    report = REPORT._replace(devices=(CELLAR, FLEET._replace(site="boat")))
    found = samples(metrics.prometheus_text(report, "1.2.3", "van"))
    assert all('config="van"' in name for name in found)
    assert found['bat2influx_devices{config="van",site="boat"}'] == 1000
    assert found['bat2influx_broker_up{config="van"}'] == 1


def test_marks_in_a_label_are_escaped() -> None:
    """Quotes, backslashes and ends of lines; all else is as it is."""
    text = metrics.prometheus_text(REPORT, "1.2.3", 'a "b" \\ c\nd, é {}')
    label = r'{config="a \"b\" \\ c\nd, é {}"}'
    assert f"\nbat2influx_values_waiting{label} 11\n" in text


def test_a_metric_without_a_sample_has_no_header() -> None:
    """Without devices there are no metrics of devices: neither help nor type."""
    text = metrics.prometheus_text(REPORT._replace(devices=(), database_up=None), "1.2.3")
    for name in ("broker_up", "messages_received_total", "messages_without_value", "database_up"):
        assert name not in text


def test_a_timestamp_is_read_from_every_line_that_has_one() -> None:
    """A line from a damaged file may have none, which ends nothing."""
    assert stamp_of(b"dc,house=in\\ blue V=53.2 1767225610000000001") == 1_767_225_610_000_000_001
    for damaged in (
        b"",
        b"dc V=53.2",
        b"dc V=53.2 17672x",
        b"dc V=53.2 \xb2",
        b"dc V=1 " + b"9" * 20,
    ):
        assert stamp_of(damaged) is None

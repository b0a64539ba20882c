"""The daemon's own metrics: the same numbers for InfluxDB and for Prometheus.

Pure: takes a `Report`, returns values of the self-measurement or a text in Prometheus' format. Both
come from one table, so that they have the same numbers. An unknown number is absent, not zero.
Counts are since the start of the process; a name that ends in `_total` is a counter, every other
one a gauge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from bat2influx.device.services import Place
from bat2influx.reading import NS, Reading
from bat2influx.venus.protocol import NoValue

T = TypeVar("T")
Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]

PREFIX = "bat2influx_"
_IN_LABEL = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class DeviceReport(NamedTuple):
    """The state of one device; `site` is the name of its section, '' for `[Battery]`.

    `without_value` counts the fields that have no number at present; `last_value_ns` is the
    timestamp of the latest value, in ns since 1970. For a fleet, `devices` counts all devices, and
    `not_responding` those that do not respond. For one device, `missing` maps the services that
    have left or do not respond to since when (ns since 1970), and `clock_difference` is how many s
    this machine's clock is ahead of the device's, if that is known and this machine's clock is not
    synchronised.
    """

    site: str
    received: int = 0
    no_values: Mapping[NoValue, int] = MappingProxyType({})
    reconnects: int = 0
    connected: bool = False
    without_value: int = 0
    last_value_ns: int | None = None
    devices: int | None = None
    not_responding: int | None = None
    missing: Mapping[Place, int] | None = None
    clock_difference: float | None = None

    def after(self, earlier: DeviceReport) -> DeviceReport:
        """Return this plus the counts from before a reload replaced the device."""
        last = self.last_value_ns
        return self._replace(
            received=earlier.received + self.received,
            no_values=Counter(earlier.no_values) + Counter(self.no_values),
            reconnects=earlier.reconnects + self.reconnects,
            last_value_ns=earlier.last_value_ns if last is None else last,
        )


class Report(NamedTuple):
    """The state of the daemon at `time_ns` (since 1970).

    `uptime` and `delay` are in s, `memory` in bytes, `spool_used` from 0 to 1. `delay` is the
    longest time from a value's timestamp to its storage since the last report, None if nothing was
    stored; `database_up` is None before the first write.
    """

    time_ns: int
    uptime: float
    devices: tuple[DeviceReport, ...]
    stored: int
    waiting: int
    rejected: int
    dropped: int
    rejected_dropped: int
    spool_used: float
    delay: float | None = None
    memory: int | None = None
    database_up: bool | None = None


class Quantity(NamedTuple, Generic[T]):
    """One number of a report, under both its names; without a `field` only for Prometheus."""

    field: str
    name: str
    help: str
    of: Callable[[T], float | None]


OF_DEVICE: tuple[Quantity[DeviceReport], ...] = (
    Quantity(
        "received",
        "messages_received_total",
        "Messages of the device since the start.",
        lambda device: device.received,
    ),
    Quantity(
        "reconnects",
        "broker_reconnects_total",
        "Logins to the device's broker since the start, except the first.",
        lambda device: device.reconnects,
    ),
    Quantity(
        "without_value",
        "fields_without_value",
        "Fields for which the device has no number at present.",
        lambda device: device.without_value,
    ),
    Quantity(
        "services_missing",
        "services_missing",
        "Services of the device that have left or do not respond.",
        lambda device: None if device.missing is None else len(device.missing),
    ),
    Quantity(
        "devices",
        "devices",
        "Devices behind the broker of a fleet.",
        lambda device: device.devices,
    ),
    Quantity(
        "devices_silent",
        "devices_silent",
        "Devices behind the broker that do not respond.",
        lambda device: device.not_responding,
    ),
    Quantity(
        "",
        "clock_difference_seconds",
        "How far this machine's clock, which is not synchronised, is ahead of the device's.",
        lambda device: device.clock_difference,
    ),
    Quantity(
        "",
        "broker_up",
        "Whether the daemon is logged in to the device's broker.",
        lambda device: device.connected,
    ),
    Quantity(
        "",
        "last_value_timestamp_seconds",
        "The time of the latest value of the device.",
        lambda device: None if device.last_value_ns is None else device.last_value_ns / NS,
    ),
)
OF_DAEMON: tuple[Quantity[Report], ...] = (
    Quantity(
        "stored",
        "values_stored_total",
        "Values that the database has accepted since the start, those about the daemon included.",
        lambda report: report.stored,
    ),
    Quantity(
        "waiting",
        "values_waiting",
        "Values that are queued for the database.",
        lambda report: report.waiting,
    ),
    Quantity(
        "rejected",
        "values_rejected",
        "Values that the database has rejected and that are quarantined.",
        lambda report: report.rejected,
    ),
    Quantity(
        "dropped",
        "values_dropped_total",
        "Queued values that were dropped since the start, because the queue was full or its file"
        " damaged.",
        lambda report: report.dropped,
    ),
    Quantity(
        "rejected_dropped",
        "values_rejected_dropped_total",
        "Quarantined values that were dropped since the start, because their space was full or"
        " the file damaged.",
        lambda report: report.rejected_dropped,
    ),
    Quantity(
        "spool_used",
        "spool_used_ratio",
        "Used part of the queue's space; at 1 the oldest values are dropped.",
        lambda report: report.spool_used,
    ),
    Quantity(
        "delay",
        "delay_seconds",
        "Longest time from a value's timestamp to its storage, in the 10 s before this report.",
        lambda report: report.delay,
    ),
    Quantity(
        "",
        "database_up",
        "Whether the latest attempt to write to the database succeeded.",
        lambda report: report.database_up,
    ),
    Quantity(
        "memory",
        "memory_bytes",
        "Resident memory of the daemon.",
        lambda report: report.memory,
    ),
    Quantity(
        "uptime",
        "uptime_seconds",
        "Time since the start of the daemon.",
        lambda report: report.uptime,
    ),
    Quantity(
        "",
        "report_timestamp_seconds",
        "The time of this report, which is replaced every 10 s.",
        lambda report: report.time_ns / NS,
    ),
)


def readings(report: Report) -> list[Reading]:
    """Return the report as values: a device's have its site, the daemon's have none."""
    made = [
        (device.site, quantity.field, quantity.of(device))
        for device in report.devices
        for quantity in OF_DEVICE
    ]
    made += [("", quantity.field, quantity.of(report)) for quantity in OF_DAEMON]
    return [
        Reading(report.time_ns, site, field, round(float(value), 4))
        for site, field, value in made
        if field and value is not None
    ]


def prometheus_text(report: Report, version: str, config: str = "") -> str:
    """Return the report in Prometheus' text format.

    `config`, unless '', becomes a label of every sample: one node exporter may read the files of
    several daemons, and rejects two samples with the same name and labels.
    """
    labels = {"config": config} if config else {}
    info = [({**labels, "version": version}, 1)]
    families = [_family("info", "The version of bat2influx.", info)]
    named = [({**labels, **_site(device)}, device) for device in report.devices]
    families += [
        _family(name, help_text, _samples(of, named)) for _, name, help_text, of in OF_DEVICE
    ]
    reasons = (
        ({**own, "reason": reason.value}, device.no_values.get(reason, 0))
        for own, device in named
        for reason in NoValue
    )
    what = "Messages without a number, by what they had instead."
    families.append(_family("messages_without_value_total", what, reasons))
    since = (
        ({**own, "service": service, "instance": str(instance)}, since_ns / NS)
        for own, device in named
        for (service, instance), since_ns in (device.missing or {}).items()
    )
    what = "The time since which a service of the device has left or does not respond."
    families.append(_family("service_missing_since_timestamp_seconds", what, since))
    families += [
        _family(name, help_text, _samples(of, [(labels, report)]))
        for _, name, help_text, of in OF_DAEMON
    ]
    return "".join(families)


def _site(device: DeviceReport) -> Labels:
    return {"site": device.site} if device.site else {}


def _samples(of: Callable[[T], float | None], named: Iterable[tuple[Labels, T]]) -> Samples:
    for labels, each in named:
        value = of(each)
        if value is not None:
            yield labels, value


def _family(name: str, what: str, samples: Samples) -> str:
    """Return a metric with its samples; '' without samples."""
    lines = [f"{PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    if not lines:
        return ""
    kind = "counter" if name.endswith("_total") else "gauge"
    head = [f"# HELP {PREFIX}{name} {what}", f"# TYPE {PREFIX}{name} {kind}"]
    return "".join(f"{line}\n" for line in (*head, *lines))


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{value.translate(_IN_LABEL)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _number(value: float) -> str:
    return repr(int(value) if isinstance(value, bool) else value)

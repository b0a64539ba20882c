"""`daemon`: whether the daemon is healthy, from its reports about itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dashboards import palette
from dashboards.board import Board, Row
from dashboards.derived import Written
from dashboards.panels import COLORED, PLAIN, Asked, Look, Panel, Steps, graph, stat, table
from dashboards.queries import OWN, RECENT
from dashboards.transformations import organized
from dashboards.variables import INFLUXDB, PROMETHEUS

NEEDS = "needs self_measurement"
_NOW = f"time >= ${{__to}}ms - {RECENT} AND time <= ${{__to}}ms"
NONE_LOST: Steps = ((None, palette.GOOD), (1.0, palette.BAD))
SPOOL_STEPS: Steps = ((None, palette.GOOD), (0.5, palette.WARNING), (0.8, palette.BAD))
DELAY_STEPS: Steps = ((None, palette.GOOD), (5.0, palette.WARNING), (60.0, palette.BAD))
WAITING_STEPS: Steps = ((None, palette.GOOD), (1_000.0, palette.WARNING))
MISSING_STEPS: Steps = ((None, palette.GOOD), (1.0, palette.WARNING))


def _series(field: str) -> str:
    return f'{{__name__="${{own}}_{field}"}}'


def now(**names: str) -> Asked:
    """Return the last values of fields of the daemon, with their shown names."""
    columns = ", ".join(f'last("{f}") AS "{_title(n)}"' for n, f in names.items())
    return Written(
        f"SELECT {columns} FROM {OWN} WHERE {_NOW}",
        tuple(
            (f"max(last_over_time({_series(f)}[{RECENT}]))", _title(n)) for n, f in names.items()
        ),
        name="$col",
    )


def _over_sites(columns: str, names: Iterable[str], fill: str) -> str:
    """Return a query of sums over the sections [Battery NAME], which have the tag site."""
    sums = ", ".join(f'sum("{_title(name)}") AS "{_title(name)}"' for name in names)
    every, filled = "WHERE $timeFilter GROUP BY time($__interval)", f"fill({fill})"
    each = f'SELECT {columns} FROM {OWN} {every}, "site" {filled}'
    return f"SELECT {sums} FROM ({each}) {every} {filled}"


def most(**names: str) -> Asked:
    """Return the highest value of each interval; for several sites, their sum."""
    columns = ", ".join(f'max("{f}") AS "{_title(n)}"' for n, f in names.items())
    return Written(
        _over_sites(columns, names, "null"),
        tuple(
            (f"sum(max_over_time({_series(f)}[$__interval]))", _title(n)) for n, f in names.items()
        ),
        name="$col",
        instant=False,
    )


def growth(influx: str, metrics: str, **names: str) -> Asked:
    """Return the growth of counters; `influx` and `metrics` are functions, the first with a {}."""
    columns = ", ".join(
        f'{influx.format(_last(field))} AS "{_title(name)}"' for name, field in names.items()
    )
    return Written(
        _over_sites(columns, names, "none"),
        tuple(
            (f"sum({metrics}({_series(field)}[$__interval]))", _title(name))
            for name, field in names.items()
        ),
        name="$col",
        instant=False,
    )


def _last(field: str) -> str:
    return f'last("{field}")'


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


HEALTH = stat(
    "Health",
    "Whether all values are stored soon: none lost, none rejected, none queued.",
    (
        now(Dropped="dropped", Rejected="rejected", Queued="waiting", Spool="spool_used"),
        now(Delay="delay"),
    ),
    decimals=0,
    looks=(
        Look("Dropped", steps=NONE_LOST),
        Look("Rejected", steps=NONE_LOST),
        Look("Queued", steps=WAITING_STEPS),
        Look("Spool", unit="percentunit", steps=SPOOL_STEPS),
        Look("Delay", unit="s", decimals=0, steps=DELAY_STEPS),
    ),
    no_value=NEEDS,
)
_OF_DEVICE = (
    ("Without value", "without_value"),
    ("Services missing", "services_missing"),
    ("Devices", "devices"),
    ("Offline", "devices_silent"),
)
_LAST_OF_DEVICE = ", ".join(f'last("{field}") AS "{name}"' for name, field in _OF_DEVICE)
DEVICES = table(
    "Devices",
    "Fields without a value and missing services, by section [Battery NAME]; for a fleet,"
    " its devices, and those that do not respond.",
    (
        Written(
            f'SELECT {_LAST_OF_DEVICE} FROM {OWN} WHERE {_NOW} GROUP BY "site"',
            tuple(
                (
                    f"max by (site) (last_over_time({_series(field)}[{RECENT}]))",
                    f"{name} {{{{site}}}}",
                )
                for name, field in _OF_DEVICE
            ),
            table=True,
        ),
    ),
    sort=("Site", False),
    decimals=0,
    looks=(
        Look("Site", unit="string", no_value="–", custom={"minWidth": 80}),
        *(
            Look(name, no_value="–", steps=steps, custom={**COLORED, "minWidth": 90})
            for name, steps in zip(
                ("Without value", "Services missing", "Devices", "Offline"),
                (MISSING_STEPS, MISSING_STEPS, PLAIN, MISSING_STEPS),
                strict=True,
            )
        ),
    ),
    of_language={
        INFLUXDB: (
            organized({"site": "Site", **{name: name for name, _ in _OF_DEVICE}}, ("Time",)),
        ),
        PROMETHEUS: (
            {"id": "merge", "options": {}},
            organized(
                {"site": "Site", **{f"Value #{'ABCD'[at]}": name
                                    for at, (name, _) in enumerate(_OF_DEVICE)}},
                ("Time",),
            ),
        ),
    },
    no_value=NEEDS,
)  # fmt: skip
PROCESS = stat(
    "Process",
    "How long the daemon has been running, and its memory.",
    (now(Uptime="uptime", Memory="memory"),),
    decimals=1,
    looks=(
        Look("Uptime", palette.NEUTRAL, unit="s", decimals=0),
        Look("Memory", palette.NEUTRAL, unit="decbytes", decimals=0),
    ),
    no_value=NEEDS,
)


def counted(title: str, description: str, asked: Sequence[Asked], **given: Any) -> Panel:
    """Return a graph of what the daemon reports every 10 s."""
    return graph(title, description, asked, interval="10s", no_value=NEEDS, **given)


RATES = counted(
    "Received and stored",
    "Messages of the devices, and values that the database has accepted, per second.",
    (
        growth("non_negative_derivative({}, 1s)", "rate", Received="received"),
        growth("non_negative_derivative({}, 1s)", "rate", Stored="stored"),
    ),
    unit="suffix:/s",
    decimals=0,
    looks=(Look("Received", palette.SUN), Look("Stored", palette.DISCHARGE)),
)
DELAY = counted(
    "Delay",
    "The longest time from a value's timestamp until it was stored.",
    (most(Delay="delay"),),
    unit="s",
    lowest=0,
    looks=(Look("Delay", palette.CHARGE),),
)
QUEUE = counted(
    "Queued values",
    "Values queued for the database.",
    (most(Queued="waiting"),),
    unit="short",
    decimals=0,
    lowest=0,
    custom={"fillOpacity": 20, "axisSoftMax": 10},
    looks=(Look("Queued", palette.SUN),),
)
SPOOL = counted(
    "Spool",
    "The used share of the spool for queued values; at 100 % the oldest are dropped.",
    (most(Spool="spool_used"),),
    unit="percentunit",
    decimals=0,
    lowest=0,
    highest=1,
    custom={"fillOpacity": 20},
    looks=(Look("Spool", palette.SUN),),
)
LOSSES = counted(
    "Lost, rejected, reconnected",
    "New events per interval; quarantined values may be dropped later.",
    (
        growth(
            "non_negative_difference({})",
            "increase",
            Dropped="dropped",
            Rejected="rejected",
            Rejected_dropped="rejected_dropped",
        ),
        growth("non_negative_difference({})", "increase", Reconnects="reconnects"),
    ),
    unit="short",
    decimals=0,
    lowest=0,
    custom={"drawStyle": "bars", "fillOpacity": 85, "lineWidth": 0, "axisSoftMax": 4},
    looks=(
        Look("Dropped", palette.BAD),
        Look("Rejected", palette.SUN),
        Look("Rejected dropped", palette.SOLD),
        Look("Reconnects", palette.CHARGE),
    ),
)
WITHOUT = counted(
    "Without a value",
    "Fields for which a device has no number, and its missing services.",
    (most(Without_value="without_value", Services_missing="services_missing"),),
    unit="short",
    decimals=0,
    lowest=0,
    looks=(Look("Without value", palette.SUN), Look("Services missing", palette.BAD)),
)
MEMORY = counted(
    "Memory",
    "Resident memory of the daemon.",
    (most(Memory="memory"),),
    unit="decbytes",
    decimals=0,
    lowest=0,
    looks=(Look("Memory", palette.NEUTRAL),),
)

BOARD = Board(
    "daemon",
    "The daemon",
    "Is bat2influx healthy, is anything lost, and how long does a value take?",
    (
        Row(5, ((HEALTH, 16), (PROCESS, 8))),
        Row(5, ((DEVICES, 24),)),
        Row(8, ((RATES, 12), (DELAY, 12))),
        Row(8, ((QUEUE, 12), (SPOOL, 12))),
        Row(8, ((LOSSES, 12), (WITHOUT, 12))),
        Row(7, ((MEMORY, 24),)),
    ),
    shown=("datasource", "own"),
    start="now-6h",
)

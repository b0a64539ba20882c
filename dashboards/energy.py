"""`energy`: kWh by days, months and years."""

from __future__ import annotations

from dashboards import palette, values
from dashboards.board import DEVICE, Board, Row, Section
from dashboards.common import BOUGHT_SOLD, CHARGED_DISCHARGED, ENERGY_LOOKS
from dashboards.derived import Share
from dashboards.panels import BARS, DOWNWARDS, KWH, Asked, Json, Look, Panel, energies, graph, table
from dashboards.queries import Column, EnergyPerDay

EMPTY = "run bat2influx setup-db, or see the days without it below"
SUN = (Column("Sun"),)
SUN_AC = (Column("PV inverter"),)
HOUSE = (Column("House"),)
DOWN = (Look("Sold", custom=DOWNWARDS), Look("Charged", custom=DOWNWARDS))


def bars(title: str, description: str, asked: tuple[Asked, ...]) -> Panel:
    """Return stacked bars of days, above and below zero."""
    return graph(
        title,
        description,
        asked,
        unit=KWH,
        decimals=1,
        custom=BARS,
        looks=(*ENERGY_LOOKS, *DOWN),
        interval="1d",
        calcs=("sum", "mean"),
        no_value=EMPTY,
    )


def total(title: str, description: str, asked: tuple[Asked, ...]) -> Panel:
    """Return sums of all days."""
    panel = energies(
        title,
        description,
        asked,
        decimals=0,
        looks=(*ENERGY_LOOKS, Look("Self-sufficient", palette.GOOD, unit="percent", decimals=0)),
        no_value=EMPTY,
    )
    panel.interval = "1d"
    return panel


def everything(*, kept: bool = True, grain: str = "5m") -> tuple[Asked, ...]:
    """Return all daily energies."""
    return tuple(
        EnergyPerDay(value, columns, kept=kept, grain=grain)
        for value, columns in (
            (values.MAINS, BOUGHT_SOLD),
            (values.SUN_DC, SUN),
            (values.SUN_AC, SUN_AC),
            (values.BATTERY, CHARGED_DISCHARGED),
            (values.HOUSE, HOUSE),
        )
    )


def by(format_of_time: str) -> tuple[Json, ...]:
    """Return the transformations of days into a table of longer times.

    The format is one of Moment's; a day's time becomes its month or year.
    """
    sums = {each.name: {"aggregations": ["sum"], "operation": "aggregate"} for each in ENERGY_LOOKS}
    return (
        {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}},
        {
            "id": "formatTime",
            "options": {
                "timeField": "Time",
                "outputFormat": format_of_time,
                "useTimezone": True,
                "timezone": "browser",  # otherwise it is that of the user's profile
            },
        },
        {
            "id": "groupBy",
            "options": {"fields": {"Time": {"aggregations": [], "operation": "groupby"}, **sums}},
        },
    )


def sums(title: str, description: str, asked: tuple[Asked, ...], name: str, shape: str) -> Panel:
    """Return a table of sums, which can be exported."""
    return table(
        title,
        description,
        asked,
        sort=(name, True),
        unit=KWH,
        decimals=1,
        looks=(
            Look("Time", unit="string", title=name),
            *(Look(each.name, title=each.name) for each in ENERGY_LOOKS),
        ),
        transformations=by(shape),
        interval="1d",
        no_value=EMPTY,
    )


TOTAL = total(
    "Mains and sun",
    "Energies of the shown days; the sun needs the preset solar or system.",
    (
        EnergyPerDay(values.MAINS, BOUGHT_SOLD),
        EnergyPerDay(values.SUN_DC, SUN),
        EnergyPerDay(values.SUN_AC, SUN_AC),
    ),
)
USED = total(
    "Battery and house",
    "Energies of the shown days; self-sufficient is the share of the house's consumption that was"
    " not bought. The house needs the preset system.",
    (
        EnergyPerDay(values.BATTERY, CHARGED_DISCHARGED),
        EnergyPerDay(values.HOUSE, HOUSE),
        Share("Self-sufficient", of=values.HOUSE, without=values.MAINS, kept=True),
    ),
)
SOURCES = bars(
    "Mains by days",
    "Bought above zero, sold below zero. Days are those of your time zone; today is not complete.",
    (EnergyPerDay(values.MAINS, BOUGHT_SOLD),),
)
BATTERY = bars(
    "Battery by days",
    "Discharged above zero, charged below zero.",
    (EnergyPerDay(values.BATTERY, CHARGED_DISCHARGED),),
)
SUNS = bars(
    "Sun by days",
    "Energy from the sun; needs the preset solar or system.",
    (EnergyPerDay(values.SUN_DC, SUN), EnergyPerDay(values.SUN_AC, SUN_AC)),
)
HOUSES = bars(
    "House by days",
    "Energy that the house has used; needs the preset system.",
    (EnergyPerDay(values.HOUSE, HOUSE),),
)
TABLE = sums(
    "Days",
    "Every day of the shown time; to save it as CSV, open the panel's menu, Inspect, Data.",
    everything(),
    "Day",
    "YYYY-MM-DD",
)
UNKEPT = sums(
    "Days, from every second",
    "Days computed from all values, without setup-db: select a few days, because each costs the"
    " database seconds.",
    everything(kept=False),
    "Day",
    "YYYY-MM-DD",
)
MONTHS = sums(
    "Months",
    "Sums of the shown days: select a year or more. In VictoriaMetrics they are computed from means"
    " of hours; within an hour bought and sold, or charged and discharged, cancel out.",
    everything(grain="1h"),
    "Month",
    "YYYY-MM",
)
YEARS = sums(
    "Years",
    "Sums like those of months, per year.",
    everything(grain="1h"),
    "Year",
    "YYYY",
)

BOARD = Board(
    "energy",
    "Energy",
    "How much was bought, sold, charged and used, by days, months and years?",
    (
        Row(4, ((TOTAL, 12), (USED, 12))),
        Row(9, ((SOURCES, 12), (BATTERY, 12))),
        Row(9, ((SUNS, 12), (HOUSES, 12))),
        Row(9, ((TABLE, 24),)),
        Section(
            "Days without setup-db",
            (Row(9, ((UNKEPT, 24),)),),
            closed=True,
        ),
        Section(
            "Months and years (choose a year or more)",
            (Row(9, ((MONTHS, 24),)), Row(5, ((YEARS, 24),))),
            closed=True,
        ),
    ),
    shown=(*DEVICE, "grid", "long"),
    start="now-30d/d",
    refresh="15m",
)

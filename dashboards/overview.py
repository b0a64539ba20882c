"""`overview`, the home dashboard: current values, energies of the day, and the graph of the day."""

from __future__ import annotations

from dashboards import mappings, palette, values
from dashboards.board import DEVICE, Board, Row, Section
from dashboards.common import (
    BOUGHT_SOLD,
    CHARGED_DISCHARGED,
    ENERGY_LOOKS,
    FLOW_LOOKS,
    FROM_TO_MAINS,
    NO_POWER,
    NO_VALUE_NOW,
    RESTS,
    SOC_STEPS,
    USED,
    YIELD,
    YIELD_AC,
    needs,
)
from dashboards.derived import (
    CHARGING,
    DISCHARGING,
    EMPTY_IN,
    FULL_IN,
    IDLE,
    BatteryNow,
    PerDevice,
)
from dashboards.houses import HOUSES
from dashboards.panels import (
    ENERGY_INTERVAL,
    HOLDS,
    STACKED,
    Look,
    bars,
    energies,
    gauge,
    graph,
    stat,
)
from dashboards.queries import Column, Course, Graph, Now
from dashboards.transformations import ADDED_UP, APPLICABLE, calculated, renamed
from dashboards.variables import INFLUXDB

# More was bought than the house used: the rest is in the battery.
BOUGHT_MORE = ({"type": "range", "options": {"from": -1e9, "to": 0, "result": {"text": "0%"}}},)

SOC_NOW = gauge(
    "State of charge",
    "The state of charge of the battery; of several devices, the mean.",
    (Now(values.SOC, (Column("Battery"),)),),
    unit="percent",
    decimals=0,
    lowest=0,
    highest=100,
    steps=SOC_STEPS,
    no_value=NO_VALUE_NOW,
)
BATTERY_NOW = stat(
    "Battery",
    "Whether it charges or discharges, and when it is full or empty at the mean power of the last"
    " ten minutes; set its capacity above for that.",
    (BatteryNow(values.SOC, values.BATTERY, RESTS),),
    unit="watt",
    looks=(
        Look(CHARGING, palette.CHARGE),
        Look(DISCHARGING, palette.DISCHARGE),
        Look(IDLE, palette.NEUTRAL),
        Look(FULL_IN, palette.CHARGE, unit="clocks", decimals=1),
        Look(EMPTY_IN, palette.DISCHARGE, unit="clocks", decimals=1),
    ),
    of_language={INFLUXDB: APPLICABLE},
    no_value=NO_VALUE_NOW,
)
FLOWS_NOW = stat(
    "Power now",
    "Power of the sun, from and to the mains, and of the house: the mean of the last two minutes,"
    " above the graph of the last three hours.",
    (
        Course(values.MAINS, (Column("From mains", 1), Column("To mains", -1, flip=True))),
        Course(values.SUN_DC, (Column("Sun"),)),
        Course(values.SUN_AC, (Column("PV inverter"),)),
        Course(values.HOUSE, (Column("House"),)),
    ),
    unit="watt",
    looks=FLOW_LOOKS,
    lines=True,
    mappings=NO_POWER,
    no_value=NO_VALUE_NOW,
)
DAY = graph(
    "Where power comes from and goes to",
    "Above zero the sources: sun, battery and mains. Below zero the consumers: house, battery"
    " and mains.",
    (
        Graph(values.SUN_DC, (Column("Sun"),), YIELD),
        Graph(values.SUN_AC, (Column("PV inverter"),), YIELD_AC),
        Graph(
            values.BATTERY,
            (Column("Discharging", -1, flip=True), Column("Charging", 1, flip=True)),
            CHARGED_DISCHARGED,
        ),
        Graph(values.MAINS, FROM_TO_MAINS, BOUGHT_SOLD),
        Graph(values.HOUSE, (Column("House", flip=True),), USED),
    ),
    unit="watt",
    custom=STACKED,
    looks=FLOW_LOOKS,
    interval=ENERGY_INTERVAL,
)
ENERGY_MAINS = energies(
    "Energy: mains and sun",
    "Energies of the shown time, by default today. The sun needs the preset solar or system.",
    of=DAY,
    names=("Bought", "Sold", "Sun yield", "PV yield"),
    decimals=1,
    looks=ENERGY_LOOKS,
)
SHARE = "Self-sufficient"
ENERGY_BATTERY = energies(
    "Energy: battery and house",
    "Energies of the shown time; self-sufficient is the share of the house's consumption that was"
    " not bought. The house needs the preset system.",
    of=DAY,
    names=("Charged", "Discharged", "Used", SHARE),
    decimals=1,
    looks=(
        *ENERGY_LOOKS,
        Look(SHARE, palette.GOOD, unit="percentunit", decimals=0, mappings=BOUGHT_MORE),
    ),
    transformations=(
        *ADDED_UP,
        calculated("Part", "Bought", "/", "Used"),
        calculated(SHARE, "1", "-", "Part"),
    ),
)
SOC_DAY = graph(
    "Charge through the day",
    "The state of charge of the battery.",
    (Graph(values.SOC, (Column("Battery"),)),),
    unit="percent",
    decimals=0,
    lowest=0,
    highest=100,
    custom={"fillOpacity": 10, "spanNulls": HOLDS, "thresholdsStyle": {"mode": "dashed"}},
    steps=SOC_STEPS,
    looks=(Look("Battery", palette.SOC),),
    interval="1m",
)
_LOADS = (
    PerDevice("AcLoadPower", "AC load", "last", now=True),
    PerDevice("DcLoadPower", "DC load", "last", now=True),
    PerDevice("EvChargerPower", "Charging point", "last", now=True),
    PerDevice("GensetPower", "Generator", "last", now=True),
    PerDevice("AlternatorPower", "Alternator", "last", now=True),
)
LOADS = stat(
    "Loads and generators",
    "Power of devices with a separate meter.",
    _LOADS,
    unit="watt",
    looks=(Look("(AC|DC) load", palette.HOUSE), Look("Charging point", palette.CHARGE),
           Look("(Generator|Alternator)", palette.BOUGHT)),
    transformations=[renamed(*each.renamed) for each in _LOADS],
    no_value=needs("loads"),
)  # fmt: skip
_MACHINES = (
    PerDevice("EvChargerStatus", "Charging point", "last", now=True),
    PerDevice("GensetStatus", "Generator", "last", now=True),
)
MACHINES = stat(
    "What they do",
    "The states of charging point and generator.",
    _MACHINES,
    looks=(
        Look("Charging point", mappings=mappings.of(mappings.EV_CHARGER)),
        Look("Generator", mappings=mappings.of(mappings.GENSET)),
    ),
    transformations=[renamed(*each.renamed) for each in _MACHINES],
    no_value=needs("loads"),
)
_TANK = PerDevice("TankLevel", "Tank", "last", now=True)
TANKS = bars(
    "Tanks",
    "The level of each tank.",
    (_TANK,),
    unit="percent",
    decimals=0,
    lowest=0,
    highest=100,
    steps=((None, palette.CHARGE),),
    transformations=(renamed(*_TANK.renamed),),
    no_value=needs("tanks"),
)

BOARD = Board(
    "overview",
    "Battery overview",
    "How full is the battery, what happens now, and what has today brought?",
    (
        Row(7, ((SOC_NOW, 6), (BATTERY_NOW, 6), (FLOWS_NOW, 12))),
        Row(4, ((ENERGY_MAINS, 12), (ENERGY_BATTERY, 12))),
        Row(10, ((DAY, 24),)),
        Row(6, ((SOC_DAY, 24),)),
        Section("All houses and devices", (Row(8, ((HOUSES, 24),)),)),
        Section(
            "Loads, generator and tanks",
            (Row(5, ((LOADS, 10), (MACHINES, 8), (TANKS, 6))),),
            closed=True,
        ),
    ),
    shown=(*DEVICE, "grid", "capacity", "from"),
    refresh="1m",
)

"""`overview`, which is home: what happens now, what the day has brought, and how it went."""

from __future__ import annotations

from dashboards import mappings, palette, values
from dashboards.board import DEVICE, Board, Row, Section
from dashboards.common import (
    BOUGHT_SOLD,
    CHARGED_DISCHARGED,
    ENERGY_LOOKS,
    FLOW_LOOKS,
    FROM_TO_MAINS,
    NO_VALUE_NOW,
    SOC_STEPS,
    needs,
)
from dashboards.derived import PerDevice, Remaining, Share, Written
from dashboards.panels import (
    STACKED,
    Look,
    bars,
    energies,
    gauge,
    graph,
    organized,
    renamed,
    stat,
    table,
)
from dashboards.queries import OWN, RAW, Column, Energy, Graph, Now
from dashboards.variables import INFLUXDB, PROMETHEUS

RESTS = 20  # W: with less a battery neither charges nor discharges

SOC_NOW = gauge(
    "State of charge",
    "How full the battery is; of several devices the mean.",
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
    " ten minutes; for that its capacity stands above.",
    (
        Now(values.BATTERY, (Column("Charging"),), where=f"> {RESTS}"),
        Now(values.BATTERY, (Column("Discharging", flip=True),), where=f"> {RESTS}"),
        Now(values.BATTERY, (Column("Idle"),), least=-RESTS, most=RESTS),
        Remaining("Full in", values.SOC, values.BATTERY, full=True),
        Remaining("Empty in", values.SOC, values.BATTERY, full=False),
    ),
    unit="watt",
    looks=(
        Look("Charging", palette.CHARGE),
        Look("Discharging", palette.DISCHARGE),
        Look("Idle", palette.NEUTRAL),
        Look("Full in", palette.CHARGE, unit="clocks", decimals=1),
        Look("Empty in", palette.DISCHARGE, unit="clocks", decimals=1),
    ),
    no_value=NO_VALUE_NOW,
)
FLOWS_NOW = stat(
    "Power now",
    "The sun, what comes from the mains or goes there, and what the house takes.",
    (
        Now(values.SUN_DC, (Column("Sun"),)),
        Now(values.SUN_AC, (Column("PV inverter"),)),
        Now(values.MAINS, (Column("From mains"),), where=">= 0"),
        Now(values.MAINS, (Column("To mains", flip=True),), where="> 0"),
        Now(values.HOUSE, (Column("House"),)),
    ),
    unit="watt",
    looks=FLOW_LOOKS,
    no_value=NO_VALUE_NOW,
)
ENERGY_MAINS = energies(
    "Energy: mains and sun",
    "Of the time that is shown, which is today when this is opened. The sun needs the preset solar"
    " or system.",
    (
        Energy(values.MAINS, BOUGHT_SOLD),
        Energy(values.SUN_DC, (Column("Sun"),)),
        Energy(values.SUN_AC, (Column("PV inverter"),)),
    ),
    decimals=1,
    looks=ENERGY_LOOKS,
)
ENERGY_BATTERY = energies(
    "Energy: battery and house",
    "Of the time that is shown; self-sufficient is what was not bought of what the house took. The"
    " house needs the preset system.",
    (
        Energy(values.BATTERY, CHARGED_DISCHARGED),
        Energy(values.HOUSE, (Column("House"),)),
        Share("Self-sufficient", of=values.HOUSE, without=values.MAINS),
    ),
    decimals=1,
    looks=(*ENERGY_LOOKS, Look("Self-sufficient", palette.GOOD, unit="percent", decimals=0)),
)
DAY = graph(
    "Where power comes from and goes to",
    "Above zero what gives power: sun, battery and mains. Below zero what takes it: house, battery"
    " and mains.",
    (
        Graph(values.SUN_DC, (Column("Sun"),)),
        Graph(values.SUN_AC, (Column("PV inverter"),)),
        Graph(
            values.BATTERY,
            (Column("Discharging", -1, flip=True), Column("Charging", 1, flip=True)),
        ),
        Graph(values.MAINS, FROM_TO_MAINS),
        Graph(values.HOUSE, (Column("House", flip=True),)),
    ),
    unit="watt",
    custom=STACKED,
    looks=FLOW_LOOKS,
    interval="10s",
)
SOC_DAY = graph(
    "Charge through the day",
    "How full the battery was.",
    (Graph(values.SOC, (Column("Battery"),)),),
    unit="percent",
    decimals=0,
    lowest=0,
    highest=100,
    custom={"fillOpacity": 10, "thresholdsStyle": {"mode": "dashed"}},
    steps=SOC_STEPS,
    looks=(Look("Battery", palette.SOC),),
    interval="10s",
)
_WHERE = {"site": "Site", "portal": "Device"}
_SOC_TIME = ("State of charge", "Last value")
_EVERY_SOC, _WHO = '{__name__="${soc}"}', "{{site}} {{portal}}"
HOUSES = table(
    "Houses and devices",
    "Each site, and each device of a fleet, the emptiest battery first; with the time of its last"
    " value within a day.",
    (
        Written(
            f'SELECT last("${{soc:raw}}") AS "Value" FROM {RAW} WHERE time >= ${{__to}}ms - 1d'
            ' AND time <= ${__to}ms GROUP BY "site", "portal"',
            (
                (f"avg by (site, portal) (last_over_time({_EVERY_SOC}[1d]))", _WHO),
                (f"max by (site, portal) (tlast_over_time({_EVERY_SOC}[1d])) * 1000", _WHO),
            ),
            name="$tag_site $tag_portal",
            table=True,
        ),
    ),
    sort=("State of charge", False),
    unit="string",
    looks=(
        Look("State of charge", unit="percent", decimals=0, steps=SOC_STEPS,
             custom={"cellOptions": {"type": "color-text"}}),
        Look("Last value", unit="dateTimeFromNow"),
        Look("(Site|Device)", no_value="–"),
    ),
    of_language={
        INFLUXDB: (organized({**_WHERE, "Value": _SOC_TIME[0], "Time": _SOC_TIME[1]}),),
        PROMETHEUS: (
            {"id": "merge", "options": {}},
            organized(
                {**_WHERE, "Value #A": _SOC_TIME[0], "Value #B": _SOC_TIME[1]}, without=("Time",)
            ),
        ),
    },
    no_value="no value for a day",
)  # fmt: skip
FLEET = stat(
    "Fleet",
    "Devices behind the broker, and those of them that do not respond; needs serial = * and"
    " self_measurement.",
    (
        Written(
            f'SELECT last("devices") AS "Devices", last("devices_silent") AS "Offline" FROM {OWN}'
            ' WHERE time >= ${__to}ms - 10m AND time <= ${__to}ms GROUP BY "site"',
            (
                ('last_over_time({__name__="${own}_devices"}[10m])', "Devices {{site}}"),
                ('last_over_time({__name__="${own}_devices_silent"}[10m])', "Offline {{site}}"),
            ),
        ),
    ),
    decimals=0,
    looks=(
        Look("Devices", palette.NEUTRAL),
        Look("Offline", steps=((None, palette.GOOD), (1.0, palette.BAD))),
    ),
    no_value="no fleet",
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
    "Power of what has a meter of its own.",
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
    "Charging point and generator",
    "What they do, in words.",
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
    "How full each tank is.",
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
        Row(7, ((SOC_NOW, 6), (BATTERY_NOW, 7), (FLOWS_NOW, 11))),
        Row(4, ((ENERGY_MAINS, 12), (ENERGY_BATTERY, 12))),
        Row(11, ((DAY, 24),)),
        Row(6, ((SOC_DAY, 24),)),
        Section(
            "Loads, generator and tanks",
            (Row(5, ((LOADS, 10), (MACHINES, 8), (TANKS, 6))),),
            closed=True,
        ),
        Section("Several houses, or a fleet", (Row(9, ((HOUSES, 18), (FLEET, 6))),), closed=True),
    ),
    shown=(*DEVICE, "grid", "capacity", "from"),
    refresh="1m",
)

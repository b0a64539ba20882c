"""`solar`: the sun's power, by charger and by inverter, and the states of the chargers."""

from __future__ import annotations

from dashboards import mappings, palette, values
from dashboards.board import DEVICE, Board, Row
from dashboards.common import ENERGY_LOOKS, NO_POWER, SUN_LOOKS, YIELD, YIELD_AC, needs
from dashboards.derived import PerDevice
from dashboards.panels import ENERGY_INTERVAL, KWH, STACKED, Look, energies, graph, stat
from dashboards.queries import Column, Course, Graph
from dashboards.transformations import renamed

NEEDS = needs("solar")
SHADES = {"mode": "shades", "fixedColor": palette.SUN}  # of several chargers
_STATE = PerDevice("SolarState", "Charger", "last", now=True)
_POWER = PerDevice("SolarPower", "Charger")
_VOLTAGE = PerDevice("SolarVoltage", "Charger")
_YIELD = PerDevice("SolarYield", "Charger", "last", now=True)

NOW = stat(
    "Sun now",
    "Power of the solar chargers, which are at the battery, and of the PV inverters, at the mains,"
    " above the graph of the last three hours.",
    (
        Course(values.SUN_DC, (Column("Sun"),)),
        Course(values.SUN_AC, (Column("PV inverter"),)),
    ),
    unit="watt",
    looks=SUN_LOOKS,
    lines=True,
    mappings=NO_POWER,
    no_value=NEEDS,
)
STATE = stat(
    "Chargers",
    "The state of each solar charger.",
    (_STATE,),
    looks=(Look("Charger", mappings=mappings.of(mappings.STATE)),),
    transformations=(renamed(*_STATE.renamed),),
    no_value=NEEDS,
)
POWER = graph(
    "Sun",
    "Power of all solar chargers and PV inverters, stacked.",
    (
        Graph(values.SUN_DC, (Column("Sun"),), YIELD),
        Graph(values.SUN_AC, (Column("PV inverter"),), YIELD_AC),
    ),
    unit="watt",
    custom=STACKED,
    looks=SUN_LOOKS,
    interval=ENERGY_INTERVAL,
    no_value=NEEDS,
)
ENERGY = energies(
    "Energy",
    "Energies of the shown time, by default today.",
    of=POWER,
    names=("Sun yield", "PV yield"),
    decimals=1,
    looks=ENERGY_LOOKS,
    no_value=NEEDS,
)
CHARGERS = graph(
    "Power of each charger",
    "The power of each solar charger.",
    (_POWER,),
    unit="watt",
    color=SHADES,
    transformations=(renamed(*_POWER.renamed),),
    no_value=NEEDS,
)
PANELS = graph(
    "Voltage of the panels",
    "Voltage at the input of each solar charger.",
    (_VOLTAGE,),
    unit="volt",
    decimals=0,
    color=SHADES,
    transformations=(renamed(*_VOLTAGE.renamed),),
    no_value=NEEDS,
)
INVERTERS = graph(
    "PV inverters by phase",
    "Power of the PV inverters on each phase.",
    tuple(
        Graph(values.power(f"PvInverter{line}Power"), (Column(line),))
        for line in ("L1", "L2", "L3")
    ),
    unit="watt",
    looks=tuple(
        Look(line, color) for line, color in zip(("L1", "L2", "L3"), palette.PHASES, strict=True)
    ),
    no_value=NEEDS,
)
METERS = stat(
    "Yield in all",
    "The counter of each solar charger since its installation.",
    (_YIELD,),
    unit=KWH,
    decimals=0,
    looks=(Look("Charger", palette.SUN),),
    transformations=(renamed(*_YIELD.renamed),),
    no_value=NEEDS,
)

BOARD = Board(
    "solar",
    "Sun",
    "What does the sun give, which charger and inverter has it, and what do they do?",
    (
        Row(5, ((NOW, 6), (ENERGY, 6), (STATE, 6), (METERS, 6))),
        Row(10, ((POWER, 24),)),
        Row(8, ((CHARGERS, 12), (PANELS, 12))),
        Row(8, ((INVERTERS, 24),)),
    ),
    shown=(*DEVICE, "from", "fill"),
)

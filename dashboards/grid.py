"""`grid`: the mains and the phases, at the meter, at the inverter's input and at its output."""

from __future__ import annotations

from dashboards import palette, values
from dashboards.board import DEVICE, Board, Row, Section
from dashboards.common import (
    BOUGHT_SOLD,
    ENERGY_LOOKS,
    FROM_TO_MAINS,
    LINES,
    MAINS_LOOKS,
    NO_POWER,
    NO_VALUE_NOW,
    PHASE_LOOKS,
    needs,
)
from dashboards.panels import ENERGY_INTERVAL, Look, Panel, energies, graph, stat
from dashboards.queries import Column, Course, Graph, Now
from dashboards.values import mean, power

HERTZ_STEPS = (
    (None, palette.BAD),
    (47.5, palette.WARNING),
    (49.8, palette.GOOD),
    (50.2, palette.WARNING),
    (51.5, palette.BAD),
)  # EN 50160 permits 47 to 52 Hz; inverters disconnect from the mains at 47.5 and 51.5
VOLT_STEPS = (
    (None, palette.BAD),
    (207.0, palette.GOOD),
    (253.0, palette.BAD),
)  # EN 50160: 230 V ± 10 %


def phases(title: str, stem: str, quantity: str, unit: str, preset: str) -> Panel:
    """Return a graph of a quantity of all three phases."""
    what = {"Power": "Power", "Voltage": "Voltage", "Current": "Current"}[quantity]
    value = power if quantity == "Power" else mean
    return graph(
        title,
        f"{what} of each phase; + from the mains and to the loads.",
        tuple(Graph(value(f"{stem}{line}{quantity}"), (Column(line),)) for line in LINES),
        unit=unit,
        decimals=0 if quantity == "Power" else 1,
        looks=PHASE_LOOKS,
        no_value=needs(preset),
    )


NOW = stat(
    "Mains now",
    "Power from and to the mains: the mean of the last two minutes, above the graph"
    " of the last three hours.",
    (Course(values.MAINS, (Column("From mains", 1), Column("To mains", -1, flip=True))),),
    unit="watt",
    looks=MAINS_LOOKS,
    lines=True,
    mappings=NO_POWER,
    no_value=NO_VALUE_NOW,
)
STATE = stat(
    "Voltage and frequency",
    "Of phase L1 at the inverter's input. Amber and red values are outside the limits of EN 50160.",
    (
        Now(mean("V"), (Column("Voltage"),)),
        Now(mean("F"), (Column("Frequency"),)),
    ),
    looks=(
        Look("Voltage", unit="volt", decimals=0, steps=VOLT_STEPS),
        Look("Frequency", unit="hertz", decimals=2, steps=HERTZ_STEPS),
    ),
    no_value=NO_VALUE_NOW,
)
POWER = graph(
    "From and to the mains",
    "Power from the mains, above zero, and fed in, below zero.",
    (Graph(values.MAINS, FROM_TO_MAINS, BOUGHT_SOLD),),
    unit="watt",
    custom={"fillOpacity": 50, "lineWidth": 1},
    looks=MAINS_LOOKS,
    interval=ENERGY_INTERVAL,
)
ENERGY = energies(
    "Energy",
    "Energy bought and sold in the shown time, by default today.",
    of=POWER,
    names=("Bought", "Sold"),
    decimals=1,
    looks=ENERGY_LOOKS,
)
QUALITY = graph(
    "Voltage of the mains",
    "At the inverter's input, phase L1.",
    (Graph(mean("V"), (Column("Voltage"),)),),
    unit="volt",
    decimals=0,
    looks=(Look("Voltage", palette.VOLTAGE),),
)
FREQUENCY = graph(
    "Frequency",
    "At the inverter's input, phase L1.",
    (Graph(mean("F"), (Column("Frequency"),)),),
    unit="hertz",
    decimals=2,
    custom={"lineWidth": 1},
    looks=(Look("Frequency", palette.CHARGE),),
)
LOAD = graph(
    "Real and apparent power",
    "W and VA of phase L1 at the inverter's input, on one axis; they differ by the reactive power.",
    (
        Graph(power("P"), (Column("Real, W"),)),
        Graph(power("S"), (Column("Apparent, VA"),)),
    ),
    unit="locale",
    decimals=0,
    looks=(Look("Real, W", palette.CHARGE), Look("Apparent, VA", palette.SUN)),
)
CURRENT = graph(
    "Current",
    "At the inverter's input, phase L1.",
    (Graph(mean("I"), (Column("Current"),)),),
    unit="amp",
    decimals=1,
    looks=(Look("Current", palette.CURRENT),),
)

BOARD = Board(
    "grid",
    "Mains and phases",
    "What comes from the mains and goes there, on which phase, and how good are they?",
    (
        Row(5, ((NOW, 8), (ENERGY, 8), (STATE, 8))),
        Row(9, ((POWER, 24),)),
        Row(7, ((QUALITY, 24),)),
        Section(
            "Frequency and load of the inverter's input",
            (Row(7, ((FREQUENCY, 24),)), Row(7, ((LOAD, 12), (CURRENT, 12)))),
            closed=True,
        ),
        Section(
            "Meter (preset grid)",
            (
                Row(
                    8,
                    (
                        (phases("Power at the meter", "Grid", "Power", "watt", "grid"), 12),
                        (phases("Voltage at the meter", "Grid", "Voltage", "volt", "grid"), 12),
                    ),
                ),
            ),
            closed=True,
        ),
        Section(
            "Inverter (preset phases)",
            (
                Row(
                    8,
                    (
                        (phases("Power in", "Input", "Power", "watt", "phases"), 12),
                        (phases("Power out", "Output", "Power", "watt", "phases"), 12),
                    ),
                ),
                Row(
                    8,
                    (
                        (phases("Current in", "Input", "Current", "amp", "phases"), 12),
                        (phases("Voltage out", "Output", "Voltage", "volt", "phases"), 12),
                    ),
                ),
            ),
            closed=True,
        ),
        Section(
            "House (preset system)",
            (
                Row(
                    8,
                    (
                        (
                            phases("House", "SystemConsumption", "Power", "watt", "system"),
                            12,
                        ),
                        (phases("Mains", "SystemGrid", "Power", "watt", "system"), 12),
                    ),
                ),
            ),
            closed=True,
        ),
    ),
    shown=(*DEVICE, "grid", "from", "fill"),
)

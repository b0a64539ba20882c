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
    NO_VALUE_NOW,
    PHASE_LOOKS,
    needs,
)
from dashboards.panels import Look, Panel, energies, graph, stat
from dashboards.queries import Column, Energy, Graph, Now
from dashboards.values import mean, power

HERTZ_STEPS = (
    (None, palette.BAD),
    (47.5, palette.WARNING),
    (49.8, palette.GOOD),
    (50.2, palette.WARNING),
    (51.5, palette.BAD),
)  # EN 50160 allows 47 to 52 Hz, and inverters leave the mains at 47.5 and 51.5


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
    "What comes from the mains or goes there, and voltage and frequency of L1 at the inverter's"
    " input.",
    (
        Now(values.MAINS, (Column("From mains"),), where=">= 0"),
        Now(values.MAINS, (Column("To mains", flip=True),), where="> 0"),
        Now(mean("V"), (Column("Voltage"),)),
        Now(mean("F"), (Column("Frequency"),)),
    ),
    unit="watt",
    looks=(
        *MAINS_LOOKS,
        Look("Voltage", unit="volt", decimals=0, steps=(
            (None, palette.BAD), (207.0, palette.GOOD), (253.0, palette.BAD))),
        Look("Frequency", unit="hertz", decimals=2, steps=HERTZ_STEPS),
    ),
    no_value=NO_VALUE_NOW,
)  # fmt: skip
ENERGY = energies(
    "Energy",
    "What was bought and sold in the time that is shown, which is today when this is opened.",
    (Energy(values.MAINS, BOUGHT_SOLD),),
    decimals=1,
    looks=ENERGY_LOOKS,
)
POWER = graph(
    "From and to the mains",
    "What was taken from the mains, above zero, and fed in, below.",
    (Graph(values.MAINS, FROM_TO_MAINS),),
    unit="watt",
    decimals=0,
    custom={"fillOpacity": 50, "lineWidth": 1},
    looks=MAINS_LOOKS,
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
    "W and VA of phase L1 at the inverter's input, on one axis; apart by the reactive power.",
    (
        Graph(power("P"), (Column("Real, W"),)),
        Graph(power("S"), (Column("Apparent, VA"),)),
    ),
    unit="locale",
    decimals=0,
    looks=(
        Look("Real, W", palette.CHARGE, custom={"axisLabel": "W, VA"}),
        Look("Apparent, VA", palette.SUN, custom={"axisLabel": "W, VA"}),
    ),
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
        Row(4, ((NOW, 12), (ENERGY, 12))),
        Row(9, ((POWER, 24),)),
        Row(7, ((QUALITY, 12), (FREQUENCY, 12))),
        Row(7, ((LOAD, 12), (CURRENT, 12))),
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

"""`battery`: the battery, its cells and limits, and the states of the inverter."""

from __future__ import annotations

from dashboards import mappings, palette, values
from dashboards.board import DEVICE, Board, Row, Section
from dashboards.common import BATTERY_LOOKS, NO_VALUE_NOW, RESTS, SOC_STEPS, needs
from dashboards.derived import PerDevice, Written
from dashboards.panels import HOLDS, Look, graph, stat
from dashboards.queries import AROUND, CHOICE, CHOSEN, Column, Graph, Now, metric
from dashboards.transformations import renamed
from dashboards.values import mean

WARM, HOT = 40.0, 50.0  # °C: above it cells age fast, and chargers stop

STATE = stat(
    "Battery now",
    "State of charge, voltage, current and power; of current and power, + charges the battery.",
    (
        Now(values.SOC, (Column("Charge"),)),
        Now(values.VOLTAGE, (Column("Voltage"),)),
        Now(values.CURRENT, (Column("Current"),)),
        Now(values.BATTERY, (Column("Power"),)),
    ),
    unit="none",
    looks=(
        Look("Charge", unit="percent", decimals=1, steps=SOC_STEPS),
        Look("Voltage", palette.VOLTAGE, unit="volt", decimals=2),
        Look("Current", palette.CURRENT, unit="amp", decimals=1),
        Look(
            "Power",
            unit="watt",
            steps=((None, palette.DISCHARGE), (-RESTS, palette.NEUTRAL), (RESTS, palette.CHARGE)),
        ),
    ),
    no_value=NO_VALUE_NOW,
)
HEALTH = stat(
    "Health",
    "Temperature and health of the battery, and the time to go that the GX device computes.",
    (
        Now(mean("BatteryTemperature"), (Column("Temperature"),)),
        Now(mean("BatterySoh"), (Column("Health"),)),
        Now(mean("SystemBatteryTimeToGo"), (Column("Time to go"),)),
    ),
    unit="none",
    looks=(
        Look("Temperature", unit="celsius", decimals=1, steps=(
            (None, palette.CHARGE), (5.0, palette.GOOD), (WARM, palette.WARNING),
            (HOT, palette.BAD))),
        Look("Health", unit="percent", decimals=0, steps=(
            (None, palette.BAD), (70.0, palette.WARNING), (85.0, palette.GOOD))),
        Look("Time to go", palette.DISCHARGE, unit="clocks", decimals=1),
    ),
    no_value=needs("battery"),
)  # fmt: skip
_INVERTERS = tuple(
    PerDevice(f"{stem}{what}", name, "last", now=True)
    for stem, own in (("Inverter", ""), ("Multi", "RS "), ("Phoenix", "Phoenix "))
    for what, name in (("State", f"{own}State"), ("Mode", f"{own}Mode"))
)
_ERRORS = (PerDevice("InverterError", "Error", "last", now=True),)
INVERTER = stat(
    "Inverter",
    "The state of each inverter/charger; Victron's lists explain error codes.",
    (*_INVERTERS, *_ERRORS),
    looks=(
        Look("(RS |Phoenix )?State", mappings=mappings.of(mappings.STATE)),
        Look("(RS |Phoenix )?Mode", mappings=mappings.of(mappings.MODE)),
        Look("Error", mappings=mappings.of(mappings.ERROR),
             steps=((None, palette.GOOD), (1.0, palette.BAD))),
    ),
    transformations=[renamed(*each.renamed) for each in (*_INVERTERS, *_ERRORS)],
    decimals=0,
    no_value="needs preset phases or inverter",
)  # fmt: skip
POWER = graph(
    "Power",
    "Power into the battery, above zero, and out of it, below zero.",
    (Graph(values.BATTERY, (Column("Charging", 1), Column("Discharging", -1))),),
    unit="watt",
    custom={"fillOpacity": 50, "lineWidth": 1},
    looks=BATTERY_LOOKS,
)
SOC = graph(
    "State of charge",
    "The state of charge of the battery.",
    (Graph(values.SOC, (Column("Charge"),)),),
    unit="percent",
    decimals=0,
    lowest=0,
    highest=100,
    custom={"fillOpacity": 10, "spanNulls": HOLDS, "thresholdsStyle": {"mode": "dashed"}},
    steps=SOC_STEPS,
    looks=(Look("Charge", palette.SOC),),
    interval="1m",
)
VOLTAGE = graph(
    "Voltage",
    "The battery's voltage, the mean of each interval.",
    (Graph(values.VOLTAGE, (Column("Voltage"),)),),
    unit="volt",
    decimals=1,
    looks=(Look("Voltage", palette.VOLTAGE),),
)
CURRENT = graph(
    "Current and its limits",
    "The battery's current, + charging, between the limits that its BMS sets (preset battery).",
    (
        Graph(values.CURRENT, (Column("Current"),)),
        Graph(mean("BatteryMaxChargeCurrent"), (Column("Charge limit"),)),
        Graph(mean("BatteryMaxDischargeCurrent"), (Column("Discharge limit", flip=True),)),
    ),
    unit="amp",
    decimals=0,
    looks=(
        Look("Current", palette.CURRENT),
        Look("Charge limit", palette.NEUTRAL, custom={"lineStyle": {"fill": "dash"}}),
        Look("Discharge limit", palette.HOUSE, custom={"lineStyle": {"fill": "dot"}}),
    ),
)
CELLS = graph(
    "Highest and lowest cell",
    "Voltages of the highest and lowest cell; the wider the band, the less balanced the battery.",
    (
        Graph(mean("BatteryMaxCellVoltage"), (Column("Highest"),)),
        Graph(mean("BatteryMinCellVoltage"), (Column("Lowest"),)),
    ),
    unit="volt",
    decimals=3,
    looks=(Look("Highest", palette.BOUGHT), Look("Lowest", palette.CHARGE)),
    no_value=needs("battery"),
)
CELLS_NOW = stat(
    "Cells",
    "Voltages of the highest and the lowest cell.",
    (
        Now(mean("BatteryMaxCellVoltage"), (Column("Highest"),)),
        Now(mean("BatteryMinCellVoltage"), (Column("Lowest"),)),
    ),
    unit="volt",
    decimals=3,
    looks=(Look("Highest", palette.BOUGHT), Look("Lowest", palette.CHARGE)),
    no_value=needs("battery"),
)
_TEMPERATURES = (
    PerDevice("BatteryTemperature", "Battery"),
    PerDevice("SensorTemperature", "Sensor"),
)
TEMPERATURE = graph(
    "Temperatures",
    "Temperatures of the battery, and of separate sensors (preset tanks).",
    _TEMPERATURES,
    unit="celsius",
    decimals=1,
    looks=(Look("Battery", palette.TEMPERATURE), Look("Sensor", palette.CHARGE)),
    transformations=[renamed(*each.renamed) for each in _TEMPERATURES],
    no_value=needs("battery"),
)

_MINUTES = (
    f'SELECT mean("${{power:raw}}") AS "n" FROM {CHOSEN} WHERE $timeFilter {CHOICE}'
    "GROUP BY time(1m), * fill(none)"
)
_POWER = metric("$power")
COVERED = stat(
    "Minutes with a value",
    "The share of minutes in the shown time with a value of the battery's power: less than"
    " 100 % means a gap. With mode = notify a value that does not change is not stored again.",
    (
        Written(
            'SELECT count("n") * 6000000.0 / (${__to} - ${__from}) AS "Minutes with a value"'
            f" FROM ({_MINUTES}) WHERE {AROUND}",
            f"sum(count_over_time((max(count_over_time({_POWER}[1m])))[$__range:1m]))"
            " * 6000000 / (${__to} - ${__from})",
            name="Minutes with a value",
        ),
    ),
    unit="percent",
    decimals=1,
    steps=((None, palette.BAD), (95.0, palette.WARNING), (99.0, palette.GOOD)),
)
LONGEST = stat(
    "Longest time without a value",
    "Between two minutes with a value. A gap that has not ended is not included.",
    (
        Written(
            'SELECT max("gap") AS "Longest gap" FROM'
            f' (SELECT elapsed("n", 1s) AS "gap" FROM ({_MINUTES}) WHERE $timeFilter)'
            " WHERE $timeFilter",
            f"round(max_over_time((max(lag({_POWER}[1d])))[$__range:1m]))",
            name="Longest gap",
        ),
    ),
    unit="clocks",
    decimals=1,
    steps=((None, palette.GOOD), (121.0, palette.WARNING), (3_600.0, palette.BAD)),
)

BOARD = Board(
    "battery",
    "Battery",
    "How is the battery: its charge, its cells, its temperature, and what is done with it?",
    (
        Row(5, ((STATE, 12), (HEALTH, 12))),
        Row(9, ((POWER, 12), (SOC, 12))),
        Row(8, ((VOLTAGE, 12), (CURRENT, 12))),
        Section(
            "Cells and temperatures",
            (Row(8, ((CELLS_NOW, 6), (CELLS, 9), (TEMPERATURE, 9))),),
        ),
        Section("Inverter", (Row(4, ((INVERTER, 24),)),)),
        Section("Gaps", (Row(4, ((COVERED, 12), (LONGEST, 12))),), closed=True),
    ),
    shown=(*DEVICE, "from", "fill"),
    start="now-12h",
)

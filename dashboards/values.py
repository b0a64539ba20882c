"""The values to show: fields of the database by their meaning.

A name with a $ is that of a variable of the dashboard (variables.py). It has the first stored field
of several with the same meaning, such as `Soc` and `BatterySoc`.
"""

from __future__ import annotations

from dataclasses import dataclass

PHASES = ("L1", "L2", "L3")


@dataclass(frozen=True)
class Value:
    """A field, or the sum of several, each of which may be absent.

    `over` is the function for the same field of several devices: sum, mean or max.
    """

    fields: tuple[str, ...]
    over: str = "mean"


def power(*fields: str) -> Value:
    """Return a power, in W, or the sum of several."""
    return Value(fields, "sum")


def mean(field: str) -> Value:
    """Return a value with a mean over devices: a voltage, a temperature, a state of charge."""
    return Value((field,))


def last(field: str) -> Value:
    """Return a code or a counter; for several devices it is the highest."""
    return Value((field,), "max")


SOC = mean("$soc")
VOLTAGE, CURRENT = mean("$voltage"), power("$current")
BATTERY = power("$power")  # + charging
MAINS = power("$grid")  # + from the mains
SUN_DC = power("$sun")
SUN_AC = power("PvInverterPower")
HOUSE = power(*(f"SystemConsumption{phase}Power" for phase in PHASES))

"""Names, colours and limits that several dashboards share."""

from __future__ import annotations

from dashboards.palette import (
    BAD,
    BOUGHT,
    CHARGE,
    DISCHARGE,
    GOOD,
    HOUSE,
    PHASES,
    SOLD,
    SUN,
    SUN_AC,
    WARNING,
)
from dashboards.panels import Look, Steps
from dashboards.queries import Column

LINES = ("L1", "L2", "L3")
SOC_STEPS: Steps = ((None, BAD), (30.0, WARNING), (60.0, GOOD))  # %, Victron's own limits
RESTS = 20  # W: with less a battery neither charges nor discharges
NO_VALUE_NOW = "no value for ten minutes"

# A meter is not precise to milliwatts.
NO_POWER = ({"type": "range", "options": {"from": -0.999, "to": 0.999, "result": {"text": "0 W"}}},)

FROM_TO_MAINS = (Column("From mains", 1), Column("To mains", -1))
BOUGHT_SOLD = (Column("Bought", 1), Column("Sold", -1, flip=True))
CHARGED_DISCHARGED = (Column("Charged", 1), Column("Discharged", -1, flip=True))
YIELD, YIELD_AC, USED = (Column("Sun yield"),), (Column("PV yield"),), (Column("Used"),)

SUN_LOOKS = (Look("Sun", SUN), Look("PV inverter", SUN_AC))
MAINS_LOOKS = (Look("From mains", BOUGHT), Look("To mains", SOLD))
BATTERY_LOOKS = (Look("Charging", CHARGE), Look("Discharging", DISCHARGE))
FLOW_LOOKS = (*SUN_LOOKS, *MAINS_LOOKS, *BATTERY_LOOKS, Look("House", HOUSE))
ENERGY_LOOKS = (
    *SUN_LOOKS,
    Look("Bought", BOUGHT),
    Look("Sold", SOLD),
    Look("Charged", CHARGE),
    Look("Discharged", DISCHARGE),
    Look("House", HOUSE),
    Look("Sun yield", SUN),
    Look("PV yield", SUN_AC),
    Look("Used", HOUSE),
)
PHASE_LOOKS = tuple(Look(line, color) for line, color in zip(LINES, PHASES, strict=True))


def needs(preset: str) -> str:
    """Return the text of a panel without values because a preset is missing."""
    return f"needs preset {preset}"

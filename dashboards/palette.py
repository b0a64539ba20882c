"""One colour for each thing, in every dashboard.

They suit both of Grafana's themes: a contrast of 3 with either background, as WCAG 2 requires for
graphics. And they suit people with colour blindness: any two of FLOWS are at least 20 apart in
CIELAB, also in the simulation of protanopia, deuteranopia and tritanopia by Machado, Oliveira and
Fernandes (2009). The hues are those of Okabe and Ito: amber, red,
purple, blue, green. tests/package/test_palette.py computes all of that.
"""

from __future__ import annotations

SUN = "#d08402"  # amber
BOUGHT = "#b2411c"  # red: it costs money
SUN_AC = "#a89000"  # a darker yellow: of inverters at the mains
SOLD = "#a339a1"  # purple
CHARGE = "#487ff1"  # blue: into the battery
DISCHARGE = "#27a971"  # green: out of it
HOUSE = "#9393a7"  # grey
FLOWS = {
    "sun": SUN,
    "bought": BOUGHT,
    "sold": SOLD,
    "charge": CHARGE,
    "discharge": DISCHARGE,
    "house": HOUSE,
}
# Other measured values have the colour of the most similar flow.
SOC, VOLTAGE, CURRENT, TEMPERATURE = CHARGE, SUN, DISCHARGE, BOUGHT
PHASES = (SUN, CHARGE, DISCHARGE)  # L1, L2, L3

# States: always with a text or a number, never alone.
GOOD, WARNING, BAD, NEUTRAL = DISCHARGE, SUN, "#d13a2c", HOUSE
STATES = (GOOD, WARNING, BAD, NEUTRAL)

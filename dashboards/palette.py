"""One colour for one thing, in every dashboard.

Chosen for both of Grafana's themes: a contrast of 3 with the background of either, as WCAG 2 wants
it of graphics. And for people who see no difference between red and green, or blue and yellow: any
two of FLOWS are at least 20 apart in CIELAB, also as Machado, Oliveira and Fernandes (2009)
simulate protanopia, deuteranopia and tritanopia. The hues are those of Okabe and Ito: amber, red,
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
# What is measured beside the flows takes the colour of the nearest of them.
SOC, VOLTAGE, CURRENT, TEMPERATURE = CHARGE, SUN, DISCHARGE, BOUGHT
PHASES = (SUN, CHARGE, DISCHARGE)  # L1, L2, L3

# How it is with something: always beside a word or a number, never alone.
GOOD, WARNING, BAD, NEUTRAL = DISCHARGE, SUN, "#d13a2c", HOUSE
STATES = (GOOD, WARNING, BAD, NEUTRAL)

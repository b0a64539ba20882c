"""The colours of the dashboards: visible on both themes, and distinguishable by everybody."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from dashboards import palette

BACKGROUNDS = {"dark": "#181b1f", "light": "#ffffff"}  # of a panel, in Grafana 10 and later
CONTRAST = 3.0  # WCAG 2.1, 1.4.11, of graphics
APART = 20.0  # in CIELAB; side by side, people distinguish colours from 2 on
# Machado, Oliveira and Fernandes (2009), severity 1.0, of linear RGB.
SIGHTS = {
    "all colours": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
Rgb = tuple[float, float, float]


def linear(color: str) -> Rgb:
    """Return linear RGB of #rrggbb (IEC 61966-2-1)."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _curve(red), _curve(green), _curve(blue)


def _curve(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    """Return the relative luminance, from 0 to 1."""
    red, green, blue = linear(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def seen(color: str, sight: str) -> Rgb:
    """Return a colour as it is seen, in CIELAB (D65)."""
    source = linear(color)
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, source, strict=True))))
        for row in SIGHTS[sight]
    )
    x = _lab((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047)
    y = _lab(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    z = _lab((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _lab(value: float) -> float:
    return float(value ** (1 / 3)) if value > 0.008856 else 7.787 * value + 16 / 116


@pytest.mark.parametrize("theme", BACKGROUNDS)
@pytest.mark.parametrize("color", [*palette.FLOWS.values(), palette.SUN_AC, *palette.STATES])
def test_a_colour_stands_out_from_the_background(theme: str, color: str) -> None:
    """Of either theme."""
    low, high = sorted((luminance(color), luminance(BACKGROUNDS[theme])))
    assert (high + 0.05) / (low + 0.05) >= CONTRAST


@pytest.mark.parametrize("sight", SIGHTS)
def test_two_flows_have_distinguishable_colours(sight: str) -> None:
    """Also for people with colour blindness."""
    for (one, color), (other, another) in combinations(palette.FLOWS.items(), 2):
        far = math.dist(seen(color, sight), seen(another, sight))
        assert far >= APART, (one, other, far)


def test_similar_colours_are_detected() -> None:
    """Proves that the tests above can fail: with red and green of traffic lights."""
    red, green = (seen(each, "deuteranopia") for each in ("#a05a00", "#6f7a00"))
    assert math.dist(red, green) < APART
    assert math.dist(seen("#ffff00", "all colours"), seen("#ffffff", "tritanopia")) > APART

"""A day of a battery as a plot, by matplotlib.

Rules: the same day gives the same file, byte for byte, with the same matplotlib. Letters are paths,
so that the plot looks the same everywhere. Its colours are of the palette of Okabe and Ito, which
people with colour blindness can distinguish, on a background that is light on dark pages too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.transforms import IdentityTransform

CARD, INK, FAINT, GRID = "#ffffff", "#24292f", "#57606a", "#d8dee4"
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8c959f"
OPACITY = 0.8
TITLE = "A day of a battery: its power, its state of charge, and the mains"
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "bat2influx",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.facecolor": CARD,
    "axes.axisbelow": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True)
class Day:
    """The data of the plot: hours since midnight, W, % and W at each; and sums in kWh."""

    hours: list[float]
    battery: list[float]
    soc: list[float]
    mains: list[float]
    charged: float
    discharged: float
    taken: float
    fed_in: float


def draw(day: Day) -> str:
    """Return the plot as SVG."""
    written = StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.0, 7.0), dpi=72, facecolor="none")
        figure.add_artist(_card(*figure.get_size_inches()))
        battery, soc, mains = figure.subplots(3, sharex=True, height_ratios=(5, 3, 4))
        _both_ways(battery, day.hours, day.battery, (BLUE, ORANGE))
        _title(battery, "Battery", "kW")
        _legend(
            battery,
            (BLUE, f"charge {day.charged:.1f} kWh"),
            (ORANGE, f"discharge {day.discharged:.1f} kWh"),
        )
        soc.plot(day.hours, day.soc, color=INK, linewidth=1.6)
        soc.set_ylim(0, 100)
        soc.set_yticks((0, 25, 50, 75, 100))
        _title(soc, "State of charge", "%")
        _both_ways(mains, day.hours, day.mains, (GREY, GREEN))
        _title(mains, "Mains", "kW")
        _legend(
            mains,
            (GREY, f"taken {day.taken:.1f} kWh"),
            (GREEN, f"fed in {day.fed_in:.1f} kWh"),
        )
        for axes in (battery, soc, mains):
            axes.grid(visible=True)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
        mains.set_xlim(0, 24)
        hours = range(0, 25, 3)
        mains.set_xticks(hours, [f"{hour:02}:00" for hour in hours])
        figure.align_ylabels()
        figure.subplots_adjust(left=0.065, right=0.965, top=0.935, bottom=0.06, hspace=0.28)
        about = {"Title": TITLE, "Creator": None, "Date": None, "Format": None, "Type": None}
        figure.savefig(written, format="svg", metadata=about)
    return _short(written.getvalue())


def _short(text: str) -> str:
    """Return the file without unneeded parts: the document type, thousandths of a point."""
    text = re.sub(r"<!DOCTYPE[^>]*>\n", "", text)
    return re.sub(
        r"([ML]) (-?[0-9.]+) (-?[0-9.]+)",
        lambda found: f"{found[1]} {float(found[2]):.2f} {float(found[3]):.2f}",
        text,
    )


def _card(width: float, height: float) -> FancyBboxPatch:
    """Return the background, with the size of the whole picture, in inches of 72 pt."""
    corner = 8.0  # pt
    inside = width * 72.0 - 2 * corner, height * 72.0 - 2 * corner
    return FancyBboxPatch(
        (corner, corner),
        *inside,
        boxstyle=f"round,pad={corner - 0.5},rounding_size={corner}",
        facecolor=CARD,
        edgecolor=GRID,
        transform=IdentityTransform(),
        zorder=-1,
    )


def _both_ways(
    axes: Axes, hours: list[float], watts: list[float], colours: tuple[str, str]
) -> None:
    """Plot a power, filled in one colour above zero and in another below."""
    kilowatts = [value / 1000.0 for value in watts]
    for colour, half in zip(colours, (max, min), strict=True):
        beyond = [half(value, 0.0) for value in kilowatts]
        axes.fill_between(hours, beyond, color=colour, alpha=OPACITY, linewidth=0.0)
    axes.axhline(0.0, color=FAINT, linewidth=0.7)


def _title(axes: Axes, name: str, unit: str) -> None:
    axes.set_title(name, loc="left", fontsize=11.0, fontweight="bold")
    axes.set_ylabel(unit)


def _legend(axes: Axes, *entries: tuple[str, str]) -> None:
    """Draw the legend of colours, at the top right."""
    handles = [Patch(color=colour, alpha=OPACITY) for colour, _ in entries]
    axes.legend(
        handles,
        [text for _, text in entries],
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=len(entries),
        frameon=False,
        borderpad=0.0,
        handlelength=1.0,
        handleheight=1.0,
    )

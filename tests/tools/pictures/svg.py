"""A terminal's screen as SVG, which looks the same everywhere.

Rules: the file needs nothing else, neither a font nor a script. Each word has its position and is
stretched to its cells, so that the widths of a font's letters do not matter. Block elements (U+2581
to U+2588) are drawn as shapes and not by a font; between two lines is a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from tests.tools.pictures.screen import Look, Run, read

WIDTH, HEIGHT, SIZE = 8.4, 18.0, 14.0  # of a cell and of a letter, in px
BASE = 13.0  # px from the top of a cell to the foot of a letter
GAP = 2.5  # px between two full blocks, one above the other
MARGIN = 14.0
INK, PAPER, EDGE = "#d1d7de", "#0d1117", "#3d444d"
FAINT = 0.62  # opacity of dim text
FONTS = (
    "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono',"
    " monospace"
)
_WORDS = re.compile("[▁-█]+|[^ ▁-█]+(?: [^ ▁-█]+)*")
_LOWEST = ord("▁")


def draw(lines: Sequence[str], title: str, columns: int) -> str:
    """Return the lines, as a terminal gives them, as SVG. Raises ValueError."""
    width = columns * WIDTH + 2 * MARGIN
    height = len(lines) * HEIGHT + 2 * MARGIN
    box = f'width="{width - 1:g}" height="{height - 1:g}" rx="8"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect x="0.5" y="0.5" {box} fill="{PAPER}" stroke="{EDGE}"/>',
        f'<g font-family="{FONTS}" font-size="{SIZE:g}" fill="{INK}" xml:space="preserve">',
    ]
    look = Look()
    for number, line in enumerate(lines):
        runs, look = read(line, look)
        for run in runs:
            drawn += _run(run, MARGIN + number * HEIGHT)
    return "\n".join([*drawn, "</g>", "</svg>", ""])


def _run(run: Run, top: float) -> Iterator[str]:
    ink, paper = run.look.ink or INK, run.look.paper
    if run.look.reverse:
        ink, paper = paper or PAPER, ink
    if paper is not None:
        place = f'x="{_x(run.column):g}" y="{top:g}"'
        yield f'<rect {place} {_size(run.cells)} height="{HEIGHT:g}" fill="{paper}"/>'
    style = _style(run.look, ink)
    for found in _WORDS.finditer(run.text):
        before = run._replace(text=run.text[: found.start()])
        word = run._replace(column=run.column + before.cells, text=found[0])
        if word.text[0] >= "▁" and word.text[0] <= "█":
            yield f'<path d="{_bars(word, top)}"{style}/>'
        else:
            place = f'x="{_x(word.column):g}" y="{top + BASE:g}"'
            length = f'textLength="{word.cells * WIDTH:g}" lengthAdjust="spacingAndGlyphs"'
            yield f"<text {place} {length}{style}>{escape(word.text)}</text>"


def _bars(run: Run, top: float) -> str:
    """Return the path of block elements, a rectangle for each."""
    path = []
    for number, char in enumerate(run.text):
        height = (ord(char) - _LOWEST + 1) / 8 * (HEIGHT - GAP)
        left, foot = _x(run.column + number), top + HEIGHT - GAP / 2
        path.append(f"M{left:g} {foot:g}v{-height:.2f}h{WIDTH:g}v{height:.2f}z")
    return "".join(path)


def _x(column: int) -> float:
    return round(MARGIN + column * WIDTH, 2)


def _size(cells: int) -> str:
    return f'width="{round(cells * WIDTH, 2):g}"'


def _style(look: Look, ink: str) -> str:
    """Return the attributes of a style, without default ones."""
    given = {
        "fill": ink if ink != INK else "",
        "font-weight": "bold" if look.bold else "",
        "font-style": "italic" if look.italic else "",
        "text-decoration": "underline" if look.underline else "",
        "opacity": f"{FAINT:g}" if look.dim else "",
    }
    return "".join(f" {name}={quoteattr(value)}" for name, value in given.items() if value)

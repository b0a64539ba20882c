"""The pictures, and the conversion of a terminal's screen."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests import TOP
from tests.support.tmux import Tmux
from tests.tools.pictures import svg
from tests.tools.pictures.screen import PALETTE, Look, Run, read
from tests.tools.pictures.standin import Lived

PICTURES = ("day", "watch")
SVG = "{http://www.w3.org/2000/svg}"
SHOWN = {"g", "path", "rect", "text", "title", "defs", "use", "clipPath", "style", "metadata"}
FIRST = 1_776_470_400  # a midnight


def look(**given: str | bool) -> Look:
    return Look()._replace(**given)


def drawn(*lines: str) -> list[ET.Element]:
    return list(ET.fromstring(svg.draw(lines, "of a test", 40)).iter())


def texts(elements: list[ET.Element]) -> list[ET.Element]:
    return [each for each in elements if each.tag == f"{SVG}text"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_self_contained(name: str) -> None:
    """A picture is well-formed and names no script, font, image or address outside of it."""
    file = TOP / "docs" / "pictures" / f"{name}.svg"
    text = file.read_text()
    assert len(text) < 200_000
    for element in ET.fromstring(text).iter():
        space, _, tag = element.tag.rpartition("}")
        if space == SVG[1:-1]:
            assert tag in {"svg", *SHOWN}
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on")
            if attribute.endswith("href"):
                assert value.startswith("#")
    assert not re.search(r"@import|@font-face|url\((?!#)|<!DOCTYPE|<\?xml-stylesheet", text)


def test_the_pages_have_every_picture() -> None:
    """Shown or linked; one that is shown has words for who cannot see it."""
    text = "".join(page.read_text() for page in (TOP / "docs").glob("*.md"))
    found = {*re.findall(r"\]\(pictures/([^)]*)\)", text)}
    assert {f"{name}.svg" for name in PICTURES} <= found
    assert all(len(words) > 20 for words in re.findall(r"!\[([^]]*)\]\(pictures/", text))


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("", Look()),
        ("1", look(bold=True)),
        ("2;3;4;7", look(dim=True, italic=True, underline=True, reverse=True)),
        ("1;2;22", Look()),
        ("3;4;7;23;24;27", Look()),
        ("31", look(ink=PALETTE[1])),
        ("97", look(ink=PALETTE[15])),
        ("42", look(paper=PALETTE[2])),
        ("100", look(paper=PALETTE[8])),
        ("38;5;9", look(ink=PALETTE[9])),
        ("38;5;208", look(ink="#ff8700")),
        ("48;5;244", look(paper="#808080")),
        ("38;2;1;20;255;1", look(ink="#0114ff", bold=True)),
        ("31;42;39;49", Look()),
        ("1;31;0", Look()),
        ("1;31;", Look()),
    ],
)
def test_sequences_set_the_style_of_text(codes: str, expected: Look) -> None:
    """Bold, dim, colours of 8, 16, 256 and more, reverse, and the end of each are parsed."""
    runs, after = read(f"\x1b[{codes}mtext", Look())
    assert runs == [Run(0, "text", 1, expected)]
    assert after == expected


@pytest.mark.parametrize(
    "line", ["\x1b[5mtext", "\x1b[2J", "\x1b]0;title\x07", "a\tb", "\x1b[38;5;256m", "\x1b[38;2;1m"]
)
def test_an_unknown_sequence_is_an_error(line: str) -> None:
    """The error names it; it is not ignored."""
    with pytest.raises(ValueError, match="unknown"):
        read(line, Look())


def test_a_style_lasts_until_it_is_changed() -> None:
    """A line begins in the style at the end of the line before, as in tmux's output."""
    found = texts(drawn("plain \x1b[1mbold", "still", "\x1b[0mplain"))
    assert [each.get("font-weight") for each in found] == [None, "bold", "bold", None]


def test_a_wide_character_takes_two_cells() -> None:
    """Text after an East Asian character, or after a combining mark, has the right position."""
    runs, _ = read("a電池b e\u0301x", Look())
    assert [(run.column, run.text, run.cells) for run in runs] == [
        (0, "a", 1),
        (1, "電池", 4),
        (5, "b e\u0301x", 4),
    ]


def test_words_are_in_their_cells() -> None:
    """Each word has its position and width in cells, however many spaces are before it."""
    (first, second) = texts(drawn("one two   <&>"))
    assert (first.text, second.text) == ("one two", "<&>")
    assert float(second.get("x", "")) == pytest.approx(svg.MARGIN + 10 * svg.WIDTH, abs=0.01)
    assert float(second.get("textLength", "")) == pytest.approx(3 * svg.WIDTH)


def test_reverse_exchanges_the_colours() -> None:
    """The text has the background's colour, and the background the text's."""
    elements = drawn("\x1b[7;32m ok \x1b[m")
    behind = [each for each in elements if each.tag == f"{SVG}rect"][1]
    assert behind.get("fill") == PALETTE[2]
    assert float(behind.get("width", "")) == pytest.approx(4 * svg.WIDTH)
    assert texts(elements)[0].get("fill") == svg.PAPER


def test_bars_are_drawn_without_a_font() -> None:
    """Block elements become one shape, each with its height."""
    elements = drawn("\x1b[32m▁█ x")
    (path,) = (each for each in elements if each.tag == f"{SVG}path")
    heights = [float(found) for found in re.findall(r"v-([0-9.]+)", path.get("d", ""))]
    assert len(heights) == 2
    assert heights[1] == pytest.approx(8 * heights[0], abs=0.05)
    assert path.get("fill") == PALETTE[2]
    assert [each.text for each in texts(elements)] == ["x"]


def test_output_of_a_real_terminal_is_parsed(tmp_path: Path) -> None:
    """The output of a program in tmux keeps its letters and its colours."""
    said = r"printf '\033[1;31mred\033[0m \033[38;5;208m電\033[7mx\033[0m'; exec cat"
    with Tmux(tmp_path) as tmux:
        pane = tmux.pane(["sh", "-c", said], 30, 4)
        pane.wait_for("x")
        line, *_ = pane.drawn.split("\n")
    runs, _ = read(line, Look())
    inked = [(run.column, run.text, run.look) for run in runs if run.text.strip()]
    assert inked == [
        (0, "red", look(bold=True, ink=PALETTE[1])),
        (4, "電", look(ink="#ff8700")),
        (6, "x", look(ink="#ff8700", reverse=True)),
    ]


def test_a_house_is_the_same_however_often_it_is_read() -> None:
    """The day of the pictures does not depend on the times of reads of the stand-in."""
    often, seldom = (Lived(FIRST, seed=1, settling=60) for _ in range(2))
    for second in range(FIRST, FIRST + 300):
        often.value("Power", second)
    for field in ("Voltage", "Power", "P", "Soc"):
        assert often.value(field, FIRST + 299) == seldom.value(field, FIRST + 299)

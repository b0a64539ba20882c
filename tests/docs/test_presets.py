"""The names that presets stand for, and the files that the documents show, held to the program.

What is stored under a name is looked up in the manual page for years, so that it has all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from bat2influx.config import settings
from bat2influx.venus.presets import PRESETS, Preset
from bat2influx.venus.units import PHASES
from tests import TOP
from tests.docs import pages
from tests.standins.network.certificates import authority
from tests.standins.network.mosquitto import Mosquitto
from tests.support.process import free_port

VALUES = (TOP / "docs" / "values.md").read_text()
BRIDGE = (TOP / "docs" / "several-devices.md").read_text()
MANUAL = TOP / "debian" / "man" / "bat2influx.ini.5"
PAGE = MANUAL.read_text()
_ROW = re.compile(r"^\.It (\w+) Ta (\S+) Ta (\w+)/(\S+)$", re.MULTILINE)
ENDS = "State|Status|Mode|Error|ActiveInput"
_UNITS = {r"\(deC": "°C", r"m\(S3": "m³", "code": ""}


def page_section(name: str) -> str:
    """Return the source of a section of the page."""
    text = PAGE.partition(f"\n.Sh {name}\n")[2].partition("\n.Sh ")[0]
    assert text, name
    return text


def tables() -> dict[str, tuple[Preset, ...]]:
    """Return what the page says of each preset.

    Rows with Ln, one behind the other, are those of phase L1, then of L2, then of L3.
    """
    parts = re.split(r"^\.Ss (\w+)$", page_section("PRESETS"), flags=re.MULTILINE)[1:]
    return {
        preset: tuple(
            Preset(name, service, path, _UNITS.get(unit, unit))
            for name, unit, service, path in expanded(_ROW.findall(text))
        )
        for preset, text in zip(parts[::2], parts[1::2], strict=True)
    }


def expanded(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table, those with Ln below the same path once for each phase."""
    for place, group in groupby(rows, lambda row: row[3].partition("Ln")[:2]):
        together = [*group]
        for phase in PHASES if place[1] else ("",):
            yield from (tuple(cell.replace("Ln", phase) for cell in row) for row in together)


def shown(document: str) -> list[str]:
    """Return the blocks that are files of ours, and nothing but that."""
    literal = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", document, re.MULTILINE | re.DOTALL)
    manual = [block for block in literal if re.match(r"\[(?:Battery|Fields|Influx)", block)]
    return [*pages.configurations(document), *manual]


def bridges(document: str) -> list[str]:
    """Return the lines of mosquitto.conf."""
    return re.findall(r"^connection .*\n(?:\w+ .*\n)+", document, re.MULTILINE)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_has_each_name_with_unit_and_path(preset: str) -> None:
    """All that a preset stands for, in the program's order, and nothing else."""
    assert tables()[preset] == PRESETS[preset]


def test_the_page_has_the_presets_that_there_are() -> None:
    """One that arrives, or goes, takes its table along."""
    assert [*tables()] == [*PRESETS]


def test_every_code_has_its_meanings_in_the_page() -> None:
    """A number that stands for a state is of no use without what it means."""
    codes = {each.name for preset in PRESETS.values() for each in preset if not each.unit}
    assert set(re.findall(rf"^\.Ql (\w+?(?:{ENDS}))\b", page_section("CODES"), re.M)) == codes


def test_the_page_about_values_says_what_each_preset_is_of() -> None:
    """Its services, and what its names begin with."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", VALUES, re.MULTILINE)
    found = {name: (of, begins) for name, of, begins in rows if name in PRESETS}
    assert [*found] == [*PRESETS]
    for name, (of, begins) in found.items():
        fields = PRESETS[name]
        assert set(re.findall(r"`(\w+)`", of)) == {each.service for each in fields}
        beginnings = tuple(re.findall(r"`(\w+)`", begins))
        assert all(each.name.startswith(beginnings) for each in fields)
        assert all(any(each.name.startswith(b) for each in fields) for b in beginnings)


@pytest.mark.parametrize("document", [*pages.DOCUMENTS, MANUAL], ids=pages.name)
def test_every_file_that_is_shown_is_taken(document: Path, tmp_path: Path) -> None:
    """As it stands there, but for the certificates, which are somebody else's."""
    own = authority(tmp_path, name="authority")
    files = {"ca_file": own.cert, "client_cert": own.cert, "client_key": own.key}
    for number, block in enumerate(shown(document.read_text())):
        text = re.sub(r"(?m)^fingerprint = .*", f"fingerprint = {'A1' * 32}", block)
        for key, file in files.items():
            text = re.sub(rf"(?m)^{key} = .*", f"{key} = {file}", text)
        path = tmp_path / f"{number}.ini"
        path.write_text(text)
        settings.load(path)


def test_manual_and_pages_show_files() -> None:
    """What nobody finds is held against nothing."""
    assert len(shown(PAGE)) >= 5
    assert sum(len(shown(document.read_text())) for document in pages.DOCUMENTS) >= 10


def test_mosquitto_takes_the_bridge_that_is_shown(tmp_path: Path) -> None:
    """Page and manual have the same lines, for the prefix that the file beside them has."""
    (lines,) = bridges(BRIDGE)
    assert bridges(PAGE) == [lines]
    assert set(re.findall(r"^topic .* (\S+)/ \"\"$", lines, re.MULTILINE)) == {"boat"}
    for document in (BRIDGE, PAGE):
        assert any("topic_prefix = boat\n" in block for block in shown(document))
    nobody = re.sub(r"(?m)^address .*", f"address 127.0.0.1:{free_port()}", lines)
    with Mosquitto(tmp_path / "house", config=nobody) as house:
        assert house.running

"""What a survey has found, as lines for the ini file: which, in what order, and that they load."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.commands.discover import ini_lines
from bat2influx.commands.discover.ini_lines import Reached
from bat2influx.commands.discover.survey import Survey
from bat2influx.config import settings as config_settings
from bat2influx.config.checks import is_key
from bat2influx.config.inifile import MAX_FILE
from bat2influx.config.settings import Settings
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.venus.device import Device
from tests.unit.commands.discover.test_survey import PORTAL, flooded, surveyed, told

AT = Reached("192.0.2.20")
FINGERPRINT = ":".join(["AB"] * 32)


def pasted(lines: list[str], more: str = "") -> Settings:
    """Load an ini file that has exactly these lines."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "bat2influx.ini")
        path.write_text("\n".join([*lines, more]), encoding="utf-8")
        return config_settings.load(path)


def live(lines: list[str]) -> list[str]:
    """Return the lines that are settings or sections."""
    return [line for line in lines if line and line[0] != "#"]


def uncommented(lines: list[str]) -> list[str]:
    """Return the lines with every commented field taken in, in the place of the nine."""
    taken = [re.sub(r"^# (\w+ *= \w+/)", r"\1", line) for line in lines if line != "defaults = no"]
    fields = any(re.match(r"\w+ *= \w+/", line) for line in taken)
    return [*taken, "defaults = no"] if fields else taken


def own(made: Settings) -> list[Field]:
    """Return the fields beside the nine."""
    return [field for field in made.batteries[0].fields if field not in DEFAULT_FIELDS]


LARGE = ("vebus", "system", "battery", "grid", "solarcharger/288", "solarcharger/289")


def test_a_device_becomes_lines_that_load() -> None:
    """Pasted as they are, all that an owner wants is stored beside the nine."""
    survey = surveyed(Device(services=LARGE))
    made = pasted(ini_lines.block(survey, AT))
    (battery,) = made.batteries
    assert battery.address == "192.0.2.20"
    assert set(DEFAULT_FIELDS) < set(battery.fields)
    stored = {str(field) for field in own(made)}
    assert {"vebus/275/Ac/Out/L1/P", "solarcharger/289/Yield/Power", "battery/512/Soh"} < stored
    assert not any("ProductId" in path for path in stored)


def test_every_other_line_loads_once_its_mark_is_taken_away() -> None:
    """All names are different, and the nine keep theirs."""
    survey = surveyed(Device(services=LARGE))
    lines = ini_lines.block(survey, AT, everything=True)
    fields = pasted(uncommented(lines)).batteries[0].fields
    assert len(fields) == sum(map(len, survey.numbers.values()))
    assert {field.name for field in DEFAULT_FIELDS} < {field.name for field in fields}
    assert all(is_key(field.name) for field in fields)


def test_a_line_says_value_and_unit() -> None:
    """NAME = service/instance/path, aligned, and behind it what it is at present."""
    lines = ini_lines.block(
        told(
            ("vebus/275/Dc/0/Voltage", 53.2000007),
            ("vebus/275/Dc/0/Temperature", 21.5),
            ("vebus/275/State", 3),
            ("vebus/275/Odd/Frequency", 50),
            ("vebus/275/Odd/Thing", -1),
        ),
        AT,
    )
    begin = lines.index("# vebus/275")
    assert lines[begin:] == [
        "# vebus/275",
        "# Voltage           = vebus/275/Dc/0/Voltage      # 53.2 V, stored by default",
        "VebusDcTemperature  = vebus/275/Dc/0/Temperature  # 21.5 °C",
        "VebusState          = vebus/275/State             # 3",
        "# other values; each is read once a second if you remove its #",
        "# VebusOddFrequency = vebus/275/Odd/Frequency     # 50 Hz",
        "# VebusOddThing     = vebus/275/Odd/Thing         # -1",
    ]


def test_product_custom_name_and_system_are_shown() -> None:
    """A service's names stand above it; the device's model and name are known to the heading."""
    survey = told(
        ("tank/1/ProductName", "Tank sensor"),
        ("tank/1/CustomName", "Diesel"),
        ("tank/1/Level", 50),
        ("tank/2/CustomName", ""),
        ("tank/2/Level", 51),
        ("settings/0/Settings/SystemSetup/SystemName", "My boat"),
        ("platform/0/Device/Model", "Cerbo GX"),
    )
    lines = ini_lines.block(survey, AT)
    assert '# tank/1: "Tank sensor", "Diesel"' in lines
    assert "# tank/2" in lines
    assert ini_lines.heading("192.0.2.20", survey.model, survey.name, PORTAL) == (
        f'# Cerbo GX "My boat" at 192.0.2.20, portal id {PORTAL}'
    )
    assert ini_lines.heading("192.0.2.20", "", "", "") == "# a Venus device at 192.0.2.20"


def test_two_multis_need_a_line_for_the_instance() -> None:
    """The nine are of the one in that line; the other's values have other names."""
    survey = surveyed(Device(services=("vebus/288", "vebus/276")))
    lines = ini_lines.block(survey, AT)
    made = pasted(lines)
    assert made.batteries[0].instance == 276
    assert "# the vebus that the nine default fields are read from; there is also 288" in lines
    assert "vebus/288/Dc/0/Voltage" in {str(field) for field in own(made)}
    assert "vebus/276/Dc/0/Voltage" not in {str(field) for field in own(made)}


def test_without_a_multi_there_are_none_of_the_nine() -> None:
    """Reads of them would get no answer; but a file without any field would be invalid."""
    made = pasted(ini_lines.block(told(("solarcharger/288/Yield/Power", 9)), AT))
    assert [field.name for field in made.batteries[0].fields] == ["SolarchargerYieldPower"]
    for survey in (told(("tank/1/Level", 9)), told()):
        assert "defaults = no" not in ini_lines.block(survey, AT)
        pasted(ini_lines.block(survey, AT))


@pytest.mark.parametrize(
    ("reached", "alone", "lines"),
    [
        (AT, True, ["address = 192.0.2.20"]),
        (AT, False, ["address = 192.0.2.20", f"serial = {PORTAL}"]),
        (Reached("venus.local", 1884), True, ["address = venus.local", "port = 1884"]),
        (
            Reached("fe80::1%eth0", None, FINGERPRINT),
            True,
            ["address = fe80::1%eth0", "tls = yes", f"fingerprint = {FINGERPRINT}"],
        ),
    ],
)
def test_battery_has_the_connection(reached: Reached, alone: bool, lines: list[str]) -> None:
    """Address, port, TLS and portal id, as far as they differ from the defaults."""
    block = ini_lines.block(surveyed(Device()), reached, alone=alone)
    assert block[: len(lines) + 2] == ["[Battery]", *lines, ""]
    battery = pasted(block).batteries[0]
    assert battery.address == reached.address
    assert (battery.tls is not None) == (reached.fingerprint is not None)


def test_no_name_is_used_twice() -> None:
    """Where two paths would have one name, the second is numbered."""
    survey = told(("grid/30/a/b", 1), ("grid/30/aB", 2), ("grid/30/A.b", 3), ("grid/30/a_b", 4))
    names = [
        field.name for field in pasted(uncommented(ini_lines.block(survey, AT))).batteries[0].fields
    ]
    assert len({*names}) == 4
    assert {"GridAB", "GridAB_2"} < {*names}


@pytest.mark.parametrize("leaf", ["platform/0/Token", "a/1/Secret/x", "b/1/PassWd", "password/1/s"])
def test_names_that_could_be_secrets_are_left_out(leaf: str) -> None:
    """The ini file does not accept such a name for a field."""
    lines = ini_lines.block(told((leaf, 1), ("tank/1/Level", 1)), AT, everything=True)
    assert not any(leaf in line for line in lines)
    pasted(uncommented(lines))


HOSTILE = st.text(st.characters(), max_size=80) | st.sampled_from(
    [
        "\n[Influx]\naddress = evil",
        "x\r\nVoltage = vebus/Soc",
        "\x1b]0;title\x07\x1b[2J",
        "\u2028\u0085 # \" ' , \\",
        "\u202e\ud800",
        "a" * 5000,
    ]
)
LEAVES = st.builds(
    lambda *parts: "/".join(parts),
    st.sampled_from(["vebus", "system", "tank", "password", "time", "defaults", "token"]) | HOSTILE,
    st.sampled_from(["0", "275", "276", "007", "99999"]),
    st.sampled_from(["ProductName", "CustomName", "Dc/0/Voltage", "Soc", "time", "_", "."])
    | HOSTILE,
)


@settings(deadline=None)
@given(st.lists(st.tuples(LEAVES, HOSTILE | st.floats() | st.integers() | st.none()), max_size=12))
def test_no_device_injects_a_line(said: list[tuple[str, object]]) -> None:
    """Whatever the names and values, the lines are valid, printable, and hold only fields."""
    survey = told(*said)
    lines = [ini_lines.heading("192.0.2.20", survey.model, survey.name, PORTAL)]
    lines += ini_lines.block(survey, AT)
    assert all(line.isprintable() for line in lines)
    made = pasted(lines, "\n[Influx]\naddress = db.example\n")
    assert made.influx.address == "db.example"
    numbers = {f"{place}/{path}" for place, paths in survey.numbers.items() for path in paths}
    assert {str(field) for field in own(made)} <= numbers
    rest = [
        line for line in live(lines) if line.split(" = ")[-1].split("  #")[0].strip() not in numbers
    ]
    ours = {"[Battery]", "address = 192.0.2.20", "[Fields]", "defaults = no"}
    assert not [line for line in {*rest} - ours if not re.fullmatch("instance = [0-9]+", line)]
    pasted(uncommented(lines))


def test_a_large_device_fits_into_a_file() -> None:
    """Lines are left out at the ends of the largest services, and it says how many."""
    history = [(f"solarcharger/288/History/Daily/{n}/{'Yield' * 4}", n) for n in range(3000)]
    small = [("vebus/275/Dc/0/Voltage", 53), ("tank/1/Level", 50), ("grid/30/Ac/L1/Power", 5)]
    survey = told(*history, *small, ("solarcharger/288/Yield/Power", 1))
    lines = ini_lines.block(survey, AT)
    pasted(lines)
    assert sum(len(line.encode()) + 1 for line in lines) < MAX_FILE
    fields = " ".join(lines)
    assert all(leaf in fields for leaf, _ in small)
    (more,) = (line for line in lines if "which --all shows" in line)
    shown = sum("History/Daily" in line for line in lines)
    assert more == f"# … and {3000 - shown} more, which --all shows"
    everything = ini_lines.block(survey, AT, everything=True)
    assert sum("History/Daily" in line for line in everything) == 3000


def test_a_flood_of_paths_gives_a_valid_file() -> None:
    """As many as a survey keeps fit into a file."""
    pasted(ini_lines.block(flooded(), AT))


@pytest.mark.parametrize(("everything", "shown"), [(False, False), (True, True)])
def test_housekeeping_is_shown_with_everything_only(everything: bool, shown: bool) -> None:
    """Settings are not what a battery owner looks for."""
    survey = told(("settings/0/X", 1), ("vebus/275/Soc", 1))
    lines = ini_lines.block(survey, AT, everything=everything)
    assert any("settings/0" in line for line in lines) is shown


@pytest.mark.parametrize(
    ("model", "name", "portal", "line"),
    [
        ("Cerbo GX", "", PORTAL, f"# Cerbo GX at 192.0.2.20, portal id {PORTAL}"),
        ("", "Boat", "", '# "Boat" at 192.0.2.20'),
        ("x\n[Influx]", "\x1b[2J", "a\nb", '# x [Influx] "[2J" at 192.0.2.20, portal id a b'),
    ],
)
def test_a_heading_is_one_comment(model: str, name: str, portal: str, line: str) -> None:
    """Whatever the device's names, and with the known parts only."""
    assert ini_lines.heading("192.0.2.20", model, name, portal) == line


def test_a_bridges_prefix_is_a_line() -> None:
    """It is in [Battery] with the rest of the connection."""
    lines = ini_lines.battery(Reached("broker", 1884, FINGERPRINT, "boat/"))
    assert lines == [
        "[Battery]",
        "address = broker",
        "port = 1884",
        "tls = yes",
        f"fingerprint = {FINGERPRINT}",
        "topic_prefix = boat/",
    ]


def test_a_portal_id_that_the_file_rejects_is_no_line() -> None:
    """One of a bridge may have other characters; it is in the comment above."""
    for portal, line in (("a b", False), ("a-b", True), ("ab", True)):
        block = ini_lines.block(Survey(portal, "mine"), AT, alone=False)
        assert (f"serial = {portal}" in block) is line
        pasted(block)


def test_of_many_multis_some_are_named() -> None:
    """The first one is used; the comment has the next four."""
    block = ini_lines.block(told(*((f"vebus/{n}/Soc", 1) for n in range(1, 8))), AT)
    assert block[2:4] == [
        "# the vebus that the nine default fields are read from; there is also 2 and 3 and 4 and 5",
        "instance = 1",
    ]


@pytest.mark.parametrize(
    ("leaf", "name"),
    [
        ("grid/30/Ac/L1/Power", "GridAcL1Power"),
        ("vebus/275/Dc/0/Temperature", "VebusDcTemperature"),
        ("solarcharger/288/Yield/Power", "SolarchargerYieldPower"),
        ("battery/512/Battery/Soc", "BatterySoc"),
        ("tank/3/level_of-water.now", "TankLevelOfWaterNow"),
        ("vebus/275/Ac/ActiveIn/L1/V", "V"),
        ("vebus/276/Dc/0/Voltage", "Voltage"),
    ],
)
def test_a_name_says_service_and_path(leaf: str, name: str) -> None:
    """In one word, and one of the nine keeps the name that it has."""
    block = ini_lines.block(told((leaf, 1)), AT)
    (line,) = (line for line in block if f"= {leaf} " in line)
    assert line.removeprefix("# ").split()[0] == name


def test_of_several_instances_each_is_in_its_names() -> None:
    """Both have the same paths."""
    block = ini_lines.block(told(("tank/1/Level", 1), ("tank/2/Level", 2)), AT)
    names = [line.split()[1] for line in block if line.startswith("# Tank")]
    assert names == ["Tank1Level", "Tank2Level"]


def test_very_long_names_are_not_aligned() -> None:
    """They would push the comments of all others out of view."""
    long = "x" * 60
    block = ini_lines.block(told((f"tank/1/{long}", 1), ("tank/1/Level", 2)), AT)
    assert block[-2:] == [
        "# TankLevel = tank/1/Level  # 2 %",
        f"# TankX{long[1:]} = tank/1/{long}  # 1",
    ]

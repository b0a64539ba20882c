"""[Fields] with presets, several instances, and the resulting names."""

from pathlib import Path

import pytest

from bat2influx.venus.presets import PRESETS, fields_of
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.unit.config.test_inifile import problems
from tests.unit.config.test_settings import read

LIST = f"must be a list of {', '.join(PRESETS)}"
WHICH = "must be one or tag or name, or for a kind alone as in battery/tag, each once"
ORIGIN = "must be a list of portal, service, instance"


@pytest.mark.parametrize("written", [*PRESETS, "grid, battery", "battery,grid,", '"phases", grid'])
def test_presets_add_their_fields(tmp_path: Path, written: str) -> None:
    """They follow the nine, in their own order, before the file's own fields."""
    text = f"[Fields]\npresets = {written}\nPv = solarcharger/288/Pv/I"
    names = [name for name in PRESETS if name in written]
    assert read(tmp_path, text).batteries[0].fields == (
        *DEFAULT_FIELDS,
        *fields_of(names),
        Field("Pv", "solarcharger", 288, "Pv/I"),
    )


def test_presets_alone(tmp_path: Path) -> None:
    """`defaults = no` removes no field of a preset."""
    text = "[Fields]\ndefaults = no\npresets = system"
    assert read(tmp_path, text).batteries[0].fields == fields_of(["system"])


def test_a_preset_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    """No field is duplicated."""
    text = "[Fields]\ndefaults = no\npresets = grid, grid"
    assert read(tmp_path, text).batteries[0].fields == fields_of(["grid"])


def test_all_presets_at_once(tmp_path: Path) -> None:
    """No field of a preset, or of the nine, clashes with another."""
    text = f"[Fields]\npresets = {', '.join(PRESETS)}\ninstances = name"
    fields = read(tmp_path, text).batteries[0].fields
    assert len(fields) == len({field.name for field in fields}) == 9 + len(fields_of(PRESETS))


@pytest.mark.parametrize("instances", ["one", "tag", "name"])
def test_instances(tmp_path: Path, instances: str) -> None:
    """How several of a service are distinguished is set with the fields; `tag` is a point's tag."""
    settings = read(tmp_path, f"[Fields]\ninstances = {instances}")
    assert settings.batteries[0].instances == instances
    assert settings.influx.device_tags == (("instance",) if instances == "tag" else ())


@pytest.mark.parametrize(
    ("section", "line", "problem"),
    [
        ("Fields", "presets = gird", f"presets = gird: {LIST}; did you mean grid?"),
        ("Fields", "presets = grid, pv", f"presets = grid, pv: {LIST}"),
        ("Fields", "presets = Grid", f"presets = Grid: {LIST}; did you mean grid?"),
        (
            "Fields",
            "presets = grid battery",
            f"presets = grid battery: {LIST}; did you mean battery?",
        ),
        ("Fields", "preset = grid", "preset: unknown key; did you mean presets?"),
        ("Fields", "instanzes = tag", "instanzes: unknown key; did you mean instances?"),
        ("Fields", "instances = all", f"instances = all: {WHICH}"),
        ("Fields", "instances = tags", f"instances = tags: {WHICH}; did you mean tag?"),
        ("Fields", "instances = one, tag", f"instances = one, tag: {WHICH}"),
        ("Influx", "device_tags = site", f"device_tags = site: {ORIGIN}"),
        (
            "Influx",
            "device_tags = portal, instances",
            f"device_tags = portal, instances: {ORIGIN}; did you mean instance?",
        ),
        ("Battery", "presets = grid", "presets: unknown key; it belongs to [Fields]"),
    ],
)
def test_what_is_not_allowed(tmp_path: Path, section: str, line: str, problem: str) -> None:
    """A problem names the value, what is allowed, and the nearest allowed value."""
    (found,) = problems(tmp_path, f"[{section}]\n{line}")
    assert found == f"line 2: [{section}] {problem}"


def test_a_name_of_a_preset_is_reserved(tmp_path: Path) -> None:
    """With the preset it stands for another value, and without it the name is free."""
    own = "GridPower = system/Ac/Grid/L1/Power"
    assert problems(tmp_path, f"[Fields]\npresets = solar, grid\n{own}") == [
        "line 3: [Fields] GridPower: is a field of the preset grid; rename it, or leave the preset"
        " out"
    ]
    (battery,) = read(tmp_path, f"[Fields]\npresets = solar\n{own}").batteries
    assert battery.fields[-1] == Field("GridPower", "system", None, "Ac/Grid/L1/Power")


def test_an_unknown_preset_hides_no_other_problem(tmp_path: Path) -> None:
    """Its own message is the only one about it."""
    text = "[Fields]\ndefaults = no\npresets = gird\nGridPower = grid/Ac/Power\nBad = vebus"
    first, second = problems(tmp_path, text)
    assert first.startswith("line 3: [Fields] presets = gird")
    assert second.startswith("line 5: [Fields] Bad = vebus: has no path")


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("Voltage_275 = vebus/275/Dc/0/Voltage", "is the name of Voltage of instance 275"),
        ("SolarPower_1 = system/Dc/Pv/Power", "is the name of SolarPower of instance 1"),
        ("Ps_2 = grid/2/Ac/Power", "is the name of Ps of instance 2"),
        ("SystemSolarPower_0 = vebus/275/Soc", None),  # system is one
        ("Gs_2 = grid/2/Ac/Power", None),  # Gs names its instance
        ("Voltage_a = vebus/275/Dc/0/Voltage", None),
        ("Voltage_ = vebus/275/Dc/0/Voltage", None),
    ],
)
def test_a_name_that_an_instance_would_produce_is_reserved(
    tmp_path: Path, own: str, problem: str | None
) -> None:
    """With `instances = name` two values could be stored as one field."""
    both = "Ps = pvinverter/Ac/L1/Power\nGs = grid/30/Ac/Power"
    text = f"[Fields]\npresets = solar, system\n{both}\n{own}\ninstances = "
    for instances in ("one", "tag"):
        assert read(tmp_path, f"{text}{instances}")
    if problem is None:
        assert read(tmp_path, f"{text}name")
    else:
        name = own.partition(" ")[0]
        assert problems(tmp_path, f"{text}name") == [
            f"line 5: [Fields] {name}: {problem}; rename it"
        ]


def test_a_preset_with_an_instance_reads_that_instance(tmp_path: Path) -> None:
    """Also beside presets without one; its names are those of the preset."""
    text = "[Fields]\ndefaults = no\npresets = grid, battery/512"
    fields = read(tmp_path, text).batteries[0].fields
    assert fields == (*fields_of(["battery/512"]), *fields_of(["grid"]))
    assert {field.instance for field in fields} == {512, None}


def test_two_instances_of_a_preset_are_distinguished_by_instances(tmp_path: Path) -> None:
    """By a tag with one name, or by the name, also if there is only one."""
    text = "[Fields]\ndefaults = no\npresets = {}\ninstances = {}"
    tag = read(tmp_path, text.format("battery/512, battery/513", "battery/tag"))
    assert tag.batteries[0].fields == fields_of(["battery/512", "battery/513"])
    assert tag.influx.device_tags == ("instance",)
    for presets in ("battery/512, battery/513", "battery/512"):
        (battery,) = read(tmp_path, text.format(presets, "name")).batteries
        names = [field.name for field in battery.fields]
        assert len(names) == len(set(names))
        assert "BatterySoc_512" in names
        assert ("BatterySoc_513" in names) == ("513" in presets)


@pytest.mark.parametrize(
    ("instances", "distinguished", "several"),
    [
        ("", ("one", "one", "one"), set()),
        ("tag", ("tag", "tag", "tag"), {"vebus", "battery", "solarcharger"}),
        ("battery/tag", ("one", "tag", "one"), {"battery"}),
        ("battery/name, solarcharger/tag", ("one", "name", "tag"), {"battery", "solarcharger"}),
        ("name, vebus/one", ("one", "name", "name"), {"battery", "solarcharger"}),
    ],
)
def test_instances_of_a_single_kind(
    tmp_path: Path, instances: str, distinguished: tuple[str, ...], several: set[str]
) -> None:
    """The others are unchanged: with battery/name the nine keep their names."""
    own = "Soc2 = battery/Soc\nSun = solarcharger/Yield/Power\nL1 = system/Ac/Grid/L1/Power"
    text = f"[Fields]\ninstances = {instances}\n{own}\nGrid = grid/30/Ac/Power"
    (battery,) = read(tmp_path, text).batteries
    services = ("vebus", "battery", "solarcharger")
    assert tuple(map(battery.instances_of, services)) == distinguished
    assert battery.several == several
    assert battery.fields[:9] == DEFAULT_FIELDS


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "presets = battery/512, battery/513",
            "presets: battery/512 and battery/513 would have the same names; write"
            " instances = battery/tag, too, or name instead of tag",
        ),
        (
            "presets = solar/1, solar/2\ninstances = solarcharger/tag",
            "presets: solar/1 and solar/2 would have the same names; write"
            " instances = pvinverter/tag, too, or name instead of tag",
        ),
        (
            "instances = batery/tag\npresets = battery",
            "instances: no field is of the service batery; did you mean battery?",
        ),
        (
            "BatterySoc_7 = battery/7/Soh\npresets = battery/512\ninstances = battery/name",
            "BatterySoc_7: is the name of BatterySoc of instance 7; rename it",
        ),
        (
            "BatterySoc = battery/7/Soc\npresets = battery/512",
            "BatterySoc: is a field of the preset battery; rename it, or leave the preset out",
        ),
        ("preset = battery/512, grid", "preset: unknown key; did you mean presets?"),
        ("preset = battery/512", "preset: unknown key; did you mean presets?"),
        ("instance = battery/tag", "instance: unknown key; it belongs to [Battery]"),
    ],
)
def test_instances_that_cannot_be_distinguished_or_are_misspelt(
    tmp_path: Path, lines: str, problem: str
) -> None:
    """One message has the line of the problem, and a solution."""
    assert problems(tmp_path, f"[Fields]\n{lines}") == [f"line 2: [Fields] {problem}"]


def test_kinds_without_a_field_are_accepted_if_the_service_is_known(tmp_path: Path) -> None:
    """A file may be for several devices; any service that a field names is known."""
    assert read(tmp_path, "[Fields]\ninstances = tank/name")
    assert read(tmp_path, "[Fields]\ninstances = odd/name\nOdd = odd/Value")

"""The plan of a device with several services of one kind, and with optional fields."""

from __future__ import annotations

from bat2influx.device.plan import Plan, Series
from bat2influx.reading import Origin
from bat2influx.venus.presets import fields_of
from bat2influx.venus.protocol import Field, parse_field
from bat2influx.venus.units import DEFAULT_FIELDS

P = "c0619ab1c2d3"
TWO = {"vebus": (275, 276)}
OPTIONAL = [
    Field("GridPower", "grid", None, "Ac/Power", optional=True),
    Field("GridL2Power", "grid", None, "Ac/L2/Power", optional=True),
]


def test_two_inverters_are_distinguished_by_their_origin() -> None:
    """With the instance as a tag the field keeps its name, and the label has the instance."""
    plan = Plan(P, DEFAULT_FIELDS, TWO, instances_of=lambda _: "tag")
    assert plan.fields[f"N/{P}/vebus/276/Soc"] == ("Soc/276",)
    assert plan.series["Soc/276"] == Series("Soc", Origin(P, "vebus", 276))
    assert len(plan.subscriptions) == 2 * 9 + 2


def test_a_single_inverter_has_no_instance_in_what_is_shown() -> None:
    """Without several instances the label needs none."""
    plan = Plan(P, DEFAULT_FIELDS, {"vebus": (275,)}, instances_of=lambda _: "tag")
    assert plan.fields[f"N/{P}/vebus/275/Soc"] == ("Soc",)
    assert plan.series["Soc"].origin.instance == 275


def test_the_instance_is_in_the_name_however_many_there_are() -> None:
    """A second one does not rename the fields of the first; given instances do not change."""
    own = [parse_field("Sun", "solarcharger/288/Yield/Power"), parse_field("Load", "system/Ac/X")]
    for found in (TWO, {"vebus": (275,)}):
        plan = Plan(P, [*DEFAULT_FIELDS, *own], found, instances_of=lambda _: "name")
        names = {series.field for series in plan.series.values()}
        assert {"Soc_275", "Voltage_275", "Sun", "Load"} <= names
        assert ("Soc_276" in names) == (found is TWO)


def test_of_the_optional_fields_those_are_read_that_are_there() -> None:
    """Absent ones are not requested, and their absence is no fault."""
    found = {"vebus": (275,), "grid": (30,)}
    fields = [*DEFAULT_FIELDS, *OPTIONAL]
    assert Plan(P, fields, found).optional == frozenset()
    plan = Plan(P, fields, found, present={"grid/30/Ac/Power"})
    topic = f"N/{P}/grid/30/Ac/Power"
    assert plan.optional == {topic}
    assert plan.fields[topic] == ("GridPower",)
    assert not any("L2/Power" in topic for topic in plan.fields)


def test_a_path_that_is_wanted_otherwise_is_not_optional() -> None:
    """A configured field of the same path is required."""
    fields = [OPTIONAL[0], parse_field("Grid", "grid/Ac/Power")]
    plan = Plan(P, fields, {"grid": (30,)}, present={"grid/30/Ac/Power"})
    assert plan.fields == {f"N/{P}/grid/30/Ac/Power": ("GridPower", "Grid")}
    assert plan.optional == frozenset()


def test_a_preset_of_one_instance_is_read_there_alone() -> None:
    """Whatever other instances exist; without a mark in its label."""
    there = {"battery/512/Soc", "battery/513/Soc", "battery/512/Dc/0/Voltage"}
    plan = Plan(P, fields_of(["battery/512"]), {}, present=there)
    assert plan.fields == {
        f"N/{P}/battery/512/Dc/0/Voltage": ("BatteryVoltage",),
        f"N/{P}/battery/512/Soc": ("BatterySoc",),
    }
    assert plan.optional == plan.fields.keys()


def test_two_instances_of_a_preset_have_their_instances_in_what_is_shown() -> None:
    """They are stored under one name, each with its origin."""
    there = {"battery/512/Soc", "battery/513/Soc"}
    plan = Plan(P, fields_of(["battery/512", "battery/513"]), {}, present=there)
    assert plan.series == {
        f"BatterySoc/{number}": Series("BatterySoc", Origin(P, "battery", number))
        for number in (512, 513)
    }


def test_one_kind_is_distinguished_by_name_and_another_one_by_its_tag() -> None:
    """The nine fields keep their names if only the batteries have the instance in theirs."""
    how = {"battery": "name", "solarcharger": "tag"}
    fields = [
        *DEFAULT_FIELDS,
        parse_field("Charge", "battery/Soc"),
        parse_field("Sun", "solarcharger/Yield/Power"),
    ]
    found = {"vebus": (275,), "battery": (512, 513), "solarcharger": (288, 289)}
    plan = Plan(P, fields, found, instances_of=lambda service: how.get(service, "one"))
    nine = {field.name for field in DEFAULT_FIELDS}
    assert plan.series.keys() - nine == {"Charge_512", "Charge_513", "Sun/288", "Sun/289"}
    assert {each.field for each in plan.series.values()} - nine == {
        "Charge_512",
        "Charge_513",
        "Sun",
    }

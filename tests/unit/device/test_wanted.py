"""What the configuration wants of a device, and what it leaves open."""

from __future__ import annotations

import pytest

from bat2influx.device.wanted import Wanted
from bat2influx.venus.protocol import Field, parse_field
from tests.unit.commands.session_by_hand import battery

SOC, RELAY = parse_field("Soc", "vebus/Soc"), parse_field("Relay", "system/Relay/0/State")
PV_288 = parse_field("Pv", "solarcharger/288/Yield/Power")
GRID = Field("Grid", "grid", None, "Ac/Power", optional=True)
SYSTEM = Field("Load", "system", None, "Ac/Consumption/L1/Power", optional=True)


def test_a_section_has_all_that_is_wanted() -> None:
    """The VRM cloud does not list portal ids, any other broker does."""
    own = battery(name="boat", serial="c0619ab1c2d3", instance=275, instances="tag")
    wanted = Wanted.of(own)
    assert vars(wanted) == vars(
        Wanted(own.fields, portal="c0619ab1c2d3", vebus=275, several=own.several, name="boat")
    )
    assert vars(Wanted.of(own._replace(vrm=True))) == vars(wanted) | {"listed": False}


def test_what_is_to_be_discovered() -> None:
    """The instances of services, but of system, and not those that a field names."""
    wanted = Wanted((SOC, RELAY, PV_288, GRID, SYSTEM))
    assert wanted.services == ("vebus",)
    assert wanted.left_open == {"vebus", "grid"}
    assert wanted.optional == (("grid", "Ac/Power"), ("system", "Ac/Consumption/L1/Power"))
    assert wanted.kinds == {"grid"}


@pytest.mark.parametrize(
    ("fields", "several", "more"),
    [
        ((SOC,), (), False),
        ((SOC,), ("vebus",), True),
        ((PV_288,), ("solarcharger",), False),
        ((SOC, GRID), (), True),
    ],
)
def test_a_device_may_have_more_than_is_required(
    fields: tuple[Field, ...], several: tuple[str, ...], more: bool
) -> None:
    """Further instances of a service whose instance is left open, or what a preset reads."""
    assert Wanted(fields, several=several).more is more


def test_a_configured_instance_comes_before_a_known_one() -> None:
    """If all instances of a service are wanted, a known one is not enough."""
    known = {"vebus": 276, "solarcharger": 288, "grid": 30}
    wanted = Wanted((SOC,), vebus=275, several=("solarcharger",))
    assert wanted.given == {"vebus": (275,)}
    assert wanted.first_instances(known) == {"vebus": (275,), "grid": (30,)}
    assert Wanted((SOC,)).first_instances({"vebus": 276}) == {"vebus": (276,)}
    assert Wanted((SOC,)).given == {}

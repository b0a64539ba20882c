"""What can be a choice for a user: only what the configuration leaves open."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.device.discovery import UndecidedError
from bat2influx.mqtt.reconnect import State
from bat2influx.venus.protocol import Field
from tests.unit.device.test_device import (
    FOUND,
    GIVEN,
    RELAY,
    RELAY_LEAF,
    SERIAL,
    SOC,
    SOC_LEAF,
    Make,
    homes,
)
from tests.unit.device.test_discovery import GRID, PV, PV_288, SURVEY, Search
from tests.unit.device.test_source import P

CHARGERS = tuple(f"solarcharger/{instance}/ProductId" for instance in (288, 289, 290))
PV_288_LEAF = "solarcharger/288/Yield/Power"
OTHER = "0a1b2c3d4e5f"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a device, behind a broker that accepts every login."""
    return homes(monkeypatch, tmp_path, caplog)


def test_an_instance_that_is_given_is_decided_whatever_else_is_there() -> None:
    """`[Fields] Pv = solarcharger/288/…` on a device with 288, 289 and 290."""
    search = Search(SOC, PV_288, vebus=275)
    search.discovery.recheck_instances([("solarcharger", 288)])
    search.step()
    assert search.complete(*CHARGERS)
    assert search.discovery.done
    assert "solarcharger" not in search.discovery.found


@pytest.mark.parametrize("there", [(), CHARGERS[1:2], CHARGERS[1:]])
def test_found_a_given_instance_that_was_absent_ended_the_daemon(there: tuple[str, ...]) -> None:
    """It is absent, whether one, two or no other instances exist; none replaces it."""
    search = Search(SOC, PV_288, vebus=275)
    search.discovery.recheck_instances([("solarcharger", 288)])
    search.step()
    assert search.complete(*there)
    others = tuple(int(leaf.split("/")[1]) for leaf in there)
    assert search.discovery.elsewhere == {("solarcharger", 288): others}
    assert search.discovery.found == {"vebus": (275,)}
    assert search.discovery.result
    assert not search.discovery.result.instances


@pytest.mark.parametrize("field", [PV, Field("Pv", "solarcharger", None, "P", optional=True)])
def test_what_turns_up_twice_once_a_device_is_read_is_a_choice_beside_the_rest(
    field: Field,
) -> None:
    """No error is raised; the choice ends as soon as one of the instances leaves."""
    search = Search(SOC, field, vebus=275)
    search.step()
    assert search.complete()
    search.discovery.reading_begun()
    search.discovery.check_survey(SURVEY)
    search.step(SURVEY)
    assert search.complete(*CHARGERS[:2])
    lines = search.discovery.choices["solarcharger"].split("\n")
    assert "instances = tag" in lines
    assert search.discovery.usable == [SOC]
    search.discovery.check_survey(2 * SURVEY)
    search.step(SURVEY)
    assert search.complete(CHARGERS[0])
    assert search.discovery.choices == {}
    assert search.discovery.found["solarcharger"] == (288,)


@pytest.mark.parametrize("field", [PV, GRID, SOC])
def test_before_a_device_is_read_it_is_an_error(field: Field) -> None:
    """Nothing is guessed, not for a preset either."""
    search = Search(field)
    search.step()
    with pytest.raises(UndecidedError):
        search.complete(*(f"{field.service}/{number}/ProductId" for number in (1, 2)))


def test_found_one_charger_of_three_that_is_switched_off_ended_the_daemon(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The device is still read, nothing is undecided, and the text names the absent charger."""
    device = home(GIVEN._replace(fields=(SOC, PV_288, RELAY)))
    device.go_on(5, SOC_LEAF, PV_288_LEAF, RELAY_LEAF)
    device.go_on(80, SOC_LEAF, RELAY_LEAF)
    device.complete("vebus/275/ProductId", *CHARGERS[1:])
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    assert device.device.undecided is None
    assert device.device.state is State.POLLING
    assert device.cause == "missing: no longer has solarcharger 288"
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


def test_found_undecided_never_ended(home: Make, caplog: pytest.LogCaptureFixture) -> None:
    """One of two devices behind a broker is removed: the other is read."""
    device = home(FOUND)
    for portal in (P, OTHER):
        device.say(SERIAL, portal=portal, retain=True)
    device.go_on(2)
    assert device.device.undecided
    device.go_on(62)
    device.say(SERIAL, retain=True)
    device.go_on(3)
    assert device.device.undecided is None
    assert device.device.portal == P
    assert "no selection is needed at 10.0.0.2 any more" in caplog.messages


def test_a_preset_that_names_its_instance_leaves_nothing_to_choose() -> None:
    """The survey finds the paths of that instance, whatever other instances exist."""
    search = Search(SOC, Field("Grid", "grid", 31, "Ac/Power", optional=True), vebus=275)
    search.step()
    leaves = [f"grid/{number}/{path}" for number in (30, 31) for path in ("ProductId", "Ac/Power")]
    assert search.complete(*leaves)
    assert search.discovery.done
    assert not search.discovery.choices
    assert "grid/31/Ac/Power" in search.discovery.present
    assert [field.name for field in search.discovery.usable] == ["Soc", "Grid"]


def test_of_one_kind_all_are_taken_while_another_one_is_a_choice() -> None:
    """As configured kind by kind; for the latter the found instance is remembered."""
    search = Search(SOC, PV, several={"solarcharger"})
    search.step()
    pv = ["solarcharger/288/ProductId", "solarcharger/289/ProductId"]
    assert search.complete("vebus/275/ProductId", *pv)
    assert search.discovery.found == {"vebus": (275,), "solarcharger": (288, 289)}
    assert search.discovery.result is not None
    assert search.discovery.result.instances == {"vebus": 275}
    other = Search(SOC, PV, several={"solarcharger"})
    other.step()
    with pytest.raises(UndecidedError, match="instance = 276"):
        other.complete("vebus/275/ProductId", "vebus/276/ProductId", *pv)

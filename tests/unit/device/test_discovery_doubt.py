"""Knowledge of a device that may become wrong: what is remembered, and what is in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from bat2influx.device.remembered import DeviceRecord
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field
from tests.unit.device.test_discovery import (
    AGAIN,
    GRID,
    KEEPALIVE,
    PV,
    PV_288,
    SOC,
    SURVEY,
    A,
    B,
    Search,
    serial,
)

VEBUS = ("vebus", 275)

# What is remembered


@pytest.mark.parametrize(
    ("options", "portal", "found"),
    [
        ({"portal": ""}, B, {"vebus": (275,)}),
        ({"portal": B}, B, {"vebus": (275,)}),
        ({"portal": A}, A, {}),
        ({"portal": "", "vebus": 276}, B, {"vebus": (276,)}),
        ({"portal": "", "several": True}, B, {}),
    ],
)
def test_what_is_remembered_counts_unless_the_configuration_differs(
    options: dict[str, Any], portal: str, found: dict[str, tuple[int, ...]]
) -> None:
    """Nothing of another device is used, and no single instance if all are wanted."""
    discovery = Search(SOC, known=DeviceRecord(B, {"vebus": 275}), **options).discovery
    assert (discovery.portal, discovery.found) == (portal, found)
    assert discovery.old is None


def test_what_is_worth_remembering() -> None:
    """What was discovered: not what is given, and no instances if all are wanted."""
    assert Search(portal="").discovery.result is None
    assert Search(SOC, vebus=275).discovery.result == DeviceRecord(A)
    for several, instances in ((False, {"solarcharger": 288}), (True, {})):
        search = Search(SOC, PV, vebus=275, several=several)
        search.step()
        search.complete("solarcharger/288/ProductId")
        assert search.discovery.result == DeviceRecord(A, instances)


# What need not be there


def test_optional_fields_are_present_or_not_and_never_missing() -> None:
    """They cost one survey, and another one every quarter of an hour.

    Absent ones are still read, until a user reloads the daemon.
    """
    search = Search(SOC, GRID, vebus=275)
    assert not search.discovery.done
    search.step()
    assert f"N/{A}/grid/+/Ac/Power" in search.line.asked[0][1]
    assert search.complete("grid/30/ProductId", "grid/30/Ac/Power")
    assert search.discovery.present >= {"grid/30/Ac/Power"}
    assert search.discovery.found["grid"] == (30,)
    search.discovery.check_survey(SURVEY - 1)
    assert search.discovery.done
    search.discovery.check_survey(SURVEY)
    assert not search.discovery.done
    search.step(SURVEY)
    assert search.complete()
    assert search.discovery.present >= {"grid/30/Ac/Power"}
    assert search.discovery.done
    search.discovery.rescan()
    assert not search.discovery.done
    search.step(SURVEY)
    assert search.complete()
    assert (search.discovery.present, search.discovery.missing) == (frozenset(), ())
    assert search.discovery.done


def test_an_optional_path_of_system_needs_no_instance() -> None:
    """That service exists once: no instance is discovered or remembered."""
    search = Search(Field("Dc", "system", None, "Dc/Battery/Power", optional=True))
    search.step()
    assert search.complete("system/0/Dc/Battery/Power")
    assert search.discovery.present == {"system/0/Dc/Battery/Power"}
    assert search.discovery.found == {}


# Doubt of the portal id


def doubting(there: list[str], **options: Any) -> Search:
    """Return a search that has doubted its portal id, with the devices of that list."""
    search = Search(SOC, **options)
    assert search.discovery.portals.recheck(search.line)
    assert search.discovery.rechecking
    assert not search.discovery.done
    assert not search.discovery.step(search.line, 0.0)  # which sends the barrier
    for portal in there:
        serial(portal, search=search)
    return search


def test_a_choice_at_one_device_is_none_at_another() -> None:
    """The choices of the other device are determined again."""
    search = doubting([B], portal="", vebus=275, known=DeviceRecord(A))
    search.discovery.choices["solarcharger"] = "instances = tag"
    assert search.discovery.step(search.line, 0.0)
    assert search.discovery.choices == {}


def test_of_the_replaced_device_nothing_is_kept() -> None:
    """Instances, optional fields, missing services: everything is searched for again."""
    known = DeviceRecord(A, {"vebus": 275})
    search = Search(SOC, PV, GRID, portal="", known=known)
    search.step()
    search.complete("grid/30/ProductId", "grid/30/Ac/Power")
    search.discovery.recheck_instances([VEBUS])
    search.step(AGAIN)
    search.complete("vebus/276/ProductId", "vebus/277/ProductId")
    assert search.discovery.elsewhere == {VEBUS: (276, 277)}
    assert search.discovery.missing == ("solarcharger",)
    search.discovery.recheck_instances([VEBUS])
    search.discovery.portals.recheck(search.line)
    assert not search.discovery.step(search.line, search.now)
    serial(B, search=search)
    assert search.discovery.step(search.line, search.now)
    assert (search.discovery.portal, search.discovery.found) == (B, {})
    assert (search.discovery.present, search.discovery.missing) == (frozenset(), ())
    assert not search.discovery.elsewhere
    assert not search.discovery.rechecking_instances
    assert search.discovery.open == ("vebus", "solarcharger")
    assert not search.discovery.done


@pytest.mark.parametrize(("fields", "several"), [([SOC, GRID], False), ([SOC], True)])
def test_of_the_other_device_all_that_may_be_is_looked_for(
    fields: list[Field], several: bool
) -> None:
    """Even if no required service is missing."""
    known = {"portal": "", "known": DeviceRecord(A), "vebus": 275, "several": several}
    search = Search(*fields, **known)
    search.step()
    assert search.complete("vebus/275/ProductId")
    assert search.discovery.done
    search.discovery.portals.recheck(search.line)
    assert not search.discovery.step(search.line, 0.0)
    serial(B, search=search)
    assert search.discovery.step(search.line, 0.0)
    assert not search.discovery.open
    assert not search.discovery.done


def test_answers_of_the_device_count_while_its_portal_id_is_in_doubt() -> None:
    """A running search loses no answer, and continues afterwards."""
    search = Search(SOC)
    search.step()
    search.discovery.portals.recheck(search.line)
    assert search.say("vebus/275/ProductId", "system/0/Serial") == [True, True]
    assert not search.discovery.step(search.line, 0.0)
    assert not search.discovery.step(search.line, 0.0)
    assert search.complete()
    assert search.discovery.found == {"vebus": (275,)}


# Doubt of instances


@pytest.mark.parametrize(
    ("options", "there", "found", "elsewhere"),
    [
        ({"known": DeviceRecord(A, {"vebus": 275})}, [275], 275, {}),
        ({"known": DeviceRecord(A, {"vebus": 275})}, [275, 276], 275, {}),
        ({"known": DeviceRecord(A, {"vebus": 275})}, [276], 276, {}),
        ({"known": DeviceRecord(A, {"vebus": 275})}, [276, 277], 275, {VEBUS: (276, 277)}),
        ({"known": DeviceRecord(A, {"vebus": 275})}, [], 275, {VEBUS: ()}),
        ({"vebus": 275}, [275], 275, {}),
        ({"vebus": 275}, [276], 275, {VEBUS: (276,)}),
        ({"vebus": 275}, [], 275, {VEBUS: ()}),
    ],
)
def test_the_only_other_instance_takes_the_place_of_one_that_was_found(
    options: dict[str, Any], there: list[int], found: int, elsewhere: dict[Any, Any]
) -> None:
    """A configured instance stays; those that exist instead are in `elsewhere`, () if none."""
    search = Search(SOC, **options)
    assert search.discovery.done
    search.discovery.recheck_instances([VEBUS])
    assert search.discovery.rechecking_instances
    assert not search.discovery.done
    search.step()
    assert search.questions == [KEEPALIVE]
    assert search.complete(*(f"vebus/{number}/ProductId" for number in there))
    assert search.discovery.found == {"vebus": (found,)}
    assert search.discovery.elsewhere == elsewhere
    assert not search.discovery.rechecking_instances
    assert search.discovery.done


def test_an_instance_that_is_back_is_elsewhere_no_more() -> None:
    """The next doubt about it replaces the result of the one before."""
    search = Search(SOC, vebus=275)
    for there, elsewhere in (("vebus/276/ProductId", {VEBUS: (276,)}), ("vebus/275/ProductId", {})):
        search.discovery.recheck_instances([VEBUS])
        search.step(AGAIN)
        assert search.complete(there)
        assert search.discovery.elsewhere == elsewhere


def test_an_instance_of_a_field_of_its_own_is_no_reason_to_change_the_one_that_was_found() -> None:
    """The instances that exist instead of it are in `elsewhere`."""
    search = Search(SOC, known=DeviceRecord(A, {"vebus": 275}))
    search.discovery.recheck_instances([("vebus", 276)])
    search.step()
    assert search.complete("vebus/277/ProductId")
    assert search.discovery.elsewhere == {("vebus", 276): (277,)}
    assert search.discovery.found == {"vebus": (275,)}


@pytest.mark.parametrize(("field", "ends"), [(SOC, True), (PV, False), (GRID, False)])
def test_a_service_that_has_left_is_known_without_an_end_of_the_republish(
    field: Field, ends: bool
) -> None:
    """Before Venus OS 3.50 some seconds without an answer are enough, if nothing else is wanted."""
    search = Search(field, vebus=275)
    search.discovery.recheck_instances([VEBUS])
    search.step()
    assert not search.step(AGAIN / 12 - 0.1)
    assert search.step(0.1) is ends
    assert search.discovery.elsewhere == ({VEBUS: ()} if ends else {})


def test_a_doubt_restarts_a_running_search() -> None:
    """With the doubted service in the question; the end of the first one is not its end."""
    search = Search(SOC, PV, vebus=275)
    search.step()
    search.discovery.recheck_instances([VEBUS])
    search.step()
    assert search.line.asked[-1][1][0] == f"N/{A}/+/+/ProductId"
    assert search.complete("solarcharger/288/ProductId", "vebus/275/ProductId") is False
    search.step(AGAIN)
    assert search.complete("solarcharger/288/ProductId", "vebus/275/ProductId")
    assert search.discovery.done


def test_found_answers_of_the_old_device_counted_for_the_one_in_its_place() -> None:
    """An open question is asked again, to the other device."""
    search = Search(SOC, portal="", known=DeviceRecord(A, {}))
    search.step()
    search.say("vebus/275/ProductId")
    search.discovery.portals.recheck(search.line)
    assert not search.discovery.step(search.line, search.now)
    serial(B, search=search)
    assert search.discovery.step(search.line, search.now)
    assert search.discovery.portal == B
    search.step(AGAIN)
    assert search.discovery.found == {}


def test_what_a_device_invents_is_limited_over_all_its_surveys() -> None:
    """Different ones each time: the instances and paths that are read do not grow without limit."""
    search = Search(GRID, several=True)
    for begin in range(0, 3 * protocol.MAX_SERVICES, protocol.MAX_SERVICES - 1):
        search.step(SURVEY)
        numbers = range(begin, begin + protocol.MAX_SERVICES - 1)
        leaves = [f"grid/{n}/{leaf}" for n in numbers for leaf in ("ProductId", "Ac/Power")]
        search.complete(*leaves)
        search.discovery.check_survey(1e9)
    assert len(search.discovery.found["grid"]) == protocol.MAX_SERVICES
    search.discovery._note_present({f"grid/{n}/x" for n in range(20_000)}, frozenset("a"))
    assert len(search.discovery.present) == protocol.MAX_LEAVES


def test_found_a_reload_ended_the_surveys_of_what_system_may_have() -> None:
    """Optional fields of the one service without an instance are searched for, too."""
    search = Search(Field("Dc", "system", None, "Dc/Battery/Power", optional=True))
    search.discovery.rescan()
    assert not search.discovery.done
    search.step()
    assert search.complete("system/0/Dc/Battery/Power")
    assert search.discovery.present == {"system/0/Dc/Battery/Power"}


def test_found_a_question_about_nothing_counted_as_an_answer() -> None:
    """All instances are wanted of a service whose fields name one."""
    search = Search(PV_288, several={"solarcharger"})
    assert search.discovery.done
    assert not search.discovery.echoed

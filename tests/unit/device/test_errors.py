"""What can be wrong with a device: a cause that has an event, and what people need to know."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bat2influx.device import errors
from bat2influx.failure import Trouble
from bat2influx.service.events import message_id

HOST, FILE, P = "10.0.0.2", "/etc/x.ini", "c0619ab1c2d3"
SOC = "Soc (vebus/275/Soc)"

CASES: list[tuple[Trouble, str, Sequence[str]]] = [
    (errors.no_portal(HOST, FILE), "portal", ["no device", "portal id", f"set serial in {FILE}"]),
    (
        errors.wrong_portal(HOST, P, ["a"], FILE),
        "wrong portal",
        [f"no device {P}", "has the portal id a;", f"set serial in {FILE}", "leave it empty"],
    ),
    (
        errors.wrong_portal(HOST, P, ["a", "b"], FILE),
        "wrong portal",
        [f"no device {P}", "is not among the portal ids a, b;"],
    ),
    (
        errors.wrong_instance(HOST, "vebus", 1, [275, 276], FILE),
        "wrong instance: vebus 1",
        ["no vebus 1, but vebus 275 and 276", f"correct instance in {FILE}"],
    ),
    (
        errors.wrong_instance(HOST, "grid", 1, [30], FILE),
        "wrong instance: grid 1",
        ["no grid 1, but grid 30", f"correct the instance under [Fields] in {FILE}"],
    ),
    (
        errors.fields_missing(HOST, ["vebus", "tank"], []),
        "missing: has no vebus, tank",
        ["has no vebus, tank", "asking again"],
    ),
    (
        errors.fields_missing(HOST, [], [SOC, "V (vebus/275/V)"]),
        f"missing: does not answer for {SOC}, V (vebus/275/V)",
        [f"does not answer for {SOC}, V (vebus/275/V)", "asking again"],
    ),
    (
        errors.fields_missing(HOST, ["tank"], [SOC]),
        f"missing: has no tank and does not answer for {SOC}",
        ["has no tank", f"and does not answer for {SOC}"],
    ),
    (
        errors.fields_missing(HOST, [], [], left={"vebus 275": "since 14:03:12"}),
        "missing: no longer has vebus 275",
        ["no longer has vebus 275 (since 14:03:12) (is that switched off, or unplugged?)"],
    ),
    (
        errors.fields_missing(HOST, [], [], hanging={"a 1": "since 1", "b 2": "since 2"}),
        "missing: no answer from a 1, b 2",
        ["a 1 is not responding (since 1), b 2 is not responding (since 2)", "restart the device"],
    ),
    (
        errors.fields_missing(HOST, [], [], mute={"a 1": "X (a/1/Y)"}),
        "missing: never an answer from a 1",
        ["has no answer from a 1 for X (a/1/Y) (does that hang, or is it asked for wrong paths?)"],
    ),
    (
        errors.fields_missing(HOST, [], [], [SOC]),
        f"missing: no longer answers for {SOC}",
        [f"no longer answers for {SOC} (is that phase or sensor still there? Else take it out)"],
    ),
    (
        errors.fields_void(HOST, [SOC]),
        f"no value: {SOC}",
        [f"no value (null) for {SOC}", "take it out of [Fields]"],
    ),
    (
        errors.fields_odd(HOST, [SOC], "text"),
        f"no number: {SOC}",
        [f"has text for {SOC}, and no number", "take it out of [Fields]"],
    ),
    (
        errors.other_prefix(HOST, "", ["home/cellar/"], FILE),
        "portal: prefix",
        [
            f"at {HOST} without a prefix;",
            "the prefix home/cellar: set topic_prefix = home/cellar in",
        ],
    ),
    (
        errors.other_prefix(HOST, "boat/", ["a/", "b/"], FILE),
        "portal: prefix",
        [
            "under the prefix boat;",
            "under the prefixes a, b: set topic_prefix in",
            "to one of them",
        ],
    ),
    (
        errors.other_prefix(HOST, "boat/", [""], FILE),
        "portal: prefix",
        ["under the prefix boat;", "are there without one: take topic_prefix out of"],
    ),
    (
        errors.other_prefix(HOST, "boat/", ["", "a/"], FILE),
        "portal: prefix",
        ["are there without a prefix, and under a: leave topic_prefix in", "empty, or set it to"],
    ),
    (
        errors.no_vebus(HOST, [("solarcharger", 288), ("battery", 512), ("system", 0)]),
        "missing: has no vebus, but others",
        [
            "has no vebus",
            "it has battery 512, solarcharger 288. To read",
            "defaults = no, Soc = battery/512/Soc, Pv = solarcharger/288/Yield/Power;",
            f"'bat2influx discover {HOST}' prints all; asking again",
        ],
    ),
    (
        errors.questions_unanswered(HOST, P, values=True),
        "unanswered",
        [
            f"values of device {P} arrive",
            "questions are not answered: does the bridge forward R/#?",
        ],
    ),
    (
        errors.questions_unanswered(HOST, P, "boat/", values=False),
        "unanswered",
        ["keeps the serial number", "is the device on", "forward R/#? Here that is boat/R/#"],
    ),
    (errors.device_silent(HOST, P, given=True), "silent", [P, "is serial right?"]),
    (errors.device_silent(HOST, P, given=False), "silent", [P, "restart it"]),
]


@pytest.mark.parametrize(("trouble", "cause", "parts"), CASES)
def test_what_is_wrong_is_said_with_where_and_what_to_do(
    trouble: Trouble, cause: str, parts: Sequence[str]
) -> None:
    """The cause is what tells one trouble from another; the text names the device's address."""
    assert trouble.cause == cause
    for part in (HOST, *parts):
        assert part in trouble.text


@pytest.mark.parametrize("cause", sorted({cause for _, cause, _ in CASES}))
def test_each_has_an_event_in_the_journal(cause: str) -> None:
    """By its id `journalctl -x` finds what the event means."""
    assert message_id(cause)


def test_another_field_is_another_cause() -> None:
    """So that a second missing field is logged though a first one has been."""
    one, two = (errors.fields_missing(HOST, [], names) for names in ([SOC], [SOC, "V"]))
    assert one.cause != two.cause
    assert errors.fields_void(HOST, [SOC]).cause != errors.fields_void(HOST, ["V"]).cause


MANY = [f"vebus {number}" for number in range(1000)]
SINCE = dict.fromkeys(MANY, "since 14:03:12")


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (errors.fields_missing(HOST, MANY, []), "missing: has no many"),
        (errors.fields_missing(HOST, [], [], left=SINCE), "missing: no longer has many"),
        (errors.fields_missing(HOST, [], [], hanging=SINCE), "missing: no answer from many"),
        (errors.fields_missing(HOST, [], [], mute=SINCE), "missing: never an answer from many"),
        (errors.fields_missing(HOST, [], MANY), "missing: does not answer for many"),
        (errors.fields_missing(HOST, [], [], MANY), "missing: no longer answers for many"),
        (errors.fields_void(HOST, MANY), "no value: many"),
        (errors.fields_odd(HOST, MANY, "text"), "no number: many"),
    ],
)
def test_of_a_thousand_services_some_are_named(trouble: Trouble, cause: str) -> None:
    """And all of them are one cause, whichever they are: a device may have them take turns."""
    assert trouble.cause == cause
    assert "vebus 19" in trouble.text
    assert "vebus 20" not in trouble.text
    assert " and 980 others" in trouble.text
    assert len(trouble.text) < 2000

"""The troubles of a device: a cause that has an event, and what users need to know."""

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
        [f"no device {P}", "has the portal id a.", f"Set serial in {FILE} to this portal id"],
    ),
    (
        errors.wrong_portal(HOST, P, ["a", "b"], FILE),
        "wrong portal",
        [f"no device {P}", "have the portal ids a, b.", "to one of them, or leave serial empty"],
    ),
    (
        errors.wrong_instance(HOST, "vebus", 1, [275, 276], FILE),
        "wrong instance: vebus 1",
        ["no vebus 1, but vebus 275 and 276", f"Correct instance in {FILE}"],
    ),
    (
        errors.wrong_instance(HOST, "grid", 1, [30], FILE),
        "wrong instance: grid 1",
        ["no grid 1, but grid 30", f"Correct the instance under [Fields] in {FILE}"],
    ),
    (
        errors.fields_missing(HOST, ["vebus", "tank"], []),
        "missing: has no vebus, tank",
        ["has no vebus, tank", "retrying"],
    ),
    (
        errors.fields_missing(HOST, [], [SOC, "V (vebus/275/V)"]),
        f"missing: does not answer for {SOC}, V (vebus/275/V)",
        [f"does not answer for {SOC}, V (vebus/275/V)", "retrying"],
    ),
    (
        errors.fields_missing(HOST, ["tank"], [SOC]),
        f"missing: has no tank and does not answer for {SOC}",
        ["has no tank", f"and does not answer for {SOC}"],
    ),
    (
        errors.fields_missing(HOST, [], [], left={"vebus 275": "since 14:03:12"}),
        "missing: no longer has vebus 275",
        ["no longer has vebus 275 (since 14:03:12) (check that it is connected and switched on)"],
    ),
    (
        errors.fields_missing(HOST, [], [], hanging={"a 1": "since 1", "b 2": "since 2"}),
        "missing: no answer from a 1, b 2",
        ["a 1 is not responding (since 1), b 2 is not responding (since 2)", "restart the device"],
    ),
    (
        errors.fields_missing(HOST, [], [], never_answered={"a 1": "X (a/1/Y)"}),
        "missing: never an answer from a 1",
        ["has no answer from a 1 for X (a/1/Y) (restart the device, or correct the paths)"],
    ),
    (
        errors.fields_missing(HOST, [], [], [SOC]),
        f"missing: no longer answers for {SOC}",
        [f"no longer answers for {SOC} (check this phase or sensor, or remove the field)"],
    ),
    (
        errors.fields_null(HOST, [SOC]),
        f"no value: {SOC}",
        [f"no value (null) for {SOC}", "remove the field from [Fields]"],
    ),
    (
        errors.fields_not_numeric(HOST, [SOC], "text"),
        f"no number: {SOC}",
        [f"has text for {SOC}, not a number", "Remove the field from [Fields]"],
    ),
    (
        errors.other_prefix(HOST, "", ["home/cellar/"], FILE),
        "portal: prefix",
        [
            f"at {HOST} without a prefix;",
            "the prefix home/cellar. Set topic_prefix = home/cellar in",
        ],
    ),
    (
        errors.other_prefix(HOST, "boat/", ["a/", "b/"], FILE),
        "portal: prefix",
        [
            "under the prefix boat;",
            "under the prefixes a, b. Set topic_prefix in",
            "to one of them",
        ],
    ),
    (
        errors.other_prefix(HOST, "boat/", [""], FILE),
        "portal: prefix",
        ["under the prefix boat;", "has topics without a prefix. Remove topic_prefix from"],
    ),
    (
        errors.other_prefix(HOST, "boat/", ["", "a/"], FILE),
        "portal: prefix",
        ["without a prefix and under the prefix a. Leave topic_prefix in", "empty, or set it to"],
    ),
    (
        errors.no_vebus(HOST, [("solarcharger", 288), ("battery", 512), ("system", 0)]),
        "missing: has no vebus, but others",
        [
            "has no vebus",
            "it has battery 512, solarcharger 288. To read",
            "defaults = no, Soc = battery/512/Soc, Pv = solarcharger/288/Yield/Power;",
            f"'bat2influx discover {HOST}' prints all lines; retrying",
        ],
    ),
    (
        errors.questions_unanswered(HOST, P, values=True),
        "unanswered",
        [
            f"device {P} at {HOST} sends values, but does not answer requests.",
            "Check that the bridge forwards R/# to the device",
        ],
    ),
    (
        errors.questions_unanswered(HOST, P, "boat/", values=False),
        "unanswered",
        ["retains the serial number", "that the device is on", "bridge forwards boat/R/# to"],
    ),
    (
        errors.device_not_responding(HOST, P, 15.0, given=True),
        "silent",
        [f"{P} at {HOST} does not respond (no message for 15 s). Check", "that serial is right"],
    ),
    (
        errors.device_not_responding(HOST, P, 720.0, given=False),
        "silent",
        [f"{P} at {HOST} does not respond (no message for 12 min). Check", "restart it"],
    ),
]


@pytest.mark.parametrize(("trouble", "cause", "parts"), CASES)
def test_each_text_says_where_and_what_to_do(
    trouble: Trouble, cause: str, parts: Sequence[str]
) -> None:
    """The cause distinguishes troubles; the text names the device's address."""
    assert trouble.cause == cause
    for part in (HOST, *parts):
        assert part in trouble.text


@pytest.mark.parametrize("cause", sorted({cause for _, cause, _ in CASES}))
def test_each_has_an_event_in_the_journal(cause: str) -> None:
    """By its id `journalctl -x` finds the explanation of the event."""
    assert message_id(cause)


def test_another_field_is_another_cause() -> None:
    """So that a second missing field is logged after a first one."""
    one, two = (errors.fields_missing(HOST, [], names) for names in ([SOC], [SOC, "V"]))
    assert one.cause != two.cause
    assert errors.fields_null(HOST, [SOC]).cause != errors.fields_null(HOST, ["V"]).cause


MANY = [f"vebus {number}" for number in range(1000)]
SINCE = dict.fromkeys(MANY, "since 14:03:12")


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (errors.fields_missing(HOST, MANY, []), "missing: has no many"),
        (errors.fields_missing(HOST, [], [], left=SINCE), "missing: no longer has many"),
        (errors.fields_missing(HOST, [], [], hanging=SINCE), "missing: no answer from many"),
        (
            errors.fields_missing(HOST, [], [], never_answered=SINCE),
            "missing: never an answer from many",
        ),
        (errors.fields_missing(HOST, [], MANY), "missing: does not answer for many"),
        (errors.fields_missing(HOST, [], [], MANY), "missing: no longer answers for many"),
        (errors.fields_null(HOST, MANY), "no value: many"),
        (errors.fields_not_numeric(HOST, MANY, "text"), "no number: many"),
    ],
)
def test_of_a_thousand_services_some_are_named(trouble: Trouble, cause: str) -> None:
    """All of them are one cause, whichever they are: a device may alternate them."""
    assert trouble.cause == cause
    assert "vebus 19" in trouble.text
    assert "vebus 20" not in trouble.text
    assert " and 980 others" in trouble.text
    assert len(trouble.text) < 2000

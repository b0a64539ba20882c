"""The questions that find a device, and the results of the answers, with a simulated clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from bat2influx.device.discovery import Discovery, UndecidedError
from bat2influx.device.keepalive import Republish
from bat2influx.device.remembered import DeviceRecord
from bat2influx.device.wanted import Wanted
from bat2influx.mqtt.connector import Endpoint
from bat2influx.venus.protocol import PORTALS, Field, parse_field

A, B = "c0619ab1c2d3", "0a1b2c3d4e5f"
AGAIN = 60.0  # W/2
SURVEY = 900.0  # a quarter of an hour
SOC, RELAY = parse_field("Soc", "vebus/Soc"), parse_field("Relay", "system/Relay/0/State")
PV = parse_field("Pv", "solarcharger/Yield/Power")
PV_288 = parse_field("Pv", "solarcharger/288/Yield/Power")
GRID = Field("Grid", "grid", None, "Ac/Power", optional=True)
KEEPALIVE, OLD = "keepalive", "system/0/Serial"  # below R/<portal id>/


class Line:
    """Stands in for a connection: records requests, and confirms them at once if it `confirms`."""

    def __init__(self, *, confirms: bool = True) -> None:
        self.endpoint = Endpoint("10.0.0.2", 1883, "u", "", "/etc/x.ini")
        self.confirms = confirms
        self.acknowledged: set[int] = set()
        self.asked: list[tuple[str, tuple[str, ...]]] = []  # each id is its place, from 1
        self.published: list[tuple[str, bytes]] = []

    def subscribe(self, topics: Iterable[str], *, optional: bool = False) -> int:
        """Record it."""
        return self._note("subscribe, if allowed" if optional else "subscribe", topics)

    def unsubscribe(self, topics: Iterable[str]) -> int:
        """Record it."""
        return self._note("unsubscribe", topics)

    def publish(self, topic: str, payload: bytes = b"", *, checked: bool = False) -> None:
        """Record it, with a mark if a refusal is detected."""
        self.published.append((topic if checked else f"{topic} (unchecked)", payload))

    def confirm(self) -> None:
        """Confirm all requests."""
        self.acknowledged.update(range(1, len(self.asked) + 1))

    def _note(self, what: str, topics: Iterable[str]) -> int:
        self.asked.append((what, tuple(topics)))
        if self.confirms:
            self.confirm()
        return len(self.asked)


class Search:
    """A discovery on a connection, stepped like that of a device."""

    def __init__(self, *fields: Field, confirms: bool = True, **options: Any) -> None:
        self.line: Any = Line(confirms=confirms)
        own = {"retry_interval": AGAIN, "config": "/etc/x.ini"}
        own |= {key: options.pop(key) for key in ("republish", "known") if key in options}
        if isinstance(several := options.get("several"), bool):
            options["several"] = {field.service for field in fields} if several else ()
        self.discovery = Discovery(Wanted(fields, **{"portal": A, **options}), **own)
        self.discovery.start(self.line)
        self.now = 0.0

    def step(self, seconds: float = 0.0) -> bool:
        """Let time pass, and step as far as possible; return whether something new is known."""
        self.now += seconds
        return any(self.discovery.step(self.line, self.now) for _ in range(4))

    def say(self, *leaves: str, portal: str = A, payload: bytes = b'{"value":1}') -> list[bool]:
        """Pass messages to the discovery; return whether they were requested."""
        return [self.discovery.process(f"N/{portal}/{leaf}", payload, self.now) for leaf in leaves]

    def complete(self, *leaves: str, echo: str | None = "ours") -> bool:
        """Answer the latest question: these leaves, then the end of the republish."""
        self.say(*leaves)
        own = json.loads(self.line.published[-1][1])["keepalive-options"][0]
        echoed = own["full-publish-completed-echo"] if echo == "ours" else echo
        end = {"value": 1} | ({"full-publish-completed-echo": echoed} if echoed else {})
        self.say("full_publish_completed", payload=json.dumps(end).encode())
        return self.step()

    @property
    def questions(self) -> list[str]:
        """The requests to the device, below R/<portal id>/."""
        below = f"R/{self.discovery.portal}/"
        return [topic.removeprefix(below) for topic, _ in self.line.published]


def serial(*portals: str, search: Search, payload: bytes = b'{"value":1}') -> None:
    """Deliver the retained message of devices."""
    for portal in portals:
        assert search.say("system/0/Serial", portal=portal, payload=payload) == [True]


# The portal id


def test_portal_ids_are_subscribed_to_where_none_is_known() -> None:
    """A configured or remembered portal id is not searched for."""
    assert Search(portal="").line.asked == [("subscribe", (PORTALS,))]
    assert not Search(portal=A).line.asked
    assert not Search(portal="", known=DeviceRecord(A)).line.asked
    assert not Search(portal="").discovery.done


def test_the_first_portal_id_counts_only_behind_a_barrier() -> None:
    """More retained messages may arrive until the broker confirms the barrier."""
    search = Search(portal="", confirms=False)
    assert not search.step()
    serial(A, search=search)
    assert not search.step()
    assert search.line.asked[1:] == [("unsubscribe", (PORTALS,))]
    assert search.discovery.portal is None
    search.line.confirm()
    assert search.discovery.step(search.line, 0.0)
    assert search.discovery.portal == A
    assert search.discovery.done


def test_several_portal_ids_are_undecided() -> None:
    """None is guessed; the error lists each as a line, in order, and the same again later."""
    search = Search(portal="", name="attic")
    serial(A, search=search)
    assert not search.discovery.step(search.line, 0.0)
    serial(A, B, search=search)
    for _ in range(2):
        with pytest.raises(UndecidedError) as error:
            search.step()
        assert str(error.value).split("\n")[1:] == [f"serial = {B}", f"serial = {A}"]
        assert "several devices at 10.0.0.2" in str(error.value)
        assert "[Battery attic]" in str(error.value)


# The instances


def test_nothing_is_asked_where_all_is_known() -> None:
    """Instances given in [Battery] or in the fields, and system, need no search."""
    search = Search(SOC, RELAY, PV_288, vebus=275)
    assert search.discovery.done
    assert search.discovery.found == {"vebus": (275,)}
    assert search.discovery.usable == [SOC, RELAY, PV_288]
    assert search.say("vebus/275/ProductId") == [False]
    search.discovery.check_survey(SURVEY)
    assert search.discovery.done


def test_the_question_follows_the_confirmed_subscription() -> None:
    """Otherwise answers might arrive before the broker delivers them.

    If an inverter is searched for, all services are subscribed to, for messages.
    """
    search = Search(SOC, PV, confirms=False)
    assert search.discovery.open == ("vebus", "solarcharger")
    assert not search.step()
    topics = (f"N/{A}/+/+/ProductId", f"N/{A}/full_publish_completed")
    assert search.line.asked == [("subscribe", topics)]
    assert not search.questions
    search.line.confirm()
    assert not search.step()
    assert search.questions == [KEEPALIVE]


def test_one_instance_of_each_service_is_found() -> None:
    """Then the search ends: its subscriptions end, and everything is known.

    The subscription to the end of a republish stays: it distinguishes cached values.
    """
    search = Search(SOC, PV, RELAY)
    search.step()
    assert search.say("vebus/275/ProductId", "vebus/275/Soc") == [True, False]
    assert search.discovery.usable == [RELAY]
    assert search.complete("solarcharger/288/ProductId")
    assert search.discovery.found == {"vebus": (275,), "solarcharger": (288,)}
    assert search.discovery.done
    assert search.line.asked[1] == ("unsubscribe", search.line.asked[0][1][:-1])
    assert search.line.asked[0][1][-1] == f"N/{A}/full_publish_completed"
    assert search.discovery.old is False


@pytest.mark.parametrize(("echo", "ends"), [("ours", True), (None, True), ("another's", False)])
def test_the_echo_shows_whose_republish_has_ended(echo: str | None, ends: bool) -> None:
    """Firmware before Venus OS 3.50 sends no echo, so any end counts there."""
    search = Search(SOC)
    search.step()
    assert search.complete("vebus/275/ProductId", echo=echo) is ends
    assert search.discovery.done is ends


@pytest.mark.parametrize(
    ("seconds", "leaves", "ends"),
    [
        (AGAIN / 12 - 0.1, ["vebus/275/ProductId"], False),
        (AGAIN / 12, ["vebus/275/ProductId"], True),
    ],
)
def test_without_an_end_some_seconds_are_enough(
    seconds: float, leaves: list[str], ends: bool
) -> None:
    """After a twelfth of the span, found instances count, and the others are missing."""
    search = Search(SOC, PV)
    search.step()
    search.say(*leaves)
    assert search.step(seconds) is ends
    assert search.discovery.missing == (("solarcharger",) if ends else ())
    assert search.discovery.old is None


def test_a_missing_service_is_looked_for_again() -> None:
    """Once per span, while the others are known; it is no longer missing once it is found."""
    search = Search(SOC, PV)
    search.step()
    assert search.complete("vebus/275/ProductId")
    assert (search.discovery.open, search.discovery.missing) == (("solarcharger",),) * 2
    assert search.discovery.usable == [SOC]
    assert not search.step(AGAIN - 1)
    assert search.questions == [KEEPALIVE]
    assert not search.step(1)
    assert search.questions == [KEEPALIVE] * 2
    assert search.complete("solarcharger/288/ProductId")
    assert search.discovery.missing == ()
    assert search.discovery.done


@pytest.mark.parametrize(
    ("field", "service", "line"),
    [
        (SOC, "vebus", "instance = 276"),
        (PV, "solarcharger", "Pv = solarcharger/276/Yield/Power"),
        (GRID, "grid", "instances = tag"),
    ],
)
def test_several_instances_are_undecided(field: Field, service: str, line: str) -> None:
    """None is guessed; the error has the choices as lines for the configuration."""
    search = Search(field)
    search.step()
    with pytest.raises(UndecidedError) as error:
        search.complete(f"{service}/276/ProductId", f"{service}/275/ProductId")
    assert line in str(error.value).split("\n")
    assert f"{service} (275 and 276)" in str(error.value)


def test_several_instances_are_all_taken_where_they_are_wanted() -> None:
    """A required one that is absent at a later survey is kept; given ones do not change."""
    search = Search(SOC, PV, several=True, vebus=275)
    search.step()
    seen = ["vebus/276/ProductId", "solarcharger/289/ProductId", "solarcharger/288/ProductId"]
    assert search.complete(*seen)
    assert search.discovery.found == {"vebus": (275,), "solarcharger": (288, 289)}
    assert search.discovery.done
    search.discovery.check_survey(SURVEY)
    assert not search.discovery.done
    search.step(SURVEY)
    assert search.complete("solarcharger/290/ProductId")
    assert search.discovery.found["solarcharger"] == (288, 289, 290)


# The questions


def test_full_republishes_are_shared_with_other_requests() -> None:
    """The search waits until the device may be asked, and records its own request."""
    republish = Republish(2 * AGAIN)
    republish.requested(-10.0)
    search = Search(SOC, republish=republish)
    assert not search.step(AGAIN - 11)
    assert not search.questions
    search.step(1)
    assert search.questions == [KEEPALIVE]
    assert not republish.allowed(search.now + AGAIN - 1)


def test_a_new_connection_asks_no_sooner() -> None:
    """An interrupted search is repeated when the device may be asked."""
    search = Search(SOC)
    search.step()
    search.line = Line()
    search.discovery.start(search.line)
    search.step(AGAIN - 1)
    assert not search.questions
    search.step(1)
    assert search.questions


@pytest.mark.parametrize(
    ("known", "questions"),
    [(None, [KEEPALIVE, OLD, KEEPALIVE]), (DeviceRecord(A, old=True), [OLD, KEEPALIVE, OLD])],
)
def test_a_device_that_does_not_answer_gets_the_other_keepalive(
    known: DeviceRecord | None, questions: list[str]
) -> None:
    """Firmware before Venus OS 3.20 understands only the old question; a known one is first."""
    search = Search(SOC, portal="", known=known) if known else Search(SOC)
    for _ in questions:
        search.step(AGAIN)
    assert search.questions == questions


def test_found_a_false_warning_for_a_minute_where_the_first_question_is_not_understood() -> None:
    """The other keepalive is tried once after a twelfth of the span; then every span."""
    search = Search(SOC)
    search.step()
    search.say("vebus/275/Soc")
    search.step(AGAIN / 12 - 0.1)
    assert search.questions == [KEEPALIVE]
    search.step(0.1)
    assert search.questions == [KEEPALIVE, OLD]
    assert search.discovery.missing == ()
    search.step(AGAIN - 0.1)
    assert search.questions == [KEEPALIVE, OLD]
    search.step(0.1)
    assert search.questions == [KEEPALIVE, OLD, KEEPALIVE]


@pytest.mark.parametrize("after", [AGAIN / 12, AGAIN])
def test_old_firmware_is_what_answers_the_old_question(after: float) -> None:
    """That is remembered, and the next question is the old one at once."""
    search = Search(SOC, PV)
    search.step()
    search.step(after)
    assert search.questions == [KEEPALIVE, OLD]
    search.say("vebus/275/ProductId")
    assert search.step(AGAIN / 12)
    assert search.discovery.old is True
    assert search.discovery.result == DeviceRecord(A, {"vebus": 275}, old=True)
    search.step(AGAIN)
    assert search.questions == [KEEPALIVE, OLD, OLD]

"""What is reported of fields that are missing, with a simulated clock (W = 120 s)."""

import logging

import pytest

from bat2influx.clock import Now
from bat2influx.device.discovery import Discovery
from bat2influx.device.fields import Meaning
from bat2influx.device.plan import Plan
from bat2influx.device.presence import Presence
from bat2influx.device.problems import Problems
from bat2influx.device.wanted import Wanted
from bat2influx.mqtt.connection import Message
from bat2influx.reading import NS
from bat2influx.venus.protocol import MAX_LEAVES, Field, NoValue, parse_field

W = 120.0
P = "c0619ab1c2d3"
FIELDS = [
    parse_field(name, path)
    for name, path in (
        ("Voltage", "vebus/Dc/0/Voltage"),
        ("Current", "vebus/Dc/0/Current"),
        ("Pv", "solarcharger/288/Yield/Power"),
        ("Grid", "system/Ac/Grid/L1/Power"),
    )
]
VOLTAGE, CURRENT = f"N/{P}/vebus/275/Dc/0/Voltage", f"N/{P}/vebus/275/Dc/0/Current"
PV, GRID = f"N/{P}/solarcharger/288/Yield/Power", f"N/{P}/system/0/Ac/Grid/L1/Power"


class Minute:
    """A device's absence, polled every second; `answers` arrive at once, with a number."""

    def __init__(self) -> None:
        self.plan = Plan(P, FIELDS, {"vebus": (275,)})
        self.discovery = Discovery(
            Wanted((*FIELDS,), portal=P, vebus=275), retry_interval=W / 2, config="/etc/x.ini"
        )
        self.presence = Presence(W, notified=False)
        self.absence = Problems("10.0.0.2", "/etc/x.ini", W, self.presence)
        self.now = 0.0
        self.begin()
        self.doubted: list[tuple[float, tuple[str, int]]] = []

    @property
    def clocks(self) -> Now:
        """The time on both clocks."""
        ns = round(self.now * NS)
        return Now(1_767_225_610 * NS + ns, self.now, ns)

    def begin(self) -> None:
        """Begin to read by the plan."""
        self.presence.begin(self.plan, self.clocks)
        self.absence.begin(self.plan)

    def go_on(
        self, seconds: int, *answers: str, void: str = "", kind: NoValue = NoValue.NULL
    ) -> None:
        """Let time pass."""
        for _ in range(seconds):
            self.now += 1.0
            self.presence.due_requests(self.plan.requests, self.now)
            for topic in (*answers, *((void,) if void else ())):
                self.say(topic)
                if topic != void:
                    self.absence.filled(topic)
            if void:
                self.absence.void(void, kind, self.now)
            self.look()

    def say(self, topic: str, payload: bytes = b"{}") -> Meaning:
        """Deliver a message; it is processed once no republish can end any more."""
        meaning = self.presence.message(Message(topic, payload, False, 0), self.clocks)
        if meaning is Meaning.HELD:
            ns = round((self.now + 1.0) * NS)
            self.presence.release(Now(1_767_225_610 * NS + ns, self.now + 1.0, ns))
        return meaning

    def look(self) -> None:
        """Detect what is missing, and report it."""
        self.presence.check(self.clocks)
        self.doubted += [(self.now, place) for place in self.absence.suspects(self.now)]
        self.absence.report(self.discovery, self.clocks)

    @property
    def text(self) -> str:
        """What is wrong."""
        return self.absence.trouble.text if self.absence.trouble else ""


@pytest.fixture
def minute() -> Minute:
    """A device that was just connected."""
    return Minute()


def test_an_instance_is_doubted_when_all_of_it_is_silent(minute: Minute) -> None:
    """After W/8, and then every 5 W; the one instance of system is not doubted."""
    minute.go_on(20, VOLTAGE, CURRENT)
    assert minute.doubted == [(16.0, ("solarcharger", 288))]
    minute.go_on(700, VOLTAGE, CURRENT)
    assert [when for when, _ in minute.doubted] == [16.0, 616.0]


def test_a_path_beside_others_that_answer_leaves_the_instance_alone(minute: Minute) -> None:
    """It is reported as a path that does not exist."""
    minute.go_on(30, VOLTAGE, PV, GRID)
    assert not minute.doubted
    assert "does not answer for Current (vebus/275/Dc/0/Current)" in minute.text


def test_an_instance_that_is_elsewhere_is_reported_with_what_there_is(minute: Minute) -> None:
    """The doubt has found another one: that is the cause, whatever else is unanswered."""
    minute.go_on(20, VOLTAGE, CURRENT)
    minute.discovery.elsewhere["solarcharger", 288] = (289, 290)
    minute.go_on(1, VOLTAGE, CURRENT)
    assert "has no solarcharger 288, but solarcharger 289 and 290" in minute.text


def test_a_service_that_has_left_is_reported_as_a_whole(minute: Minute) -> None:
    """Its paths are not listed one by one; those of others are."""
    minute.go_on(20, VOLTAGE, CURRENT)
    minute.discovery.elsewhere["solarcharger", 288] = ()
    minute.go_on(1, VOLTAGE, CURRENT)
    assert "has no solarcharger 288" in minute.text
    assert "Pv (" not in minute.text
    assert "does not answer for Grid" in minute.text


def test_the_answers_end_all_that(minute: Minute, caplog: pytest.LogCaptureFixture) -> None:
    """The instance is doubted again when it stops responding again."""
    minute.go_on(20, VOLTAGE, CURRENT)
    with caplog.at_level(logging.INFO, "bat2influx"):
        minute.go_on(1, VOLTAGE, CURRENT, PV, GRID)
    assert not minute.text
    assert "every field is answered, after" in caplog.text
    minute.go_on(60, VOLTAGE, CURRENT, GRID)
    assert [place for _, place in minute.doubted] == [("solarcharger", 288)] * 2


def test_nothing_is_reported_while_the_doubt_is_open(minute: Minute) -> None:
    """The cause is determined in a moment; each guess would be a separate warning."""
    minute.discovery.recheck_instances([("solarcharger", 288)])
    minute.go_on(60, VOLTAGE, CURRENT, GRID)
    assert not minute.text


def test_found_a_service_that_had_worked_was_not_named_before_the_doubt_had_ended(
    minute: Minute,
) -> None:
    """The republish that ends it may be a minute away."""
    minute.go_on(5, VOLTAGE, CURRENT, GRID, PV)
    minute.discovery.recheck_instances([("solarcharger", 288)])
    minute.go_on(16, VOLTAGE, CURRENT, GRID)
    assert "solarcharger 288 is not responding (since " in minute.text


def test_null_from_the_beginning_is_reported_after_a_while(minute: Minute) -> None:
    """Not at once: a sensor may need some time; and no longer once it has a value."""
    minute.go_on(15, VOLTAGE, CURRENT, GRID, void=PV)
    assert minute.absence.without_value() == {"Pv": "null"}
    assert not minute.text
    minute.go_on(15, VOLTAGE, CURRENT, GRID, void=PV)
    assert "has no value (null) for Pv (solarcharger/288/Yield/Power)" in minute.text
    minute.go_on(1, VOLTAGE, CURRENT, GRID, PV)
    assert not minute.text
    assert not minute.absence.without_value()


def test_null_after_a_value_is_no_trouble(minute: Minute) -> None:
    """The sun sets, the mains fail: null is normal then."""
    minute.go_on(5, VOLTAGE, CURRENT, GRID, PV)
    minute.go_on(300, VOLTAGE, CURRENT, GRID, void=PV)
    assert minute.absence.without_value() == {"Pv": "null"}
    assert not minute.text


def test_text_is_reported_as_never_a_number(minute: Minute) -> None:
    """A path with something else than a number is a mistake, whatever else is null."""
    minute.go_on(10, VOLTAGE, CURRENT, GRID)
    minute.go_on(30, VOLTAGE, CURRENT, GRID, void=PV, kind=NoValue.TEXT)
    assert "has text for Pv (solarcharger/288/Yield/Power), not a number" in minute.text
    assert minute.absence.without_value() == {"Pv": "text"}


def test_another_plan_forgets_what_is_not_asked_for_any_more(minute: Minute) -> None:
    """When an instance has moved, its old paths are neither unanswered nor without a value."""
    minute.go_on(60, CURRENT, GRID, PV, void=VOLTAGE)
    assert minute.text
    minute.plan = Plan(P, FIELDS, {"vebus": (276,)})
    minute.begin()
    new = [topic for topic in minute.plan.fields if "/vebus/276/" in topic]
    minute.go_on(60, *new, GRID, PV)
    assert not minute.text
    assert not minute.absence.without_value()


def test_found_a_path_that_worked_was_called_one_that_does_not_exist(minute: Minute) -> None:
    """A path that was answered before is reported as no longer answered."""
    minute.go_on(20, VOLTAGE, CURRENT, PV, GRID)
    minute.go_on(30, CURRENT, PV, GRID)
    assert "no longer answers for Voltage (vebus/275/Dc/0/Voltage)" in minute.text
    assert "correct it" not in minute.text


def test_a_later_choice_is_reported_beside_the_rest(minute: Minute) -> None:
    """With its lines, and that the other fields are read."""
    minute.discovery.choices["grid"] = "several grids:\ninstances = tag"
    minute.go_on(1, VOLTAGE, CURRENT, PV, GRID)
    assert minute.text == "several grids: instances = tag; the other fields are read"


def test_the_services_of_a_system_without_an_inverter_are_reported(minute: Minute) -> None:
    """With lines that would work, instead of the advice to switch on the inverter."""
    minute.discovery.missing = ("vebus",)
    minute.discovery.places = frozenset({("battery", 512), ("solarcharger", 288)})
    minute.go_on(15, VOLTAGE, CURRENT, GRID, PV)
    assert "has no vebus (check that it is connected" in minute.text
    assert "it has" not in minute.text  # it may boot more slowly
    minute.go_on(1, VOLTAGE, CURRENT, GRID, PV)
    assert "it has battery 512, solarcharger 288" in minute.text
    assert "Soc = battery/512/Soc" in minute.text


@pytest.mark.parametrize(
    ("echoed", "cause"), [(False, "unanswered"), (True, "missing: never an answer from ")]
)
def test_a_bridge_in_one_direction_is_named(minute: Minute, echoed: bool, cause: str) -> None:
    """Nothing was ever answered, but the device publishes something: no path is called wrong."""
    minute.discovery.question.echoed = echoed
    minute.go_on(20)
    assert minute.absence.trouble
    assert minute.absence.trouble.cause.startswith(cause)


def test_missing_fields_are_shown_before_they_are_reported(minute: Minute) -> None:
    """In the first seconds of an absence nothing is wrong yet, and the value is not shown."""
    minute.go_on(5, VOLTAGE, CURRENT, PV, GRID)
    minute.go_on(5, CURRENT, PV, GRID)
    assert minute.absence.without_value() == {"Voltage": "no answer"}
    assert not minute.text
    minute.go_on(2, VOLTAGE, CURRENT, PV, GRID)
    assert minute.absence.without_value() == {}


def test_a_service_that_hangs_or_left_is_reported_with_the_time(minute: Minute) -> None:
    """Since when, and whether it sent a farewell; another service that leaves is another line."""
    minute.go_on(5, VOLTAGE, CURRENT, PV, GRID)
    minute.say(PV, b"")
    minute.look()
    assert "no longer has solarcharger 288 (since " in minute.text
    minute.go_on(40, GRID)
    assert "vebus 275 is not responding (since " in minute.text
    assert "no longer has solarcharger 288 (since " in minute.text
    assert "correct it" not in minute.text


def test_found_a_service_that_restarts_was_reported_not_to_answer_for_its_paths(
    minute: Minute,
) -> None:
    """Between its first value and the next tick they are still absent, which needs no report."""
    minute.go_on(5, VOLTAGE, CURRENT, PV, GRID)
    minute.say(VOLTAGE, b"")
    minute.say(VOLTAGE)
    minute.look()
    assert not minute.text
    minute.go_on(1, VOLTAGE, CURRENT, PV, GRID)
    assert not minute.text


def test_a_service_of_a_preset_is_reported_when_it_leaves() -> None:
    """It was there, so its absence is reported although it is optional."""
    minute = Minute()
    minute.plan = Plan(
        P,
        [*FIELDS[:2], Field("Sun", "solarcharger", 288, "Yield/Power", optional=True)],
        {"vebus": (275,)},
        present={"solarcharger/288/Yield/Power"},
    )
    minute.begin()
    minute.go_on(5, VOLTAGE, CURRENT, PV)
    minute.say(PV, b"")
    minute.look()
    assert "no longer has solarcharger 288" in minute.text


def many(count: int) -> Minute:
    """Return a device with that many inverters, all of which are read."""
    minute = Minute()
    minute.plan = Plan(P, FIELDS[:1], {"vebus": range(count)}, instances_of=lambda _: "tag")
    minute.begin()
    return minute


def test_of_a_thousand_services_some_topics_are_in_the_journal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As many as the text names, whether without an answer or without a value."""
    minute = many(1000)
    topics = [*minute.plan.fields]
    minute.go_on(20, topics[0])
    for topic in topics[1:]:
        minute.say(topic)
        minute.absence.void(topic, NoValue.NULL, minute.now)
    minute.go_on(20, topics[0])
    found = [vars(each)["TOPIC"] for each in caplog.records if "TOPIC" in vars(each)]
    assert {record.getMessage().count("vebus/") <= 20 for record in caplog.records} == {True}
    assert len(found) >= 2
    assert max(len(each.split()) for each in found) == 20


def test_services_that_take_turns_are_reported_a_few_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All and none present alternately, every few seconds for an hour: no warning each time."""
    caplog.set_level(logging.INFO, "bat2influx")
    minute = many(2)
    topics = [*minute.plan.fields]
    for _ in range(60):
        minute.go_on(5, *topics)
        for topic in topics:
            minute.say(topic, b"")
        minute.go_on(25)
    assert 4 <= len(caplog.messages) <= 20


def test_topics_that_are_read_no_more_are_forgotten() -> None:
    """If there are many of them: a device may invent new instances without end."""
    minute = many(1)
    for number in range(30):
        plan = Plan(P, FIELDS[:1], {"vebus": range(1000 * number, 1000 * (number + 1))})
        minute.absence.begin(plan)
        for topic in plan.fields:
            minute.absence.void(topic, NoValue.NULL, 0.0)
            minute.absence.filled(topic)
    assert len(minute.absence._filled) + len(minute.absence._kind) <= MAX_LEAVES + 2 * 1000

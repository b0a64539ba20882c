"""Services that appear, with a simulated clock and connection."""

from __future__ import annotations

import math
from typing import Any

from bat2influx.device.arrivals import COLLECT, EXAMINE, MAX_AT_ONCE, Arrival, Arrivals, State
from bat2influx.venus.protocol import MAX_SERVICES

P = "c0619ab1c2d3"
ONE = b'{"value":1}'
VEBUS, GRID = ("vebus", 275), ("grid", 30)


class Connection:
    """Stands in for a connection and records the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def subscribe(self, topics: Any, *, optional: bool = False) -> int:
        """Record it."""
        how = "may subscribe" if optional else "subscribe"
        self.asked += [(how, each) for each in topics]
        return 1

    def unsubscribe(self, topics: Any) -> int:
        """Record it."""
        self.asked += [("unsubscribe", each) for each in topics]
        return 2

    def publish(self, topic: str) -> None:
        """Record it."""
        self.asked.append(("publish", topic))


class Watch:
    """Arrivals where `vebus` and `grid` may be wanted, and the paths of grid are optional."""

    def __init__(self) -> None:
        self.line: Any = Connection()
        paths = [("grid", "Ac/Power"), ("grid", "Ac/L2/Power")]
        self.arrivals = Arrivals(["vebus", "grid"], paths)
        self.arrivals.begin(self.line, P)
        self.line.asked.clear()
        self.now = 100.0
        self.read: list[str] = []  # topics

    def say(self, *leaves: str, payload: bytes = ONE) -> list[bool]:
        """Deliver messages; return whether they were requested."""
        return [self.arrivals.process(f"N/{P}/{leaf}", payload, self.now) for leaf in leaves]

    def step(self, seconds: float, *known: tuple[str, int]) -> Arrival | None:
        """Let time pass."""
        self.now += seconds
        return self.arrivals.step(self.line, known, self.read, self.now)


def test_the_product_ids_of_what_may_be_wanted_are_watched() -> None:
    """A broker that refuses these subscriptions is used all the same."""
    line: Any = Connection()
    arrivals = Arrivals(["vebus", "grid"], [])
    assert not arrivals.begun
    arrivals.begin(line, P)
    assert arrivals.begun
    own = [("may subscribe", f"N/{P}/{each}/+/ProductId") for each in ("vebus", "grid")]
    assert line.asked == own


def test_what_appears_together_has_arrived_a_moment_later() -> None:
    """It arrives once; a second republish brings nothing new."""
    watch = Watch()
    assert watch.say("vebus/275/ProductId", "vebus/276/ProductId") == [True, True]
    assert watch.arrivals.state is State.COLLECTING
    assert watch.step(COLLECT - 0.1) is None
    assert watch.step(0.1) == Arrival(frozenset({VEBUS, ("vebus", 276)}), frozenset())
    assert watch.arrivals.due() == math.inf
    watch.say("vebus/275/ProductId")
    assert watch.arrivals.state is State.WATCHING
    assert watch.line.asked == []


def test_what_is_read_already_is_no_news() -> None:
    """A service that is already read does not arrive again."""
    watch = Watch()
    watch.say("vebus/275/ProductId")
    assert watch.step(COLLECT, VEBUS) is None
    assert watch.arrivals.there == {VEBUS}


def test_a_read_of_the_root_shows_the_optional_paths() -> None:
    """Paths that do not appear are unsubscribed from."""
    watch = Watch()
    watch.say("grid/30/ProductId")
    assert watch.step(COLLECT) is None
    assert watch.arrivals.state is State.EXAMINING
    assert watch.line.asked == [
        ("subscribe", f"N/{P}/grid/30/Ac/Power"),
        ("subscribe", f"N/{P}/grid/30/Ac/L2/Power"),
        ("publish", f"R/{P}/grid/30/"),
    ]
    assert watch.say("grid/30/Ac/Power", "grid/30/Ac/Other") == [True, False]
    assert watch.step(EXAMINE) == Arrival(frozenset({GRID}), frozenset({"grid/30/Ac/Power"}))
    assert watch.line.asked[-1] == ("unsubscribe", f"N/{P}/grid/30/Ac/L2/Power")
    assert watch.say("grid/30/Ac/Power") == [False]


def test_what_is_read_stays_subscribed_to() -> None:
    """This holds for a path under another name, or of an earlier examination."""
    watch = Watch()
    watch.read = [f"N/{P}/grid/30/Ac/Power"]
    watch.say("grid/30/ProductId")
    watch.step(COLLECT)
    watch.step(EXAMINE)
    assert watch.line.asked[-1] == ("unsubscribe", f"N/{P}/grid/30/Ac/L2/Power")
    assert ("unsubscribe", f"N/{P}/grid/30/Ac/Power") not in watch.line.asked


def test_what_appears_while_another_is_examined_is_the_next_arrival() -> None:
    """Nothing is lost between two."""
    watch = Watch()
    watch.say("grid/30/ProductId")
    watch.step(COLLECT)
    watch.say("vebus/275/ProductId")
    arrived = watch.step(EXAMINE)
    assert arrived
    assert arrived.places == {GRID}
    assert watch.arrivals.state is State.COLLECTING
    arrived = watch.step(COLLECT)
    assert arrived
    assert arrived.places == {VEBUS}


def test_one_that_leaves_at_once_has_not_arrived() -> None:
    """This holds in each state."""
    for steps in (0, 1):
        watch = Watch()
        watch.say("grid/30/ProductId")
        for _ in range(steps):
            watch.step(COLLECT)
        watch.say("grid/30/ProductId", payload=b"")
        assert watch.arrivals.there == set()
        assert watch.step(COLLECT + EXAMINE) is None
        assert watch.arrivals.state is State.WATCHING


def test_one_that_has_left_arrives_again() -> None:
    """It is new again."""
    watch = Watch()
    watch.say("vebus/275/ProductId")
    watch.step(COLLECT)
    watch.say("vebus/275/ProductId", payload=b"")
    watch.say("vebus/275/ProductId")
    assert watch.step(COLLECT)


def test_what_is_not_wanted_is_not_asked_for() -> None:
    """Other services, other devices, text as instance, and other paths are ignored."""
    watch = Watch()
    others = ["tank/20/ProductId", "vebus/a/ProductId", "vebus/1/Soc", "vebus/1/x/ProductId"]
    assert watch.say(*others) == [False] * 4
    assert not watch.arrivals.process("N/0a1b2c3d4e5f/vebus/275/ProductId", ONE, 1.0)
    assert not watch.arrivals.process(f"R/{P}/vebus/275/ProductId", ONE, 1.0)
    assert watch.arrivals.there == set()


def test_a_device_that_invents_services_fills_no_memory() -> None:
    """The number of stored services is limited."""
    watch = Watch()
    watch.say(*(f"vebus/{number}/ProductId" for number in range(MAX_SERVICES + 50)))
    assert len(watch.arrivals.there) == MAX_SERVICES


def test_of_very_many_some_are_examined_at_a_time() -> None:
    """Invented services cause few subscriptions at a time; all of them are examined."""
    watch = Watch()
    watch.say(*(f"grid/{number}/ProductId" for number in range(2 * MAX_AT_ONCE + 1)))
    arrived = []
    for _ in range(3):
        watch.line.asked.clear()
        assert watch.step(COLLECT) is None
        assert sum(what == "publish" for what, _ in watch.line.asked) <= MAX_AT_ONCE
        arrival = watch.step(EXAMINE)
        assert arrival
        arrived += [number for _, number in sorted(arrival.places)]
    assert arrived == [*range(2 * MAX_AT_ONCE + 1)]
    assert watch.arrivals.state is State.WATCHING


def test_on_a_lost_connection_nothing_is_known_any_more() -> None:
    """And nothing is due."""
    watch = Watch()
    watch.say("vebus/275/ProductId")
    watch.arrivals.stop()
    assert watch.say("vebus/275/ProductId") == [False]
    assert watch.arrivals.there == set()
    assert watch.arrivals.due() == math.inf

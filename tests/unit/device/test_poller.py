"""The requests to a device while it responds, with simulated clocks (W = 120 s)."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.keepalive import Republish
from bat2influx.device.plan import Plan
from bat2influx.device.poller import Poller
from bat2influx.device.presence import Presence
from bat2influx.mqtt.connection import Message
from bat2influx.reading import NS
from bat2influx.venus.units import DEFAULT_FIELDS

P, W = "c0619ab1c2d3", 120.0
START = 1_767_225_610 * NS
DC, AC, SOC = "vebus/275/Dc/0", "vebus/275/Ac/ActiveIn/L1", "vebus/275/Soc"
DC_LEAVES = [f"{DC}/{leaf}" for leaf in ("Voltage", "Current", "Power")]
AC_LEAVES = [f"{AC}/{leaf}" for leaf in "IVPSF"]
NOT_NOTIFIED = f"{AC}/S"
FULL, CHANGES, OLD = "full", "changes", "old"
KEEPALIVES = {
    (f"R/{P}/keepalive", b""): FULL,
    (f"R/{P}/keepalive", b'{"keepalive-options":["suppress-republish"]}'): CHANGES,
    (f"R/{P}/system/0/Serial", b""): OLD,
}


class Questions:
    """Stands in for a connection: records keepalives by their kind and reads by their leaf."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def publish(self, topic: str, payload: bytes = b"", *, checked: bool = False) -> None:
        """Record it; a keepalive must be checked, because a broker that refuses it is of no use."""
        kind = KEEPALIVES.get((topic, payload))
        assert checked == (kind is not None)
        assert kind or not payload
        self.asked.append(kind or topic.removeprefix(f"R/{P}/"))


class Talk:
    """A poller, stepped once in the middle of every second."""

    def __init__(self, mode: Literal["poll", "notify"] = "poll") -> None:
        self.battery = Battery(
            "", "10.0.0.2", 1883, "u", "", P, 275, 1.0, 10.0, DEFAULT_FIELDS, None, mode=mode
        )
        self.presence = Presence(W, notified=mode == "notify")
        self.republish = Republish(W)
        self.poller = Poller(self.battery, self.presence, self.republish, W)
        self.plan = Plan(P, DEFAULT_FIELDS, {"vebus": (275,)})
        self.seconds = 0.5  # since START
        self.poller.begin(self.plan, self.now, new_connection=True)
        self.awaiting = False

    @property
    def now(self) -> Now:
        """The clocks."""
        ns = round(self.seconds * NS)
        return Now(START + ns, 1000.0 + self.seconds, ns)

    def ask(self, *answers: str) -> list[str]:
        """Send what is due; answer these leaves, and let a second pass. Return the requests."""
        connection: Any = Questions()
        self.poller.keep_alive(connection, self.plan, self.now, awaiting=self.awaiting)
        if tick := self.poller.due(self.now):
            self.poller.ask(connection, self.plan, tick, self.now)
        for leaf in answers:
            self.presence.message(Message(f"N/{P}/{leaf}", b"{}", False, 0), self.now)
            self.poller.keepalive.message(self.now.mono)
        self.seconds += 1.0
        self.presence.release(self.now)
        self.presence.check(self.now)
        return connection.asked  # type: ignore[no-any-return]

    def go_on(self, seconds: int, *answers: str) -> list[list[str]]:
        """Step that many times; return the requests of each time."""
        return [self.ask(*answers) for _ in range(seconds)]


EVERYTHING = [SOC, *DC_LEAVES, *AC_LEAVES]


# Polled


def test_polled_all_is_requested_at_a_tick_and_slow_paths_less_often() -> None:
    """Sub-trees in one request; the state of charge at the first tick and every soc_interval."""
    asked = Talk().go_on(21, *EVERYTHING)
    assert asked[0] == [DC, SOC, AC]
    assert {tuple(each) for each in asked} == {(DC, SOC, AC), (DC, AC)}
    slow = [second for second, each in enumerate(asked) if SOC in each]
    assert len(slow) == 3
    assert slow[2] - slow[1] == 10


def test_polled_nothing_is_asked_between_two_ticks() -> None:
    """Each tick is carried out once."""
    talk = Talk()
    assert talk.poller.due(talk.now)
    talk.seconds += 0.9
    assert not talk.poller.due(talk.now)
    talk.seconds += 0.1
    assert talk.poller.due(talk.now)


@pytest.mark.parametrize("new_connection", [True, False])
def test_a_new_connection_has_what_is_slow_asked_at_once(new_connection: bool) -> None:
    """A device that responds again on the same connection does not need that."""
    talk = Talk()
    talk.go_on(12, *EVERYTHING)
    assert talk.ask(*EVERYTHING) == [DC, AC]
    talk.poller.begin(talk.plan, talk.now, new_connection=new_connection)
    assert (SOC in talk.ask(*EVERYTHING)) is new_connection


def test_polled_an_unanswered_path_is_requested_less_often() -> None:
    """After W/8 without an answer every W/2, while the others are read as before."""
    talk = Talk()
    asked = talk.go_on(100, *EVERYTHING[1:])
    when = [second for second, each in enumerate(asked) if SOC in each]
    assert when == [0, 5, 65]
    assert all(DC in each and AC in each for each in asked)


def test_a_new_beginning_has_all_asked_at_once() -> None:
    """Unanswered requests are sent at the next tick, not W/2 after the last time."""
    talk = Talk()
    talk.go_on(26)
    assert talk.ask() == []
    talk.poller.begin(talk.plan, talk.now)
    assert talk.ask() == [*DC_LEAVES, *AC_LEAVES]


def test_returned_fields_are_requested_at_the_next_tick_slow_or_not() -> None:
    """And not only when it is due."""
    talk = Talk()
    talk.go_on(2, *EVERYTHING)
    farewell = Message(f"N/{P}/{SOC}", b"", False, 0)
    talk.presence.message(farewell, talk.now)
    assert talk.ask() == []
    talk.presence.message(farewell._replace(payload=b"{}"), talk.now)
    assert talk.ask() == [DC, SOC, AC]


def test_polled_the_device_is_kept_awake_while_something_is_missing() -> None:
    """At once and every W/4, by the right keepalive; at once on a new connection, too."""
    talk = Talk()
    talk.awaiting = True
    asked = talk.go_on(65, *EVERYTHING)
    assert [second for second, each in enumerate(asked) if CHANGES in each] == [0, 30, 60]
    talk.poller.begin(talk.plan, talk.now, new_connection=True)
    assert CHANGES in talk.ask(*EVERYTHING)
    talk.poller.keepalive.is_old()
    assert OLD in [what for each in talk.go_on(31, *EVERYTHING) for what in each]
    talk.awaiting = False
    assert not any(CHANGES in each or OLD in each for each in talk.go_on(65, *EVERYTHING))


def test_the_wait_is_no_longer_than_to_the_next_keepalive() -> None:
    """While something is missing."""
    talk = Talk()
    talk.awaiting = True
    talk.poller.reschedule(talk.battery._replace(interval=60.0))
    talk.seconds = 20.0  # when a tick of that interval falls
    talk.ask(*EVERYTHING)
    talk.seconds = 49.5
    assert talk.poller.wait(talk.now, awaiting=True) == pytest.approx(0.5)
    assert talk.poller.wait(talk.now) > 0.5


def test_the_wait_is_that_to_the_next_tick() -> None:
    """Polled, no keepalive is due; new intervals apply from their next tick on."""
    talk = Talk()
    talk.ask()
    talk.seconds = 1.1
    assert talk.poller.wait(talk.now) == pytest.approx(0.4)
    talk.poller.reschedule(talk.battery._replace(interval=10.0))
    talk.seconds = 2.1
    wait = talk.poller.wait(talk.now)
    assert 1.0 < wait <= 10.0
    assert not talk.ask()
    talk.seconds = 2.1 + wait
    assert DC in talk.ask()


# Polled, firmware that does not know sub-trees


def test_polled_a_sub_tree_without_any_answer_is_asked_leaf_by_leaf() -> None:
    """After W/8, while another sub-tree is answered; this stays so when its leaves answer."""
    talk = Talk()
    before = talk.go_on(15, SOC, *AC_LEAVES)
    assert all(DC in each for each in before)
    after = talk.go_on(2, SOC, *AC_LEAVES)
    assert after == [[*DC_LEAVES, SOC, AC], [AC]]
    talk.go_on(60, *EVERYTHING)
    settled = talk.ask(*EVERYTHING)
    assert [each for each in settled if each.startswith(DC)] == DC_LEAVES
    assert AC in settled


def test_polled_a_sub_tree_with_one_answer_stays_one_request() -> None:
    """A device that answers for one of its leaves understands sub-trees."""
    talk = Talk()
    asked = talk.go_on(100, SOC, DC_LEAVES[0], *AC_LEAVES)
    assert all(DC in each for each in asked)


@pytest.mark.parametrize(("knows", "leaves"), [("new", False), ("old", True)])
def test_where_the_firmware_is_known_no_answer_decides(knows: str, leaves: bool) -> None:
    """Old firmware gets requests for leaves at once, new firmware never, whatever is unanswered."""
    talk = Talk()
    (talk.poller.keepalive.is_old if knows == "old" else talk.poller.keepalive.is_new)()
    unknown = {DC, AC} if leaves else {*DC_LEAVES}
    assert not any(unknown & {*each} for each in talk.go_on(40, SOC))
    answered = talk.go_on(60, *EVERYTHING)[-1]
    expected = [*DC_LEAVES, *AC_LEAVES] if leaves else [DC, AC]
    assert [each for each in answered if each != SOC] == expected


def test_new_firmware_in_place_of_the_old_is_asked_for_sub_trees_again() -> None:
    """Requests leaf by leaf are not permanent."""
    talk = Talk()
    talk.go_on(20, SOC, *AC_LEAVES)
    assert DC not in talk.go_on(70, *EVERYTHING)[-1]
    talk.poller.keepalive.is_new()
    assert DC in talk.ask(*EVERYTHING)


@pytest.mark.parametrize(
    ("mode", "knows", "kinds"),
    [
        ("poll", None, [CHANGES] * 17 + [OLD, CHANGES, OLD]),
        ("notify", None, [CHANGES] * 3 + [OLD] + [CHANGES, OLD] * 8),
        ("poll", "old", [OLD] * 20),
        ("notify", "new", [CHANGES] * 20),
    ],
)
def test_a_device_that_is_not_responding_is_sent_the_keepalive_that_it_understands(
    mode: Literal["poll", "notify"], knows: str | None, kinds: list[str]
) -> None:
    """If that is not known, by both keepalives alternately: polled, after a while."""
    talk = Talk(mode)
    if knows:
        (talk.poller.keepalive.is_old if knows == "old" else talk.poller.keepalive.is_new)()
    connection: Any = Questions()
    for times in range(20):
        talk.poller.send_keepalive(connection, P, times)
    assert connection.asked == kinds


# By notifications


def test_notified_all_is_read_once_and_then_changes_are_received() -> None:
    """A keepalive every W/4, with a read of the values that no device notifies of."""
    talk = Talk("notify")
    talk.poller.keepalive.is_new()
    asked = talk.go_on(62, *EVERYTHING)
    assert {second: each for second, each in enumerate(asked) if each} == {
        0: [CHANGES, DC, SOC, AC],
        30: [CHANGES, NOT_NOTIFIED],
        60: [CHANGES, NOT_NOTIFIED],
    }


def test_notified_a_service_that_sends_nothing_is_read_on_one_path() -> None:
    """After W/24, on a path that has worked; no longer after W/8 without any answer."""
    talk = Talk("notify")
    talk.poller.keepalive.is_new()
    talk.ask(DC_LEAVES[1])
    asked = talk.go_on(29)
    probes = [(second, each) for second, each in enumerate(asked, 1) if DC_LEAVES[1] in each]
    assert probes == [(second, [DC_LEAVES[1]]) for second in (5, 10)]
    assert talk.presence.absent() == [("vebus", 275)]
    later = talk.go_on(60)
    assert DC in [what for each in later for what in each]


def test_notified_old_firmware_is_kept_awake_in_its_own_way() -> None:
    """It may have been awake and publish nothing: everything is read once, leaf by leaf."""
    talk = Talk("notify")
    talk.poller.keepalive.is_old()
    assert talk.ask(*EVERYTHING) == [OLD, *DC_LEAVES, SOC, *AC_LEAVES]
    assert not talk.republish.allowed(talk.now.mono)
    assert talk.go_on(30, *EVERYTHING)[-1] == [OLD, NOT_NOTIFIED]


def test_notified_a_new_beginning_has_a_first_keepalive() -> None:
    """It is sent at once, with reads of everything."""
    talk = Talk("notify")
    talk.poller.keepalive.is_new()
    for pause in (0, 58, 0):
        talk.go_on(pause, *EVERYTHING)
        talk.poller.begin(talk.plan, talk.now)
        assert talk.ask(*EVERYTHING) == [CHANGES, DC, SOC, AC]


def test_notified_what_the_first_keepalive_did_not_bring_is_read_at_intervals() -> None:
    """From W/8 on every W/2, and nothing that has arrived."""
    talk = Talk("notify")
    talk.poller.keepalive.is_new()
    talk.ask(*EVERYTHING[1:])
    asked = talk.go_on(140, *EVERYTHING[1:])
    when = [second for second, each in enumerate(asked, 1) if SOC in each]
    assert when == [60, 120]
    assert not any(DC in each or AC in each for each in asked)


def test_notified_an_answer_is_expected_to_the_first_keepalive() -> None:
    """Like that to a read; a later keepalive expects none."""
    talk = Talk("notify")
    talk.poller.keepalive.is_new()
    begun = talk.now.mono
    assert not talk.presence.expects_answer(begun)
    talk.ask()
    assert talk.presence.expects_answer(begun)
    talk.go_on(31, *EVERYTHING)
    assert not talk.presence.expects_answer(begun)


def test_notified_the_wait_is_that_to_the_keepalive_or_the_tick() -> None:
    """Whichever is sooner; the first keepalive is due at once."""
    talk = Talk("notify")
    talk.seconds = 0.6
    assert talk.poller.wait(talk.now) <= 0
    talk.seconds = 0.5
    talk.poller.keepalive.is_new()
    talk.ask(*EVERYTHING)
    talk.poller.reschedule(talk.battery._replace(interval=30.0))
    talk.seconds = 28.4
    talk.ask(*EVERYTHING)
    talk.seconds = 30.4
    assert talk.poller.wait(talk.now) == pytest.approx(0.1)

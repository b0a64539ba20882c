"""How a portal id is found and doubted: a test for each cell of the table, and the reports."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from bat2influx.device import portal
from bat2influx.device.choice import Choice, UndecidedError
from bat2influx.device.portal import TABLE, Event, PortalSearch, RateLimit, ResponseMonitor, State
from bat2influx.device.transitions import follows
from bat2influx.venus.protocol import MAX_LISTED_PORTALS, PORTALS
from tests.unit.device.test_discovery import A, B, Line

C = "d41243aabbcc"
W, HOST, FILE = 120.0, "10.0.0.2", "/etc/x.ini"
LIST = ("subscribe", (PORTALS,))
TRY = ("subscribe, if allowed", (PORTALS,))
END = ("unsubscribe", (PORTALS,))


class Asked:
    """A search for a portal id, on a connection that confirms when told to."""

    def __init__(self, *, given: str = "", remembered: str = "", listable: bool = True) -> None:
        self.line: Any = Line(confirms=False)
        self.search = PortalSearch(
            given=given, remembered=remembered, listable=listable, choice=Choice(FILE, "attic")
        )
        self.search.begin(self.line)

    def come(self, *portals: str, payload: bytes = b'{"value":1}') -> None:
        """Deliver the Serials of devices."""
        for each in portals:
            assert self.search.process(f"N/{each}/system/0/Serial", payload)

    def step(self) -> bool:
        """Step once; return whether another portal id is known."""
        return self.search.step(self.line)

    def confirm(self) -> bool:
        """Confirm all requests, and step."""
        self.line.confirm()
        return self.step()

    def end(self) -> None:
        """Step until a list that has begun in doubt is closed."""
        while self.search.rechecking:
            self.confirm()

    @property
    def known(self) -> tuple[str | None, tuple[str, ...]]:
        """The portal id, and the other devices of the latest list."""
        return self.search.portal, self.search.others


def reached(state: State, *there: str, given: bool = False) -> Asked:
    """Return a search in `state`, with these devices listed; A is known or the first.

    The connection has one subscription or none, and its end if that was requested.
    """
    if state in (State.UNKNOWN, State.COLLECTING, State.SEVERAL):
        asked = Asked()
        if state is not State.UNKNOWN:
            asked.come(*there or (A,))
            assert not asked.step()
        if state is State.SEVERAL:
            asked.come(B, A)
            with pytest.raises(UndecidedError):
                asked.confirm()
    else:
        asked = Asked(given=A) if given else Asked(remembered=A)
        if state is not State.KNOWN:
            assert asked.search.recheck(asked.line)
        if state is State.CLOSING:
            assert not asked.confirm()
            asked.come(*there)
    assert asked.search.state is state
    return asked


# One test for each cell


def test_what_the_table_does_not_have_cannot_happen() -> None:
    """An error names it; each state accepts BEGUN and DOUBTED, whatever else."""
    missing = [each for each in product(State, Event) if each not in TABLE]
    assert not [event for _, event in missing if event in (Event.BEGUN, Event.NOT_RESPONDING)]
    for state, event in missing:
        with pytest.raises(AssertionError, match="cannot receive"):
            follows(portal.TABLE, state, event, "a portal id")


@pytest.mark.parametrize("state", State)
def test_a_new_connection_begins_the_list_again_or_ends_the_doubt(state: State) -> None:
    """The earlier subscription has ended, and the earlier list does not count."""
    asked = reached(state, *((B,) if state is State.CLOSING else ()))
    known = asked.search.portal
    asked.line = Line(confirms=False)
    asked.search.begin(asked.line)
    assert asked.search.state is (State.KNOWN if known else State.UNKNOWN)
    assert asked.line.asked == ([] if known else [LIST])
    assert not asked.confirm()
    assert asked.known == (known, ())


@pytest.mark.parametrize("state", State)
def test_a_doubt_begins_a_list_where_there_is_none_yet(state: State) -> None:
    """An unknown portal id is already searched for; a second doubt changes nothing."""
    asked = reached(state)
    before = list(asked.line.asked)
    assert asked.search.recheck(asked.line)
    assert asked.search.state is (State.LISTING if state is State.KNOWN else state)
    assert asked.line.asked == before + ([TRY] if state is State.KNOWN else [])


@pytest.mark.parametrize("state", [each for each in State if each is not State.SEVERAL])
def test_nothing_follows_from_no_event(state: State) -> None:
    """As long as the broker has neither sent nor confirmed anything more."""
    asked = reached(state)
    before = list(asked.line.asked)
    for _ in range(3):
        assert not asked.step()
    assert asked.search.state is state
    assert asked.line.asked == before


def test_the_first_serial_closes_the_list() -> None:
    """Others may follow: all have arrived when the broker confirms."""
    asked = reached(State.UNKNOWN)
    asked.come(A)
    assert not asked.step()
    assert asked.search.state is State.COLLECTING
    assert asked.line.asked == [LIST, END]
    assert asked.search.portal is None


def test_the_only_one_is_taken() -> None:
    """Then it is not in doubt."""
    asked = reached(State.COLLECTING, B)
    assert asked.confirm()
    assert asked.search.state is State.KNOWN
    assert asked.known == (B, ())
    assert not asked.search.listing


def test_of_several_a_user_must_choose() -> None:
    """None is guessed; the error lists each as a line, in order, and the same again later."""
    asked = reached(State.COLLECTING, A, B)
    for _ in range(2):
        with pytest.raises(UndecidedError) as error:
            asked.confirm()
        assert str(error.value).split("\n")[1:] == [f"serial = {B}", f"serial = {A}"]
        assert "several devices at 10.0.0.2" in str(error.value)
        assert "[Battery attic]" in str(error.value)
        assert asked.search.state is State.SEVERAL


def test_a_doubt_waits_until_the_subscription_is_confirmed_or_refused() -> None:
    """A refusal does not end the connection, and leaves the list empty."""
    asked = reached(State.LISTING)
    asked.come(B)
    assert not asked.confirm()
    assert asked.search.state is State.CLOSING
    assert asked.line.asked == [TRY, END]
    assert asked.known == (A, ())


@pytest.mark.parametrize(
    ("there", "found", "given"),
    [
        ([A], (A, ()), (A, ())),
        ([A, B], (A, ()), (A, ())),
        ([B], (B, ()), (A, (B,))),
        ([C, B], (A, (B, C)), (A, (B, C))),
        ([], (A, ()), (A, ())),
    ],
    ids=["itself", "itself and another", "another", "two others", "none"],
)
def test_the_only_other_device_takes_the_place_of_one_that_was_found(
    there: list[str], found: tuple[str, tuple[str, ...]], given: tuple[str, tuple[str, ...]]
) -> None:
    """A configured portal id stays, and so does a found one if there are several candidates."""
    for configured, known in ((False, found), (True, given)):
        asked = reached(State.CLOSING, *there, given=configured)
        assert asked.confirm() is (known[0] != A)
        assert asked.search.state is State.KNOWN
        assert asked.known == known


# The list


@pytest.mark.parametrize("payload", [b"", b'{"value":null}', b'{"value": []}'])
def test_a_serial_without_a_number_is_no_device(payload: bytes) -> None:
    """The one that has a number is found beside it, and no choice is needed."""
    asked = Asked()
    asked.come(B, payload=payload)
    assert not asked.step()
    assert asked.line.asked == [LIST]
    asked.come(A)
    assert not asked.step()
    assert asked.confirm()
    assert asked.search.portal == A


@pytest.mark.parametrize("state", State)
def test_serials_alone_are_asked_for_and_only_while_devices_are_listed(state: State) -> None:
    """All other messages are for others."""
    asked = reached(state)
    assert not asked.search.process(f"N/{A}/vebus/275/ProductId", b'{"value":1}')
    assert asked.search.process(f"N/{A}/system/0/Serial", b"") is (state is not State.KNOWN)


@pytest.mark.parametrize("state", [State.UNKNOWN, State.LISTING])
def test_a_broker_that_invents_portal_ids_takes_no_more_memory(state: State) -> None:
    """The number that is kept is limited; it is more than a user can choose from."""
    asked = reached(state)
    asked.come(*(f"made-up-{number}" for number in range(MAX_LISTED_PORTALS + 5)))
    assert len(asked.search._listed) == MAX_LISTED_PORTALS


def test_however_many_there_are_this_device_is_detected() -> None:
    """Otherwise the report would say that others are there instead."""
    asked = reached(State.LISTING)
    asked.come(*(f"made-up-{number}" for number in range(MAX_LISTED_PORTALS)), A)
    assert not asked.confirm()
    assert not asked.confirm()
    assert asked.search.state is State.KNOWN
    assert asked.known == (A, ())


def test_what_was_listed_before_a_doubt_does_not_count() -> None:
    """A portal id that was found on this connection may be doubted on it."""
    asked = reached(State.COLLECTING, A)
    assert asked.confirm()
    asked.search.recheck(asked.line)
    assert not asked.step()
    assert not asked.confirm()
    asked.come(B)
    assert asked.confirm()
    assert asked.search.portal == B


@pytest.mark.parametrize("options", [{"given": A}, {"remembered": A}, {}])
def test_a_broker_that_lists_no_portal_ids_is_not_asked_for_them_in_doubt(
    options: dict[str, str],
) -> None:
    """Such as the VRM cloud; the caller learns that no list will come."""
    asked = Asked(**options, listable=False)
    before = list(asked.line.asked)
    assert not asked.search.recheck(asked.line)
    assert not asked.search.rechecking
    assert asked.line.asked == before


def test_what_is_configured_counts_before_what_is_remembered() -> None:
    """The other portal ids are known until the next list, over connections."""
    assert Asked(given=A, remembered=B).search.portal == A
    asked = reached(State.CLOSING, B, given=True)
    asked.confirm()
    asked.search.begin(asked.line)
    asked.search.recheck(asked.line)
    assert asked.search.rechecking
    assert asked.known == (A, (B,))


# Actions at intervals


def test_a_pace_is_due_at_once_and_then_every_span() -> None:
    """A rest begins the span, too."""
    pace = RateLimit(60.0)
    assert [now for now in (5.0, 5.1, 64.9, 65.0, 66.0) if pace.due(now)] == [5.0, 65.0]
    pace.postpone(100.0)
    assert [now for now in (159.9, 160.0) if pace.due(now)] == [160.0]


# The doubt about a device


class Doubted:
    """A doubt about a device, on a connection whose list has been closed or is empty."""

    def __init__(self, **options: Any) -> None:
        self.asked = Asked(**options)
        self.asked.line.awaiting_acknowledgement = False
        self.recheck = ResponseMonitor(self.asked.search, HOST, FILE, W)
        self.recheck.begin(0.0)

    def overdue(self, now: float) -> tuple[bool, str, int]:
        """Return whether to give up, the cause of the report, and the number of lists begun."""
        lost = self.recheck.overdue(self.asked.line, now)
        lists = sum(what != "unsubscribe" for what, _ in self.asked.line.asked)
        return lost, self.cause, lists

    @property
    def cause(self) -> str:
        """The cause of the report."""
        return self.recheck.trouble.cause if self.recheck.trouble else ""


def test_a_device_without_any_message_is_doubted_before_it_is_reported() -> None:
    """After W/8; the next doubt is W/2 after the first."""
    doubted = Doubted(remembered=A)
    assert doubted.overdue(14.9) == (False, "", 0)
    assert doubted.overdue(15.0) == (False, "", 1)
    assert doubted.overdue(29.9) == (False, "", 1)
    assert doubted.overdue(30.0) == (False, "silent", 1)
    doubted.asked.end()
    assert doubted.overdue(74.9) == (False, "silent", 1)
    assert doubted.overdue(75.0) == (False, "silent", 2)


@pytest.mark.parametrize("reconnected", [False, True])
def test_a_device_with_earlier_messages_is_reported_with_the_doubt(*, reconnected: bool) -> None:
    """On this connection or on one before; its time begins with its latest message."""
    doubted = Doubted(remembered=A)
    doubted.recheck.message(10.0)
    assert doubted.recheck.has_message
    if reconnected:
        doubted.recheck.begin(10.0)
        assert not doubted.recheck.has_message
    assert doubted.overdue(24.9) == (False, "", 0)
    assert doubted.overdue(25.0) == (False, "silent", 1)
    assert doubted.recheck.has_message is not reconnected


def test_a_missing_portal_id_is_reported_at_once() -> None:
    """The search for it is already running, so a doubt adds nothing."""
    assert Doubted().overdue(15.0) == (False, "portal", 1)


def test_a_subscription_that_is_lost_takes_a_new_connection() -> None:
    """The loss is reported, and the device is not doubted."""
    doubted = Doubted(given=A)
    doubted.asked.line.awaiting_acknowledgement = True
    assert doubted.overdue(15.0) == (True, "silent", 0)
    doubted.asked.line.awaiting_acknowledgement = False
    assert doubted.overdue(15.0) == (False, "silent", 1)


@pytest.mark.parametrize(("listable", "cause"), [(True, ""), (False, "silent")])
def test_a_look_that_shows_nothing_is_the_report(*, listable: bool, cause: str) -> None:
    """Otherwise another device may be there, which is a different report."""
    doubted = Doubted(given=A, listable=listable)
    doubted.recheck.check(doubted.asked.line, 1.0)
    assert doubted.cause == cause


@pytest.mark.parametrize(
    ("options", "there", "text"),
    [
        ({}, [], "no device has published its portal id at 10.0.0.2"),
        ({"given": A}, [B, C], f"no device {A} at 10.0.0.2: the devices there have"),
        ({"given": A}, [], f"device {A} at 10.0.0.2 does not respond (no message for 2 s). Check"),
        (
            {"remembered": A},
            [],
            "(no message for 2 s). Check that it is on and connected, and rest",
        ),
    ],
)
def test_the_report_names_the_devices_found_instead(
    caplog: pytest.LogCaptureFixture, options: dict[str, str], there: list[str], text: str
) -> None:
    """The trouble ends with the next message."""
    caplog.set_level("INFO", "bat2influx")
    doubted = Doubted(**options)
    if options:
        doubted.recheck.check(doubted.asked.line, 1.0)
        doubted.asked.come(*there)
        doubted.asked.end()
    doubted.recheck.report(2.0)
    assert text in caplog.text
    doubted.recheck.message(5.0)
    assert doubted.recheck.trouble is None
    assert f"device {doubted.asked.search.portal} responds again, after 3 s" in caplog.text

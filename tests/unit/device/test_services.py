"""The states of services, cell by cell, and when one that may hang is read (W = 120 s)."""

from __future__ import annotations

import math

import pytest

from bat2influx.device.services import TRANSITIONS, Event, Probes, Services, ServiceState

W = 120.0
VEBUS, PV = ("vebus", 275), ("solarcharger", 288)
WAYS: dict[ServiceState, list[Event]] = {
    ServiceState.EXPECTED: [],
    ServiceState.ANSWERING: [Event.MESSAGE],
    ServiceState.NOT_RESPONDING: [Event.NO_ANSWER],
    ServiceState.LEFT: [Event.FAREWELL],
    ServiceState.RETURNING: [Event.FAREWELL, Event.RETURNED],
}


@pytest.mark.parametrize("state", ServiceState)
@pytest.mark.parametrize("event", Event)
def test_a_cell_of_the_table(state: ServiceState, event: Event) -> None:
    """An event that is in no cell changes nothing; a change has its time."""
    services = Services()
    services.read([VEBUS], 1)
    for step in WAYS[state]:
        services.handle(VEBUS, step, 2)
    assert services[VEBUS].state is state
    since = services[VEBUS].since_ns
    changed = services.handle(VEBUS, event, 3)
    after = TRANSITIONS.get((state, event))
    assert changed is (after is not None)
    assert services[VEBUS].state is (after or state)
    assert services[VEBUS].since_ns == (3 if changed else since)


def test_the_table_as_a_reader_expects_it() -> None:
    """A farewell and an answer mean the same in each state; after a farewell silence is normal."""
    for state in ServiceState:
        left, answering = ServiceState.LEFT, ServiceState.ANSWERING
        assert TRANSITIONS.get((state, Event.FAREWELL), state) is left
        assert TRANSITIONS.get((state, Event.MESSAGE), state) is answering
        gone = state in (left, ServiceState.NOT_RESPONDING)
        silent = TRANSITIONS.get((state, Event.NO_ANSWER), state)
        assert silent is (state if gone else ServiceState.NOT_RESPONDING)


def test_a_service_that_was_heard_has_worked() -> None:
    """This stays so, whatever happens to it."""
    services = Services()
    services.read([VEBUS, PV], 1)
    services.handle(VEBUS, Event.MESSAGE, 2)
    services.handle(VEBUS, Event.FAREWELL, 3)
    services.handle(PV, Event.NO_ANSWER, 3)
    assert (services[VEBUS].ever_responded, services[PV].ever_responded) == (True, False)
    assert services.absent() == [VEBUS, PV]


def test_another_plan_keeps_what_is_known() -> None:
    """Of services that are still read; the others are forgotten."""
    services = Services()
    services.read([VEBUS, PV], 1)
    services.handle(VEBUS, Event.FAREWELL, 2)
    services.handle(PV, Event.FAREWELL, 2)
    services.read([VEBUS, ("battery", 512)], 3)
    assert services[VEBUS].state is ServiceState.LEFT
    assert services["battery", 512].state is ServiceState.EXPECTED
    assert services.absent() == [VEBUS]


def test_a_clock_that_is_set_takes_the_times_with_it() -> None:
    """Since when something is missing is then reported by the new clock."""
    services = Services()
    services.read([VEBUS], 1_000)
    services.clock_set(500)
    assert services[VEBUS].since_ns == 1_500


# Probes


def test_a_service_that_sends_nothing_is_read_after_a_while() -> None:
    """W/24 after its last message, and then every W/24 until it sends one."""
    probes = Probes(W)
    probes.begin([VEBUS], 0.0)
    probes.message_received(VEBUS, 3.0)
    sent = [now for now in range(20) if probes.to_send([VEBUS], float(now))]
    assert sent == [8, 13, 18]
    assert probes.is_probing(VEBUS)
    probes.message_received(VEBUS, 20.0)
    assert not probes.is_probing(VEBUS)
    assert probes.to_send([VEBUS], 24.0) == []
    assert probes.to_send([VEBUS], 25.0) == [VEBUS]


def test_probes_without_an_answer_are_given_up_after_w_8() -> None:
    """The service is then known to be absent, and read like other absent ones."""
    probes = Probes(W)
    probes.begin([VEBUS], 0.0)
    assert probes.due() == 5.0
    probes.to_send([VEBUS], 5.0)
    probes.to_send([VEBUS], 10.0)
    probes.to_send([VEBUS], 19.0)
    assert probes.due() == 5.0 + W / 8
    assert probes.unanswered(5.0 + W / 8 - 0.1) == []
    assert probes.unanswered(5.0 + W / 8) == [VEBUS]


def test_an_answer_that_a_republish_may_have_hidden_is_asked_for_again() -> None:
    """At once, without delaying the end of the probe."""
    probes = Probes(W)
    probes.begin([VEBUS], 0.0)
    probes.to_send([VEBUS], 5.0)
    probes.republished()
    assert probes.to_send([VEBUS], 5.1) == [VEBUS]
    assert probes.unanswered(5.0 + W / 8) == [VEBUS]


def test_another_plan_keeps_the_times_of_what_stays() -> None:
    """New services have some time to publish something."""
    probes = Probes(W)
    probes.begin([VEBUS], 0.0)
    probes.change([VEBUS, PV])
    assert probes.to_send([VEBUS, PV], 5.0) == [VEBUS]
    assert probes.to_send([VEBUS, PV], 10.0) == [VEBUS, PV]


def test_a_service_that_is_known_to_be_absent_is_not_waited_for() -> None:
    """Neither one whose probe was given up nor one that has left."""
    probes = Probes(W)
    probes.begin([VEBUS, PV], 0.0)
    probes.to_send([VEBUS], 5.0)
    assert probes.to_send([], 20.0) == []
    assert probes.due() == math.inf
    assert probes.unanswered(100.0) == []


def test_after_a_republish_each_service_is_read() -> None:
    """Its values may be from the cache."""
    probes = Probes(W)
    probes.begin([VEBUS, PV], 0.0)
    probes.message_received(VEBUS, 1.0)
    probes.republished()
    assert probes.due() == -math.inf
    assert probes.to_send([VEBUS, PV], 1.1) == [VEBUS, PV]


def test_a_stall_is_no_silence_of_a_service() -> None:
    """All spans are later by the same time."""
    probes = Probes(W)
    probes.begin([VEBUS, PV], 0.0)
    probes.to_send([PV], 5.0)
    probes.stalled(100.0)
    assert probes.to_send([VEBUS], 104.0) == []
    assert probes.to_send([VEBUS], 105.0) == [VEBUS]
    assert probes.unanswered(100.0 + 5.0 + W / 8 - 0.1) == []
    assert probes.to_send([VEBUS, PV], 105.0) == []
    assert probes.unanswered(100.0 + 5.0 + W / 8) == [VEBUS, PV]


def test_a_new_beginning_forgets_open_probes() -> None:
    """Their answers would have come on the lost connection."""
    probes = Probes(W)
    probes.begin([VEBUS], 0.0)
    probes.to_send([VEBUS], 5.0)
    probes.begin([VEBUS], 50.0)
    assert not probes.is_probing(VEBUS)
    assert probes.due() == 55.0

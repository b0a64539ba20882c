"""Silence and unanswered requests, with a clock made by hand (W = 120 s)."""

from bat2influx.device.plan import Request
from bat2influx.device.silence import Remedy, Silence, Unanswered

W = 120.0


def run(silence: Silence, start: float, end: float) -> list[tuple[float, Remedy]]:
    """Let time pass second by second, and return the remedies; each reconnection succeeds."""
    done = []
    now = start
    while now <= end:
        if remedy := silence.remedy(now):
            done.append((now, remedy))
            if remedy is Remedy.RECONNECT:
                silence.connected(now)
                continue
        now += 1.0
    return done


def test_a_silent_device_is_asked_then_reconnected_to_then_asked_each_minute() -> None:
    """W/12, W/8, at the new connection, and then each W/2."""
    silence = Silence(W)
    silence.connected(0.0)
    silence.message(5.0)
    assert run(silence, 5.0, 160.0) == [
        (15.0, Remedy.KEEPALIVE),
        (20.0, Remedy.RECONNECT),
        (20.0, Remedy.KEEPALIVE),
        (80.0, Remedy.KEEPALIVE),
        (140.0, Remedy.KEEPALIVE),
    ]
    assert silence.silent


def test_nothing_is_done_before_the_first_connection() -> None:
    """Without a connection there is nobody to be silent."""
    silence = Silence(W)
    assert silence.remedy(1e6) is None
    assert silence.due() == float("inf")


def test_a_message_ends_the_silence() -> None:
    """The first message says so, and the count of seconds begins anew."""
    silence = Silence(W)
    silence.connected(0.0)
    assert not silence.message(1.0)
    run(silence, 1.0, 60.0)
    assert silence.message(61.0)
    assert not silence.silent
    assert run(silence, 61.0, 70.0) == []
    assert silence.due() == 71.0


def test_a_silent_device_is_asked_at_each_new_connection() -> None:
    """A device that was restarted has forgotten what it was asked before."""
    silence = Silence(W)
    silence.connected(0.0)
    run(silence, 0.0, 20.0)
    for second in (25.0, 30.0):
        silence.connected(second)
        assert silence.remedy(second) is Remedy.KEEPALIVE
        assert silence.due() == second + 60.0


def test_an_outage_of_the_broker_is_no_silence_of_the_device() -> None:
    """After a reconnection for another reason the device has its W/12 anew."""
    silence = Silence(W)
    silence.connected(0.0)
    silence.message(1.0)
    silence.connected(500.0)
    assert silence.remedy(500.0) is None
    assert silence.due() == 510.0


VOLTAGE, POWER = "N/p/vebus/275/Dc/0/Voltage", "N/p/vebus/275/Dc/0/Power"
DC = Request("R/p/vebus/275/Dc/0", (VOLTAGE, POWER), False)
SOC = Request("R/p/vebus/275/Soc", ("N/p/vebus/275/Soc",), True)


def test_a_request_without_an_answer_is_sent_each_half_w() -> None:
    """Every tick for W/8, then each W/2; its path is named."""
    unanswered = Unanswered(W)
    asked = [now for now in range(200) if unanswered.to_ask([SOC], float(now))]
    assert asked == [*range(15), 74, 134, 194]
    assert unanswered.silent(200.0) == ["N/p/vebus/275/Soc"]


def test_a_sub_tree_is_asked_for_while_one_of_its_paths_answers() -> None:
    """A path that is silent among others that answer is only named."""
    unanswered = Unanswered(W)
    for now in range(100):
        assert unanswered.to_ask([DC], float(now)) == [DC]
        unanswered.answered(VOLTAGE)
    assert unanswered.silent(100.0) == [POWER]


def test_an_answer_after_silence_has_everything_asked_for_again() -> None:
    """A device that comes back is asked for all its fields at the next tick, once."""
    unanswered = Unanswered(W)
    for now in range(30):
        unanswered.to_ask([DC, SOC], float(now))
    assert unanswered.to_ask([DC, SOC], 30.0) == []
    unanswered.answered("N/p/vebus/275/Soc")
    assert unanswered.to_ask([DC, SOC], 31.0) == [DC, SOC]
    assert unanswered.silent(31.0) == [VOLTAGE, POWER]
    assert unanswered.to_ask([DC, SOC], 32.0) == [SOC]


def test_a_new_beginning_forgets_what_went_unanswered_but_not_who_was_silent() -> None:
    """An outage is no silence; a path that was silent before it is asked for, and still named."""
    unanswered = Unanswered(W)
    for now in range(20):
        unanswered.to_ask([SOC], float(now))
    unanswered.to_ask([DC], 19.0)
    unanswered.begin()
    assert unanswered.to_ask([DC, SOC], 600.0) == [DC, SOC]
    assert unanswered.silent(601.0) == ["N/p/vebus/275/Soc"]
    unanswered.answered("N/p/vebus/275/Soc")
    assert unanswered.silent(602.0) == []


def test_a_machine_that_stood_still_has_heard_no_silence() -> None:
    """What the device said meanwhile is yet to be read: the spans begin later by the stall."""
    silence = Silence(W)
    silence.connected(0.0)
    silence.stalled(100.0)
    assert silence.remedy(105.0) is None
    assert silence.remedy(100.0 + W / 12) is Remedy.KEEPALIVE
    silence.stalled(50.0)
    assert silence.remedy(150.0 + W / 12) is None
    assert silence.remedy(150.0 + W / 8) is Remedy.RECONNECT


def test_a_machine_that_stood_still_takes_no_path_for_silent() -> None:
    """An answer that is late by as much as the machine was away is not late."""
    request = Request("R/x/vebus/275/Soc", ("N/x/vebus/275/Soc",), False)
    unanswered = Unanswered(W)
    unanswered.to_ask([request], 0.0)
    unanswered.stalled(100.0)
    assert not unanswered.silent(100.0 + W / 8 - 1)
    assert unanswered.silent(100.0 + W / 8)

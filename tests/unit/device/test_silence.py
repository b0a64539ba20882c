"""Silence, with a clock made by hand (W = 120 s)."""

from bat2influx.device.silence import Remedy, Silence

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

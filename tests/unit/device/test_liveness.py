"""Silence, with a simulated clock (W = 120 s)."""

from bat2influx.device.liveness import Liveness, Remedy

W = 120.0


def run(liveness: Liveness, start: float, end: float) -> list[tuple[float, Remedy]]:
    """Let time pass second by second, and return the remedies; each reconnection succeeds."""
    done = []
    now = start
    while now <= end:
        if remedy := liveness.remedy(now):
            done.append((now, remedy))
            if remedy is Remedy.RECONNECT:
                liveness.connected(now)
                continue
        now += 1.0
    return done


def test_a_silence_causes_a_keepalive_then_a_reconnection_then_keepalives_every_minute() -> None:
    """W/12, W/8, at the new connection, and then every W/2."""
    liveness = Liveness(W)
    liveness.connected(0.0)
    liveness.message(5.0)
    assert run(liveness, 5.0, 160.0) == [
        (15.0, Remedy.KEEPALIVE),
        (20.0, Remedy.RECONNECT),
        (20.0, Remedy.KEEPALIVE),
        (80.0, Remedy.KEEPALIVE),
        (140.0, Remedy.KEEPALIVE),
    ]
    assert liveness.not_responding


def test_nothing_is_done_before_the_first_connection() -> None:
    """Without a connection there is no silence."""
    liveness = Liveness(W)
    assert liveness.remedy(1e6) is None
    assert liveness.due() == float("inf")


def test_a_message_ends_the_silence() -> None:
    """The first message ends it, and the time begins again."""
    liveness = Liveness(W)
    liveness.connected(0.0)
    assert not liveness.message(1.0)
    run(liveness, 1.0, 60.0)
    assert liveness.message(61.0)
    assert not liveness.not_responding
    assert run(liveness, 61.0, 70.0) == []
    assert liveness.due() == 71.0


def test_a_device_that_does_not_respond_is_asked_at_each_new_connection() -> None:
    """A restarted device has forgotten earlier requests."""
    liveness = Liveness(W)
    liveness.connected(0.0)
    run(liveness, 0.0, 20.0)
    for second in (25.0, 30.0):
        liveness.connected(second)
        assert liveness.remedy(second) is Remedy.KEEPALIVE
        assert liveness.due() == second + 60.0


def test_an_outage_of_the_broker_is_no_silence_of_the_device() -> None:
    """After a reconnection for another reason the device's W/12 begin again."""
    liveness = Liveness(W)
    liveness.connected(0.0)
    liveness.message(1.0)
    liveness.connected(500.0)
    assert liveness.remedy(500.0) is None
    assert liveness.due() == 510.0


def test_a_standstill_of_this_machine_is_no_silence() -> None:
    """Messages of that time are yet to be read: the spans begin later by the stall."""
    liveness = Liveness(W)
    liveness.connected(0.0)
    liveness.stalled(100.0)
    assert liveness.remedy(105.0) is None
    assert liveness.remedy(100.0 + W / 12) is Remedy.KEEPALIVE
    liveness.stalled(50.0)
    assert liveness.remedy(150.0 + W / 12) is None
    assert liveness.remedy(150.0 + W / 8) is Remedy.RECONNECT

"""A broker that runs and a device that does not respond: reads stop, a rare keepalive remains.

All time spans are fractions of the watchdog interval W, which is short here. A device that is kept
alive sends a heartbeat every 3 s, so W is 48 s (W/12 is 4 s) where that matters.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import pytest

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import steady_unix_time
from tests.support.compare import (
    NINE,
    answered,
    assert_in_order,
    assert_one_a_tick,
    published,
    stored_values,
)
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
QUICK = {"interval": 0.2, "soc_interval": 0.2}
GIVEN = {**QUICK, "serial": P, "instance": 275}
SUPPRESSED = b'{"keepalive-options":["suppress-republish"]}'


def at_most_each(seconds: float, times: list[float], since: float) -> bool:
    """Return whether so many can have come since then from a sender with one per interval.

    Their times are not compared: on a machine that stalls two of them come close together.
    """
    return len(times) <= (steady_unix_time() - since) / seconds + 1


def reads(device: Device, place: str = "") -> list[float]:
    """Return the times of requests to the device whose topic ends like this."""
    return [
        request.time
        for request in device.log.requests
        if request.topic.endswith(place) and not request.topic.endswith("/keepalive")
    ]


def keepalives(device: Device) -> list[float]:
    """Return the times of keepalives; each has to be a suppressed one."""
    requests = [r for r in device.log.requests if r.topic == f"R/{P}/keepalive"]
    assert {r.payload for r in requests} <= {SUPPRESSED}
    return [request.time for request in requests]


def logins(mosquitto: Mosquitto) -> int:
    """Return how often the daemon has connected."""
    return mosquitto.log.read_text().count(" as bat2influx-")


def more(setting: Setting, field: str, count: int = 3) -> Callable[[], bool]:
    """Return the condition that `count` more values of a field are stored than now."""
    before = len(stored_values(setting, field))
    return lambda: len(stored_values(setting, field)) >= before + count


def test_a_device_that_does_not_respond_is_not_read(setting: Setting) -> None:
    """Reads end, one keepalive and one new connection are tried, then one keepalive every W/2."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=16, Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    connected, before = logins(setting.mosquitto), len(keepalives(device))
    device.silence()
    since = steady_unix_time()
    wait("it in STATUS", lambda: f"device {P} at 127.0.0.1 does not respond" in notify.status)
    wait("two rounds", lambda: len(keepalives(device)) >= before + 4)
    asked = keepalives(device)[before:]
    assert reads(device)[-1] < asked[1]
    assert logins(setting.mosquitto) == connected + 1
    # One at W/12, one at the new connection, and then every W/2.
    assert at_most_each(8.0, asked[1:], since)
    assert daemon.running
    assert len(daemon.logged("does not respond")) == 1
    again = more(setting, "Soc")
    device.speak()
    wait("values again", again)
    daemon.wait_for_log(f"device {P} responds again, after")
    wait(
        "a good STATUS", lambda: "does not respond" not in notify.status and "Soc" in notify.status
    )


def test_a_device_that_is_off_at_the_start_gets_a_keepalive_every_half_w(setting: Setting) -> None:
    """With given portal id and instance, a device that is off costs no more than later on."""
    device = Device(P)
    device.silence()
    setting.venus(device)
    since = steady_unix_time()
    daemon = setting.daemon(watchdog=8, Battery=GIVEN)
    wait("four rounds", lambda: len(keepalives(device)) >= 6)
    asked = keepalives(device)
    assert reads(device)[-1] < asked[1]
    assert at_most_each(4.0, asked[1:], since)
    device.speak()
    wait("values", setting.stored)
    assert daemon.running


def test_a_search_at_a_device_that_is_off_is_repeated_every_half_w(setting: Setting) -> None:
    """A search without an answer is repeated every W/2, and succeeds once the device responds."""
    device = Device(P)
    device.silence()
    setting.venus(device)
    notify = setting.notify_socket()
    since = steady_unix_time()
    setting.daemon(notify=notify, watchdog=8, Battery=QUICK)
    wait("five searches", lambda: len(device.log.requests) >= 5)
    wait("it in STATUS", lambda: f"device {P} at 127.0.0.1 does not respond" in notify.status)
    times = [request.time for request in device.log.requests]
    assert at_most_each(4.0, [times[0], *times[2:]], since)  # another kind after W/24
    device.speak()
    wait("values", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())


def test_a_single_unanswered_path_is_reported_and_read_every_half_w(setting: Setting) -> None:
    """Only reads of that path slow down; the others continue, and its return is logged."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=32, Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    device.silence("vebus", "/Soc")
    wait("its name in STATUS", lambda: "no longer answers for Soc (vebus/275/Soc)" in notify.status)
    assert "Voltage" in notify.status
    since = steady_unix_time()
    before, others = len(reads(device, "/Soc")), more(setting, "Voltage", 20)
    wait("three rounds", lambda: len(reads(device, "/Soc")) >= before + 3)
    assert at_most_each(16.0, reads(device, "/Soc")[before:], since)
    wait("the others", others)
    again = more(setting, "Soc", 10)
    device.speak("vebus", "/Soc")
    wait("it again", again)
    daemon.wait_for_log("every field is answered, after")
    wait("a good STATUS", lambda: "does not answer" not in notify.status)
    assert logins(setting.mosquitto) == 1
    assert len(daemon.logged("no longer answers for")) == 1


def test_a_path_that_does_not_exist_is_reported(setting: Setting) -> None:
    """A misspelt path below a sub-tree with answers is reported, and affects nothing else."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify, watchdog=16, Battery=GIVEN, Fields={"Amps": "vebus/Dc/0/Amperes"}
    )
    wait("its name", lambda: "does not answer for Amps (vebus/275/Dc/0/Amperes)" in notify.status)
    wait("values", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
    wait("more values", more(setting, "Voltage", 5))
    assert len(daemon.logged("does not answer for")) == 1


def test_found_one_answer_counted_for_every_unanswered_path(setting: Setting) -> None:
    """When one of two unanswered paths returns, no message claims that all fields are answered."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify, watchdog=16, Battery=GIVEN, Fields={"Grid": "system/Ac/Grid/L1/Power"}
    )
    wait("values", lambda: len(stored_values(setting, "Grid")) >= 3)
    device.silence("vebus", "/Soc")
    device.silence("system", "/Ac/Grid/L1/Power")
    wait("both names", lambda: all(f"{name} (" in notify.status for name in ("Soc", "Grid")))
    again = more(setting, "Grid", 10)
    device.speak("system", "/Ac/Grid/L1/Power")
    wait("one of them again", again)
    wait("the other's name", lambda: "no longer answers for Soc (" in notify.status)
    assert not daemon.logged("every field is answered")


def test_a_service_that_leaves_is_reported_and_read_again_when_it_returns(setting: Setting) -> None:
    """Its empty messages are no values; its return is detected at once while others respond."""
    device = Device(P, counted=True)
    setting.venus(device)
    device.foreign(1, ["system/0/Relay/0/State"], keepalive=True)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=48, Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    device.vanish("vebus")
    wait("its name in STATUS", lambda: "no longer has vebus 275" in notify.status)
    asked, stored = len(reads(device)), len(setting.stored())
    wait("heartbeats", more_heartbeats(device, 2))
    assert len(reads(device)) <= asked + 3
    assert len(setting.stored()) == stored
    again = more(setting, "Soc")
    device.come_back("vebus")
    wait("values again", again, 15)
    assert {field for _, field, _ in setting.stored()} == NINE.keys()
    daemon.wait_for_log("every field is answered")
    assert not daemon.logged("does not respond")


def more_heartbeats(device: Device, count: int) -> Callable[[], bool]:
    """Return the condition that the device has sent `count` more heartbeats than now."""

    def heartbeats() -> int:
        return sum(message.topic.endswith("/heartbeat") for message in device.log.sent)

    before = heartbeats()
    return lambda: heartbeats() >= before + count


def test_a_phase_that_is_not_wired_counts_as_answered(setting: Setting) -> None:
    """If only nulls come, that is reported; nothing is stored, and no keepalive sent."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify,
        watchdog=64,
        Battery=GIVEN,
        Fields={"defaults": "no", "V2": "vebus/Ac/ActiveIn/L2/V", "P2": "vebus/Ac/ActiveIn/L2/P"},
    )
    wait("more than W/2", lambda: len(reads(device)) >= 180)
    assert not keepalives(device)
    assert logins(setting.mosquitto) == 1
    assert not setting.stored()
    assert not daemon.logged("does not respond|does not answer")
    place = "vebus/275/Ac/ActiveIn/L2"
    void = f"has no value (null) for V2 ({place}/V), P2 ({place}/P)"
    wait("it in STATUS", lambda: void in notify.status and "; V2 null, P2 null; " in notify.status)
    assert notify.times("WATCHDOG")
    device.set_value("vebus", "/Ac/ActiveIn/L2/V", 231.5)
    wait("a value", lambda: {value for _, value in stored_values(setting, "V2")} == {231.5})
    wait("it in STATUS", lambda: "; V2 231.5, P2 null; " in notify.status)
    wait("the other alone", lambda: "(null) for P2" in notify.status)


def test_a_value_that_turns_null_leaves_the_status_without_a_log_line(setting: Setting) -> None:
    """As with mains that are cut now and then: the old value is not shown, without a warning."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=16, Battery=GIVEN)
    wait("a value", lambda: re.search(r"I -?[0-9.e-]+, V ", notify.status))
    device.set_value("vebus", "/Ac/ActiveIn/L1/I", None)
    wait("null in STATUS", lambda: "I null, V " in notify.status)
    wait("more", more(setting, "Voltage", 20))
    assert not daemon.logged("null")
    device.release("vebus", "/Ac/ActiveIn/L1/I")
    wait("a value again", lambda: re.search(r"I -?[0-9.e-]+, V ", notify.status))


def test_another_client_does_no_harm(setting: Setting) -> None:
    """The daemon's reads keep their interval, one value each, whatever else is published."""
    device = Device(P, counted=True)
    setting.venus(device)
    device.foreign(40, ["vebus/275/Dc/0", "vebus/275/Soc", "system/0/Dc"], keepalive=True)
    daemon = setting.daemon(watchdog=60, Battery={**GIVEN, "interval": 1.0, "soc_interval": 1.0})
    wait("reads", lambda: len(reads(device, "/Dc/0")) >= 12)
    assert device.log.counters.foreign >= 60
    asked = reads(device, "/Soc")
    assert median(later - sooner for sooner, later in pairwise(asked)) < 1.5
    device.foreign(0)
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        ticks = assert_one_a_tick(device, leaf, stored_values(setting, field), field)
        assert ticks >= 10, field
    assert not daemon.logged("WARNING|ERROR")


def test_answers_to_other_clients_are_not_stored_twice_within_a_tick(setting: Setting) -> None:
    """A client that reads all the time adds no values, because its answers are the same."""
    device = Device(P)
    setting.venus(device)
    device.set_value("vebus", "/Soc", 61.5)
    device.foreign(40, ["vebus/275/Soc"])
    daemon = setting.daemon(watchdog=60, Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 30)
    device.foreign(0)
    assert daemon.stop() == 0
    assert device.log.counters.foreign >= 60
    assert len(stored_values(setting, "Soc")) <= len(reads(device, "/Soc")) + 1


@pytest.mark.depends_on_timing("a machine that stalls delivers two answers within a tick")
def test_late_answers_are_stored_when_they_come(setting: Setting) -> None:
    """A device that takes 3 s for each answer counts as responding, and so do its fields.

    Two answers may count as one: an answer does not show its request.
    """
    device = Device(P, counted=True)
    device.late(2.9)  # so that each answer comes between two ticks
    setting.venus(device)
    daemon = setting.daemon(Battery={**GIVEN, "interval": 1, "soc_interval": 1})
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 12)
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        stored = stored_values(setting, field)
        assert_in_order(published(device, leaf), stored, field)
        answers = [value for _, value in answered(device, leaf)]
        owed = answers.index(stored[-1][1]) + 1
        assert len(stored) >= 0.8 * owed, f"of {field} {owed - len(stored)} of {owed} are missing"
    assert logins(setting.mosquitto) == 1
    assert not daemon.logged("WARNING|ERROR")


def test_found_a_rebooted_device_was_read_only_after_half_w(setting: Setting) -> None:
    """A device that did not respond gets a keepalive at every new connection."""
    device = Device(P)
    runner = setting.venus(device)
    notify = setting.notify_socket()
    setting.daemon(notify=notify, watchdog=96, Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    device.silence()
    wait("it in STATUS", lambda: f"device {P} at 127.0.0.1 does not respond" in notify.status)
    wait("both keepalives", lambda: len(keepalives(device)) >= 2)
    device.speak()
    again = more(setting, "Soc")
    setting.mosquitto.restart()
    assert runner.wait_attached()
    wait("values again", again, 30)


def test_a_search_cut_short_is_repeated_after_half_w(setting: Setting) -> None:
    """A new connection does not cause a second republish within that time."""
    device = Device(P)
    device.silence()
    runner = setting.venus(device)
    since = steady_unix_time()
    setting.daemon(watchdog=24, Battery=QUICK)
    wait("the search", lambda: device.log.requests)
    for _ in range(3):
        setting.mosquitto.restart()
        assert runner.wait_attached()
    device.speak()
    wait("values", setting.stored)
    asked = [r.time for r in device.log.requests if r.topic.endswith(("/keepalive", "/Serial"))]
    assert at_most_each(12.0, asked, since)


def test_found_requests_of_a_broken_connection_counted_as_unanswered(setting: Setting) -> None:
    """Unanswered requests of the old connection do not stop reads on the new one."""
    device = Device(P)
    runner = setting.venus(device)
    daemon = setting.daemon(watchdog=16, Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    device.silence()
    before = len(reads(device))
    wait("requests without an answer", lambda: len(reads(device)) >= before + 3)
    setting.mosquitto.stop()
    wait("more than W/8", lambda: steady_unix_time() > reads(device)[-1] + 2.5)
    device.speak()
    again = more(setting, "Soc", 5)
    setting.mosquitto.start()
    assert runner.wait_attached()
    wait("values again", again, 30)
    assert not daemon.logged("does not answer|does not respond")

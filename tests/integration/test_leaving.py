"""The exit of the daemon between a request and its answer."""

from __future__ import annotations

import os
import signal

import pytest

from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import steady_unix_time
from tests.support.compare import FAST, published, stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
GIVEN = {"serial": P, "instance": 275, "interval": 1.0, "soc_interval": 1.0}
LATE = 0.2  # s that each answer takes
SURE = 0.3  # s after SIGTERM in which an answer is waited for, on a loaded machine too


@pytest.mark.depends_on_timing("a machine that stalls delivers an answer after the half second")
def test_sigterm_loses_no_answer_that_is_under_way(setting: Setting) -> None:
    """The daemon waits for answers under way, at most half a second."""
    device = Device(P, counted=True)
    setting.venus(device)
    device.late(LATE)
    met = 0
    for _ in range(5):  # on a stalling machine the answers may come before the daemon's exit
        daemon = setting.daemon(Battery=GIVEN)
        daemon.wait_for_log("reading 127.0.0.1")
        reads = device.log.counters.reads
        wait("reads", lambda before=reads: device.log.counters.reads > before)
        asked = steady_unix_time()
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.wait_for_end(10) == 0
        for field, leaf in FAST.items():
            late = {value for when, value in published(device, leaf) if asked < when < asked + SURE}
            assert late <= {value for _, value in stored_values(setting, field)}, field
            met += len(late)
        if met:
            return
    raise AssertionError("no answer was ever under way")


def test_a_device_that_does_not_answer_does_not_delay_the_exit(setting: Setting) -> None:
    """The daemon waits half a second for its last answers."""
    device = Device(P)
    setting.venus(device)
    daemon = setting.daemon(Battery=GIVEN)
    wait("values", setting.stored)
    device.late(600.0)
    reads = device.log.counters.reads
    wait("reads", lambda: device.log.counters.reads > reads)
    assert daemon.stop(10.0) == 0
    assert daemon.logged("every value is stored")

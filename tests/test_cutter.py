"""The time limit of a request in all, by one thread for many requests."""

from __future__ import annotations

import socket
import threading
import time

from bat2influx.cutter import Cutter
from tests.parts.daemon import wait


def watchers() -> int:
    """Return how many threads watch over requests."""
    return sum(thread.name == "cutter" for thread in threading.enumerate())


def connected(cutter: Cutter) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection that the cutter has made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = cutter.connect(*server.getsockname())
        return made, server.accept()[0]


def test_many_requests_have_one_watcher_and_it_goes_with_the_last() -> None:
    """A thread for each request would cost more than the request."""
    before, cutter = watchers(), Cutter()
    for _ in range(50):
        with cutter.after(1.0):
            assert watchers() <= before + 1
    assert not cutter.expired
    wait("the end of the watcher", lambda: watchers() == before)
    with cutter.after(60.0):
        assert watchers() == before + 1


def test_a_request_is_cut_at_its_own_end_and_not_at_that_of_one_before() -> None:
    """What began while the watcher slept for another one has all of its time."""
    cutter = Cutter()
    with cutter.after(0.5):
        pass
    begun = time.monotonic()
    with cutter.after(2.0):
        ours, theirs = connected(cutter)
        assert ours.recv(1) == b""
        assert time.monotonic() - begun >= 2.0
        assert cutter.expired
    ours.close()
    theirs.close()
    with cutter.after(60.0):
        assert not cutter.expired


def test_a_shorter_limit_counts_while_the_watcher_sleeps_for_a_longer_one() -> None:
    """Whoever asks for less time gets less."""
    cutter = Cutter()
    with cutter.after(600.0):
        pass
    with cutter.after(0.5):
        ours, theirs = connected(cutter)
        assert ours.recv(1) == b""
    assert cutter.expired
    ours.close()
    theirs.close()

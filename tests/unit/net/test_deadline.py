"""The time limit of a request in all, by one thread for many requests."""

from __future__ import annotations

import socket
import threading
import time

from bat2influx.influx.transport import Dialer
from bat2influx.net.deadline import Deadline, cut_after
from tests.support.daemon import wait


def watchers() -> int:
    """Return how many threads watch over requests."""
    return sum(thread.name == "deadline" for thread in threading.enumerate())


def connected(dialer: Dialer) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection that the dialer has made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = dialer.connect(*server.getsockname())
        return made, server.accept()[0]


def test_many_requests_have_one_watcher_and_it_goes_with_the_last() -> None:
    """A thread for each request would cost more than the request."""
    before, deadline = watchers(), Deadline()
    for _ in range(50):
        with deadline.within(1.0):
            assert watchers() <= before + 1
    assert not deadline.expired
    wait("the end of the watcher", lambda: watchers() == before)
    with deadline.within(60.0):
        assert watchers() == before + 1


def test_a_request_is_cut_at_its_own_end_and_not_at_that_of_one_before() -> None:
    """What began while the watcher slept for another one has all of its time."""
    dialer = Dialer()
    deadline = dialer.deadline
    with deadline.within(0.5):
        pass
    begun = time.monotonic()
    with deadline.within(2.0):
        ours, theirs = connected(dialer)
        assert ours.recv(1) == b""
        assert time.monotonic() - begun >= 2.0
        assert deadline.expired
    ours.close()
    theirs.close()
    with deadline.within(60.0):
        assert not deadline.expired


def test_a_shorter_limit_counts_while_the_watcher_sleeps_for_a_longer_one() -> None:
    """Whoever asks for less time gets less."""
    dialer = Dialer()
    deadline = dialer.deadline
    with deadline.within(600.0):
        pass
    with deadline.within(0.5):
        ours, theirs = connected(dialer)
        assert ours.recv(1) == b""
    assert deadline.expired
    ours.close()
    theirs.close()


def test_what_is_watched_after_the_end_is_cut_at_once() -> None:
    """A socket that is handed over a moment too late does not live for ever."""
    deadline = Deadline()
    with deadline.within(0.01):
        wait("its end", lambda: deadline.expired)
        ours, theirs = socket.socketpair()
        deadline.watch(ours)
        assert theirs.recv(1) == b""
    ours.close()
    theirs.close()


def test_one_span_alone_leaves_no_thread_and_no_cut_socket() -> None:
    """A handshake that took a moment has nobody watch for the rest of its ten seconds."""
    before = watchers()
    ours, theirs = socket.socketpair()
    with cut_after(ours, 600.0) as deadline:
        assert watchers() == before + 1
    wait("the end of the watcher", lambda: watchers() == before)
    assert not deadline.expired
    ours.sendall(b"x")
    assert theirs.recv(1) == b"x"
    ours.close()
    theirs.close()

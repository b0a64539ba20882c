"""The total time limit of a request, with one thread for many requests."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from bat2influx.net.deadline import Deadline, shutdown_after
from tests.support.daemon import wait


def watchers() -> int:
    """Return the number of watcher threads."""
    return sum(thread.name == "deadline" for thread in threading.enumerate())


def test_many_spans_have_one_watcher_that_ends_with_the_last() -> None:
    """A thread for each request would cost more than the request."""
    before, deadline = watchers(), Deadline()
    for _ in range(50):
        with deadline.within(1.0):
            assert watchers() <= before + 1
    assert not deadline.expired
    wait("the end of the watcher", lambda: watchers() == before)
    with deadline.within(60.0):
        assert watchers() == before + 1
    deadline.close()


def test_a_span_ends_at_its_own_end_and_not_at_that_of_one_before() -> None:
    """A span that begins while the watcher waits for an older one has its full time."""
    deadline = Deadline()
    with deadline.within(0.1):
        pass
    ours, theirs = socket.socketpair()
    begun = time.monotonic()
    with deadline.within(0.5):
        deadline.watch(ours)
        assert theirs.recv(1) == b""
        assert time.monotonic() - begun >= 0.5
        assert deadline.expired
    ours.close()
    theirs.close()
    with deadline.within(60.0):
        assert not deadline.expired
    deadline.close()


def test_a_shorter_limit_ends_before_a_longer_one() -> None:
    """Also while the watcher waits for the longer one."""
    deadline = Deadline()
    with deadline.within(600.0):
        pass
    ours, theirs = socket.socketpair()
    with deadline.within(0.1):
        deadline.watch(ours)
        assert theirs.recv(1) == b""
    assert deadline.expired
    ours.close()
    theirs.close()


def test_no_time_is_left_once_it_is_over() -> None:
    """A call for the remaining time raises TimeoutError."""
    deadline = Deadline()
    with deadline.within(600.0):
        assert 0.0 < deadline.left() <= 600.0
        deadline.abort()
        with pytest.raises(TimeoutError):
            deadline.left()
    deadline.close()


def test_a_socket_that_is_watched_after_the_end_is_shut_down_at_once() -> None:
    """Otherwise a socket that is handed over too late would stay open for ever."""
    deadline = Deadline()
    with deadline.within(0.01):
        wait("its end", lambda: deadline.expired)
        ours, theirs = socket.socketpair()
        deadline.watch(ours)
        assert theirs.recv(1) == b""
    ours.close()
    theirs.close()


def test_one_span_alone_leaves_no_thread_and_no_cut_socket() -> None:
    """After a short handshake no thread watches for the rest of its ten seconds."""
    before = _watchers()  # of others, which may end meanwhile
    ours, theirs = socket.socketpair()
    with shutdown_after(ours, 600.0) as deadline:
        (ours_alone,) = _watchers() - before
    wait("the end of the watcher", lambda: not ours_alone.is_alive())
    assert not deadline.expired
    ours.sendall(b"x")
    assert theirs.recv(1) == b"x"
    ours.close()
    theirs.close()


def _watchers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "deadline"}

"""Name resolution with a limit: answers that are in time, late or missing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bat2influx.net import resolver as net_resolver
from tests.support.daemon import wait

_number = count()


class Resolver:
    """Stands in for socket.getaddrinfo: returns `answer` once it is released."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.host = f"host{next(_number)}.example"  # a new one: answers may be left over
        self.answer: Any = ["an address"]
        self.lets = threading.Event()

    def __call__(self, host: str, port: int, **_: Any) -> Any:
        """Resolve."""
        self.asked.append((host, port))
        self.lets.wait(60.0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """A resolver that blocks; released at the end."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.lets.set()
    wait("the threads", lambda: not asking())


def asking() -> list[threading.Thread]:
    """Return the threads that wait for the resolver."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("resolving")]


def test_a_name_is_resolved_to_addresses_of_a_socket() -> None:
    """The real resolver knows this host, and a socket can connect to its answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = net_resolver.resolve("127.0.0.1", port, 60.0)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as client:
            client.connect(address)


@pytest.mark.parametrize(
    "failure", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")]
)
def test_an_unknown_name_is_an_os_error_and_is_resolved_again(
    resolver: Resolver, failure: Exception
) -> None:
    """A failure is reported once; the next attempt starts a new resolution."""
    resolver.lets.set()
    resolver.answer = failure
    with pytest.raises(OSError, match=r"unknown|too long"):
        net_resolver.resolve(resolver.host, 8086, 60.0)
    resolver.answer = ["found"]
    assert net_resolver.resolve(resolver.host, 8086, 60.0) == ["found"]
    assert len(resolver.asked) == 2


def test_a_missing_answer_is_a_timeout(resolver: Resolver) -> None:
    """TimeoutError after the limit, with the name in its text."""
    with pytest.raises(TimeoutError, match=r"host\d+\.example takes more than 0\.1 s"):
        net_resolver.resolve(resolver.host, 8086, 0.1)


def test_a_further_call_waits_for_the_same_answer(resolver: Resolver) -> None:
    """However often it is called, a hanging name keeps one thread."""
    for _ in range(5):
        with pytest.raises(TimeoutError):
            net_resolver.resolve(resolver.host, 8086, 0.01)
    assert len(asking()) == len(resolver.asked) == 1


def test_another_name_does_not_wait_for_it(resolver: Resolver) -> None:
    """Each name and port is resolved separately."""
    for host, port in ((resolver.host, 8086), ("there.example", 8086), (resolver.host, 1)):
        with pytest.raises(TimeoutError):
            net_resolver.resolve(host, port, 0.01)
    assert len(set(resolver.asked)) == 3


def test_a_late_answer_serves_the_next_attempt_only(resolver: Resolver) -> None:
    """Otherwise a resolver slower than the limit would never succeed; it is not kept longer."""
    with pytest.raises(TimeoutError):
        net_resolver.resolve(resolver.host, 8086, 0.01)
    resolver.lets.set()
    wait("the answer", lambda: not asking())
    assert net_resolver.resolve(resolver.host, 8086, 60.0) == ["an address"]
    assert len(resolver.asked) == 1
    resolver.answer = ["another address"]
    assert net_resolver.resolve(resolver.host, 8086, 60.0) == ["another address"]


def test_two_threads_get_the_same_answer(resolver: Resolver) -> None:
    """Two threads with the same name share one resolution."""
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(net_resolver.resolve(resolver.host, 8086, 60.0))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    wait("the question", lambda: resolver.asked)
    resolver.lets.set()
    for thread in threads:
        thread.join(60.0)
    assert answers == [["an address"]] * 2


def test_found_a_resolver_that_never_returned_blocked_its_name_for_ever(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the next attempt starts its own resolution, which may succeed."""
    with pytest.raises(TimeoutError):
        net_resolver.resolve(resolver.host, 8086, 0.01)
    monkeypatch.setattr(net_resolver, "STUCK", 0.0)
    stuck, resolver.lets = resolver.lets, threading.Event()
    resolver.lets.set()
    assert net_resolver.resolve(resolver.host, 8086, 60.0) == ["an address"]
    assert len(resolver.asked) == 2
    resolver.lets = stuck


def test_threads_that_hang_are_bounded(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that never answers keeps MAX_STUCK threads and the current one."""
    monkeypatch.setattr(net_resolver, "STUCK", 0.0)
    for _ in range(3 * net_resolver.MAX_STUCK):
        with pytest.raises(TimeoutError):
            net_resolver.resolve(resolver.host, 8086, 0.001)
    assert len(asking()) == net_resolver.MAX_STUCK + 1

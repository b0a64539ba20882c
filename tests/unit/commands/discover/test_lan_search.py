"""The search in the network: the interfaces, the accepted answers, and the found devices."""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import repeat
from types import SimpleNamespace

import pytest

from bat2influx.commands.discover import lan_search, ssdp
from bat2influx.commands.discover.lan_search import (
    LISTENING,
    MAX_ANSWERS,
    MAX_PER_ADDRESS,
    SENT_AT,
    FoundDevice,
    Interface,
    NoDescriptionError,
    find_devices,
    interfaces,
    search,
)
from bat2influx.commands.discover.ssdp import (
    Description,
    DescriptionUrl,
    SearchResponse,
)
from tests.standins.venus.ssdp_responder import description
from tests.unit.commands.discover.test_ssdp import ADDRESS, LOCATION, answer

ETH0, WLAN0 = Interface("eth0", "192.0.2.1"), Interface("wlan0", "198.51.100.1")

# The interfaces

UP, LOOPBACK = 0x1, 0x8


def table(monkeypatch: pytest.MonkeyPatch, entries: Mapping[tuple[str, str], int | None]) -> None:
    """Have the kernel list these labels and addresses, with their flags; None is one just gone."""
    rows = {
        struct.pack("16sHH4s16x", label.encode(), socket.AF_INET, 0, socket.inet_aton(address)): f
        for (label, address), f in entries.items()
    }
    assert all(len(row) == 40 for row in rows)

    def ioctl(_: object, request: int, argument: bytes) -> bytes:
        if request == lan_search._SIOCGIFFLAGS:
            flags = rows[argument]
            if flags is None:
                raise OSError
            return argument[:16] + struct.pack("H22x", flags)
        size, _ = struct.unpack("iP", argument)
        assert size >= 40 * len(rows)
        return struct.pack("iP", 40 * len(rows), 0)

    buffer = b"".join(rows)

    def memory(code: str, zeros: bytes) -> SimpleNamespace:
        return SimpleNamespace(
            buffer_info=lambda: (0, len(zeros)), tobytes=lambda: buffer.ljust(len(zeros), b"\0")
        )

    monkeypatch.setattr(lan_search, "fcntl", SimpleNamespace(ioctl=ioctl))
    monkeypatch.setattr(lan_search, "array", SimpleNamespace(array=memory))


def test_an_interface_that_is_up_is_searched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With each of its addresses; a label of an address is not the interface's name."""
    entries: dict[tuple[str, str], int | None] = {
        ("lo", "127.0.0.1"): UP | LOOPBACK,
        ("eth0", "192.0.2.1"): UP | 0x1040,
        ("eth0:1", "192.0.2.2"): UP,
        ("eth1", "203.0.113.1"): 0x1002,
        ("usb0", "203.0.113.2"): None,
        ("wlan0", "198.51.100.1"): UP,
    }
    table(monkeypatch, entries)
    assert interfaces() == (ETH0, Interface("eth0", "192.0.2.2"), WLAN0)
    assert str(ETH0) == "eth0 (192.0.2.1)"


def test_no_interface_is_the_loopback() -> None:
    """The search leaves this machine; every interface has an IPv4 address."""
    found = lan_search.interfaces()
    assert "lo" not in {interface.name for interface in found}
    assert all(socket.inet_aton(interface.address) for interface in found)


# The search


class Air:
    """Sockets and a clock made by hand: who has sent when, and what comes when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.begun = self.now
        self.sent: list[tuple[float, str]] = []
        self.coming: list[tuple[float, str, bytes]] = []  # after so many s, out of where, what
        self.broken: set[str] = set()  # interfaces that nothing can be sent out of
        self.said: list[str] = []
        self.senders: Iterator[str] = repeat(ADDRESS)  # of the datagrams, in their order
        self._names: list[str] = []
        monkeypatch.setattr(lan_search, "_socket", self._socket)
        monkeypatch.setattr(lan_search, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(
            lan_search,
            "selectors",
            SimpleNamespace(DefaultSelector=lambda: self, EVENT_READ=selectors.EVENT_READ),
        )

    def search(self, *out_of: Interface) -> tuple[SearchResponse, ...]:
        """Search."""
        return search(out_of, self.said.append)

    def __enter__(self) -> Air:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def register(self, sock: SimpleNamespace, _: int) -> None:
        """Watch a socket."""
        self._names.append(sock.name)

    def select(self, timeout: float) -> list[tuple[SimpleNamespace, int]]:
        """Let time pass, to the next datagram at the most."""
        until = self.now + timeout
        self.coming.sort(key=lambda each: each[0])
        due = [each for each in self.coming[:1] if self.begun + each[0] <= until]
        for each in due:
            self.now = max(self.now, self.begun + each[0])
            self.coming.remove(each)
        if not due:
            self.now = until
        return [(SimpleNamespace(fileobj=self._with(datagram)), 1) for *_, datagram in due]

    def _with(self, datagram: bytes) -> SimpleNamespace:
        def recvfrom(_: int) -> tuple[bytes, tuple[str, int]]:
            if not datagram:
                raise ConnectionRefusedError
            return datagram, (next(self.senders), 1900)

        return SimpleNamespace(recvfrom=recvfrom)

    def _socket(self, interface: Interface) -> SimpleNamespace:
        if interface.address == "0.0.0.0":
            raise OSError(99, "Cannot assign requested address")

        def sendto(data: bytes, to: tuple[str, int]) -> None:
            assert (data, to) == (ssdp.search_request(), ("239.255.255.250", 1900))
            if interface.name in self.broken:
                raise OSError(101, "Network is unreachable")
            self.sent.append((self.now - self.begun, interface.name))

        return SimpleNamespace(name=interface.name, sendto=sendto, close=lambda: None)


@pytest.fixture
def air(monkeypatch: pytest.MonkeyPatch) -> Air:
    """Nobody answers."""
    return Air(monkeypatch)


def test_a_search_is_sent_three_times_out_of_each_interface(air: Air) -> None:
    """And listens for a fixed time."""
    assert air.search(ETH0, WLAN0) == ()
    assert air.sent == [(at, name) for at in SENT_AT for name in ("eth0", "wlan0")]
    assert air.now == air.begun + LISTENING
    assert air.said == []


def test_an_answer_counts_once(air: Air) -> None:
    """Each search is answered, also by other devices; only the time ends the wait."""
    other = answer(location="http://192.0.2.20/other.xml")
    noise = answer(USN="uuid:com.example.lamp::upnp:rootdevice")
    air.coming = [
        (at, "eth0", datagram)
        for at, datagram in ((0.1, answer()), (0.3, noise), (0.6, answer()), (2.9, other))
    ]
    air.coming.append((0.2, "eth0", b""))  # what an earlier send has met
    air.coming.append((LISTENING + 0.1, "eth0", answer(location="http://192.0.2.20/late.xml")))
    assert air.search(ETH0) == (
        SearchResponse(ADDRESS, LOCATION),
        SearchResponse(ADDRESS, "http://192.0.2.20/other.xml"),
    )
    assert [at for at, _ in air.sent] == [*SENT_AT]


def test_an_unusable_interface_does_not_stop_the_search(air: Air) -> None:
    """One without a socket is reported; one without a route may have one later."""
    air.broken = {"eth0"}
    gone = Interface("usb0", "0.0.0.0")
    air.coming = [(0.1, "wlan0", answer())]
    assert air.search(gone, ETH0, WLAN0) == (SearchResponse(ADDRESS, LOCATION),)
    assert air.said == ["cannot search on usb0 (0.0.0.0): Cannot assign requested address"]
    assert {name for _, name in air.sent} == {"wlan0"}


def test_without_a_socket_there_is_nothing_to_wait_for(air: Air) -> None:
    """It ends at once."""
    assert air.search(Interface("usb0", "0.0.0.0")) == ()
    assert air.now == air.begun


def test_the_number_of_answers_is_bounded(air: Air) -> None:
    """The first ones count, and a message says that there are more."""
    air.coming = [
        (0.1, "eth0", answer(location=f"http://192.0.2.20/{number}"))
        for number in range(MAX_ANSWERS + 1)
    ]
    air.senders = (f"192.0.2.{number}" for number in range(MAX_ANSWERS + 1))
    assert len(air.search(ETH0)) == MAX_ANSWERS
    assert air.said == ["more than 32 answers came; the others are ignored"]
    assert air.now < air.begun + 1.0


def test_one_address_does_not_crowd_out_the_others(air: Air) -> None:
    """Of many answers from one address the first few count, with one message."""
    air.coming = [
        (0.1, "eth0", answer(location=f"http://192.0.2.20/{number}"))
        for number in range(2 * MAX_ANSWERS)
    ]
    air.coming.append((0.2, "eth0", answer()))
    air.senders = (*[ADDRESS] * 2 * MAX_ANSWERS, "192.0.2.9").__iter__()
    found = [each.address for each in air.search(ETH0)]
    assert found == [*[ADDRESS] * MAX_PER_ADDRESS, "192.0.2.9"]
    assert air.said == [
        f"more than {MAX_PER_ADDRESS} answers came from {ADDRESS}; the others are ignored"
    ]


def test_a_search_leaves_by_its_own_interface() -> None:
    """A socket has the interface's address, does not block, and passes four routers at most."""
    with closing(lan_search._socket(Interface("lo", "127.0.0.1"))) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 4
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF) == 0


# The devices


def devices(
    monkeypatch: pytest.MonkeyPatch, answers: list[SearchResponse], documents: Mapping[str, object]
) -> tuple[tuple[FoundDevice, ...], list[str]]:
    """Return the devices found, and what was said; `documents` are by the path of their URL."""
    said: list[str] = []

    def fetched(place: DescriptionUrl) -> bytes:
        document = documents[place.path]
        if isinstance(document, Exception):
            raise document
        assert isinstance(document, bytes)
        return document

    monkeypatch.setattr(lan_search, "search", lambda *_: tuple(answers))
    monkeypatch.setattr(lan_search, "fetch", fetched)
    return find_devices([ETH0], said.append), said


def at(address: str, path: str = "/a") -> SearchResponse:
    """Return an answer from an address that refers to a path there."""
    return SearchResponse(address, f"http://{address}{path}")


CERBO = Description("Cerbo GX (c0619ab1c2d3)", "Cerbo GX", "c0619ab1c2d3", mqtt=True)


def test_each_address_is_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, with the description of each."""
    answers = [at("192.0.2.9"), at("192.0.2.20", "/b")]
    documents = {"/a": description(), "/b": description("0a1b", model="Venus GX", mqtt=False)}
    found, said = devices(monkeypatch, answers, documents)
    venus = Description("Venus GX (0a1b)", "Venus GX", "0a1b", mqtt=False)
    assert found == (FoundDevice("192.0.2.20", venus), FoundDevice("192.0.2.9", CERBO))
    assert said == []


@pytest.mark.parametrize(
    ("location", "document", "why"),
    [
        (
            "http://192.0.2.99/a",
            b"",
            "refers to http://192.0.2.99/a, which is not queried",
        ),
        ("", b"", "refers to nothing, which is not queried"),
        (
            "http://192.0.2.20/a",
            NoDescriptionError("status 404 from port 80"),
            "its description cannot be read: status 404 from port 80",
        ),
        ("http://192.0.2.20/a", b"<half", "its description is not valid XML"),
    ],
)
def test_a_device_without_a_description_is_found_too(
    monkeypatch: pytest.MonkeyPatch, location: str, document: object, why: str
) -> None:
    """The problem is reported."""
    found, said = devices(monkeypatch, [SearchResponse(ADDRESS, location)], {"/a": document})
    assert found == (FoundDevice(ADDRESS, Description()),)
    assert said == [f"192.0.2.20 answered as a Venus device, but {why}"]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (b"<half", description(), CERBO),
        (description(), b"<half", CERBO),
        (b"<x/>", description(), CERBO),
        (description(), b"<x/>", CERBO),
        (description(), description("0a1b"), CERBO),
    ],
)
def test_of_two_descriptions_the_one_with_a_portal_id_counts(
    monkeypatch: pytest.MonkeyPatch, first: bytes, second: bytes, kept: Description
) -> None:
    """The first of them if both have one."""
    answers = [at(ADDRESS, "/a"), at(ADDRESS, "/b")]
    found, _ = devices(monkeypatch, answers, {"/a": first, "/b": second})
    assert found == (FoundDevice(ADDRESS, kept),)


def test_after_a_portal_id_no_further_description_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes memory and time, and a machine may name many."""
    answers = [at(ADDRESS, path) for path in ("/a", "/b", "/c")]
    documents = {"/a": NoDescriptionError("status 404 from port 80"), "/b": description()}
    found, said = devices(monkeypatch, answers, documents)
    assert found == (FoundDevice(ADDRESS, CERBO),)
    assert len(said) == 1


def test_an_interface_that_was_removed_is_reported_with_a_reason() -> None:
    """The error of the kernel's name lookup has no text."""
    said: list[str] = []
    assert search([Interface("nosuch0", "127.0.0.1")], said.append) == ()
    assert said == ["cannot search on nosuch0 (127.0.0.1): no interface with this name"]

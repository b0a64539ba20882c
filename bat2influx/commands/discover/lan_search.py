"""Searches the network for GX devices: the sockets under ssdp.py.

Rules: the search is sent out of every interface, because in a machine with several networks the
device is in one of them only. Everything has a bound, in time, in bytes and in number, however the
peers answer; no proxy is used and no redirection followed.
"""

from __future__ import annotations

import array
import fcntl
import http.client
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from io import BufferedIOBase

from bat2influx.commands.discover import ssdp
from bat2influx.commands.discover.ssdp import Description, DescriptionUrl, SearchResponse
from bat2influx.net.deadline import shutdown_after
from bat2influx.printable import plain

SENT_AT = (0.0, 0.5, 1.0)  # s; UDP gets lost, so that each search is sent three times
LISTENING = 3.0  # s in all, a second longer than the last answer may take
FETCHING = 5.0  # s in all for a description
MAX_ANSWERS = 32
MAX_PER_ADDRESS = 4  # of these; a GX device sends one, and another program on it may send one more
MAX_HEAD = 16_384  # bytes before a description; a GX device sends 200; parsing takes ten times that
_TTL = 4  # as section 1.2.2 of the UPnP Device Architecture 1.0 has it
_AT_ONCE = 8

# netdevice(7); an ifreq is a name of 16 bytes and a union as large as a struct ifmap
_SIOCGIFCONF, _SIOCGIFFLAGS, _UP, _LOOPBACK = 0x8912, 0x8913, 0x1, 0x8
_IFREQ = struct.calcsize("16s2LHBBB0L")
_MAX_ADDRESSES = 512


@dataclass(frozen=True, slots=True)
class Interface:
    """An IPv4 address of this machine, and the interface that has it; one can have several."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A GX device that has answered from `address`."""

    address: str
    description: Description


class NoDescriptionError(Exception):
    """A description could not be read; the text says why."""


def interfaces() -> tuple[Interface, ...]:
    """Return the IPv4 addresses of all interfaces that are up, without the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        buffer = array.array("B", bytes(_MAX_ADDRESSES * _IFREQ))
        where, size = buffer.buffer_info()
        answer = fcntl.ioctl(control, _SIOCGIFCONF, struct.pack("iP", size, where))
        (size,) = struct.unpack_from("i", answer)
        return tuple(_usable(control, buffer.tobytes()[:size]))


def _usable(control: socket.socket, table: bytes) -> Iterator[Interface]:
    for start in range(0, len(table), _IFREQ):
        entry = table[start : start + _IFREQ]
        try:
            answer = fcntl.ioctl(control, _SIOCGIFFLAGS, entry)
        except OSError:  # the interface has just been removed
            continue
        (flags,) = struct.unpack_from("H", answer, 16)
        if flags & _UP and not flags & _LOOPBACK:
            label = entry[:16].partition(b"\0")[0].decode(errors="replace")
            # behind the family and the port of a sockaddr_in; eth0:1 is a label of eth0
            yield Interface(label.partition(":")[0], socket.inet_ntoa(entry[20:24]))


def find_devices(
    out_of: Sequence[Interface], say: Callable[[str], None]
) -> tuple[FoundDevice, ...]:
    """Search, and return the devices that have answered, one for each address.

    `say` gets problems, in lines for people.
    """
    answers: dict[str, list[SearchResponse]] = {}
    for answer in search(out_of, say):
        answers.setdefault(answer.address, []).append(answer)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        described = list(pool.map(_described, answers.values()))
    found = dict[str, Description]()
    for address, (found[address], odd) in zip(answers, described, strict=True):
        for what in odd:
            say(f"{address} answered as a Venus device, but {what}")
    return tuple(FoundDevice(*item) for item in sorted(found.items()))


def _described(answers: Sequence[SearchResponse]) -> tuple[Description, list[str]]:
    """Return the description of an address, and problems; none is read after a portal id."""
    best, odd = Description(), list[str]()
    for answer in answers:
        outcome = _description(answer)
        if isinstance(outcome, str):
            odd.append(outcome)
        else:
            best = outcome
        if best.portal:
            break
    return best, odd


def _description(answer: SearchResponse) -> Description | str:
    place = ssdp.description_url(answer)
    if place is None:
        return f"refers to {plain(answer.location) or 'nothing'}, which is not queried"
    try:
        xml = fetch(place)
    except NoDescriptionError as error:
        return f"its description cannot be read: {error}"
    return ssdp.describe(xml) or "its description is not valid XML"


def search(out_of: Sequence[Interface], say: Callable[[str], None]) -> tuple[SearchResponse, ...]:
    """Send the search out of each interface, and return the answers of GX devices, each once."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        senders = []
        for interface in out_of:
            try:
                sock = stack.enter_context(closing(_socket(interface)))
            except OSError as error:
                say(f"cannot search on {interface}: {error.strerror or error}")
            else:
                selector.register(sock, selectors.EVENT_READ)
                senders.append(sock)
        return tuple(_collect(senders, selector, say))


def _socket(interface: Interface) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((interface.address, 0))
        index = socket.if_nametoindex(interface.name)
        group = struct.pack("4s4si", bytes(4), bytes(4), index)  # ip_mreqn of ip(7)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, group)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
    except OSError:
        sock.close()
        raise
    return sock


def _collect(
    senders: Sequence[socket.socket],
    selector: selectors.BaseSelector,
    say: Callable[[str], None],
) -> Iterable[SearchResponse]:
    begin = time.monotonic()
    due = list(SENT_AT)
    answers: dict[SearchResponse, None] = {}
    of_address = Counter[str]()
    while senders and (now := time.monotonic() - begin) < LISTENING:
        if due and now >= due[0]:
            due.pop(0)
            for sock in senders:
                with suppress(OSError):  # no route out of this interface, or no link
                    sock.sendto(ssdp.search_request(), (ssdp.GROUP, ssdp.SSDP_PORT))
        until = due[0] if due else LISTENING
        for key, _ in selector.select(max(0.0, until - now)):
            answer = _receive(key.fileobj)  # type: ignore[arg-type]
            if answer is None or answer in answers:
                continue
            of_address[answer.address] += 1
            if of_address[answer.address] > MAX_PER_ADDRESS:
                if of_address[answer.address] == MAX_PER_ADDRESS + 1:
                    what = f"more than {MAX_PER_ADDRESS} answers came from {answer.address}"
                    say(f"{what}; the others are ignored")
                continue
            if len(answers) == MAX_ANSWERS:
                say(f"more than {MAX_ANSWERS} answers came; the others are ignored")
                return answers
            answers[answer] = None
    return answers


def _receive(sock: socket.socket) -> SearchResponse | None:
    try:
        datagram, (address, _) = sock.recvfrom(4096)
    except OSError:  # no datagram, or the error of an earlier send
        return None
    return ssdp.parse_response(datagram, address)


class _Head:
    """The lines before the document, with a limit in bytes."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._left = MAX_HEAD

    def readline(self, most: int) -> bytes:
        line = self._file.readline(min(most, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise NoDescriptionError(f"its header is larger than {MAX_HEAD // 1024} KiB")
        return line


class _Response(http.client.HTTPResponse):
    """A response whose head is bounded as a whole.

    http.client accepts 100 lines of 64 KiB, and needs ten times their size to parse them.
    """

    def begin(self) -> None:
        file = self.fp
        self.fp = _Head(file)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            self.fp = file


def fetch(place: DescriptionUrl, seconds: float = FETCHING) -> bytes:
    """Return the document at `place`.

    Raises NoDescriptionError if it is not complete within `seconds` in all, is larger than 64 KiB,
    has a head of more than 16 KiB, or if the status is not 200.
    """
    connection = http.client.HTTPConnection(place.host, place.port, timeout=seconds)
    connection.response_class = _Response
    begin = time.monotonic()
    try:
        connection.connect()
        with shutdown_after(connection.sock, begin + seconds - time.monotonic()) as over:
            try:
                connection.request("GET", place.path, headers={"Connection": "close"})
                response = connection.getresponse()
                document = response.read(ssdp.MAX_DESCRIPTION + 1)
            finally:
                if over.expired:
                    raise TimeoutError
    except TimeoutError:
        raise NoDescriptionError(f"it takes more than {seconds:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        what = f"{type(error).__name__} at port {place.port}"
        raise NoDescriptionError(what) from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise NoDescriptionError(f"status {response.status} from port {place.port}")
    if len(document) > ssdp.MAX_DESCRIPTION:
        raise NoDescriptionError(f"it is larger than {ssdp.MAX_DESCRIPTION // 1024} KiB")
    return document

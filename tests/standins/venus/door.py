"""A Venus device's front door: its ports, TLS and login, before a real Mosquitto without logins.

The source of the profiles and of all rules of logins is VENUS, "Login and security profiles". The
broker's reaction to bytes for the wrong port was seen with Mosquitto 2.0.11 on OpenSSL 3.0 and
2.0.21 on 3.5: plain MQTT on the TLS port gets no alert but an RST (a FIN if it is exactly the five
bytes that OpenSSL reads first), a ClientHello on the plain port an RST.

Rules: one thread runs the loop and owns every connection and the lists, which only grow. A setting
from outside applies to the next connection. Wrong passwords are neither stored nor shown.
"""

import asyncio
import random
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.standins.network.certificates import Certificate
from tests.standins.network.mqtt_peers import CONNECT
from tests.standins.venus import packets
from tests.standins.venus.lines import Line, TlsLine
from tests.standins.venus.login import Attempt, Login, Outcome, Profile
from tests.support.part import Part
from tests.support.process import free_port

REFUSAL_DELAY = 1.0, 6.0  # s, at random
BACKLOG = 512
LONGEST_CONNECT = 100_000  # bytes


@dataclass(frozen=True)
class FailedHandshake:
    """A failed TLS handshake.

    `reason` is OpenSSL's, as in WRONG_VERSION_NUMBER, or EOF if the client disconnected; `first`
    has the first bytes received, eight at most.
    """

    at: float
    reason: str
    first: bytes


class Door(Part):
    """The door of a device, on `host`; as a context manager it is open within the block.

    `ports` are those for plain MQTT and for TLS, 0 for free ones; which of them is open depends on
    the profile. `tokens` may change while it is open. `refusal_delay` has the bounds in s between
    which `chance` draws the delay of a refusal. `clock` is that of the lock against guessing.

    May be set at any time: `certificate`; `tls_versions`, the lowest and the highest;
    `hold_handshake`, with which TLS is never answered; `drip`, the pause in s after each byte that
    the door sends in a handshake.
    """

    def __init__(
        self,
        profile: Profile,
        broker_port: int,
        *,
        certificate: Certificate,
        password: str = "",
        tokens: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        ports: tuple[int, int] = (0, 0),
        refusal_delay: tuple[float, float] = REFUSAL_DELAY,
        chance: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        tls_versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (
            ssl.TLSVersion.TLSv1_2,
            ssl.TLSVersion.MAXIMUM_SUPPORTED,
        ),
    ) -> None:
        self.calls: list[float] = []  # monotonic, s, of each TCP connection
        self.attempts: list[Attempt] = []
        self.failed_handshakes: list[FailedHandshake] = []
        self.host = host
        self.plain_port, self.tls_port = ports
        self.certificate = certificate
        self.tls_versions = tls_versions
        self.hold_handshake = False
        self.drip = 0.0
        self._broker = "127.0.0.1", broker_port
        self._login = Login(profile, password, {} if tokens is None else tokens)
        self._refusal_delay = refusal_delay
        self._chance = chance or random.Random()
        self._clock = clock
        self._owners: dict[str, tuple[str | None, Line]] = {}
        self._servers: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)

    def set_up(self) -> None:
        """Open the ports of the profile."""
        self._thread.start()
        self._open_somewhere()

    @property
    def profile(self) -> Profile:
        """The current profile."""
        return self._login.profile

    def set_profile(self, profile: Profile) -> None:
        """Change the profile: all connections are closed, then the profile's ports are opened.

        Raises OSError when another process has taken a port that was closed.
        """
        self._do(self._shut())
        self._login.profile = profile
        self._do(self._open())

    def boot(self) -> None:
        """Begin as at the boot of a device: no password counts until `booted`."""
        self._login.booting = True

    def booted(self) -> None:
        """Accept passwords from now on."""
        self._login.booting = False

    def end_connections_of(self, user: str) -> None:
        """Close a user's connections, as a device does when the user's token is removed."""
        self._do(self._end(user))

    def close(self) -> None:
        """End every connection, close the ports and end the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self._do(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result()

    def _open_somewhere(self) -> None:
        given = self.plain_port, self.tls_port
        for left in reversed(range(5)):  # another process may take a free port first
            self.plain_port, self.tls_port = (port or free_port() for port in given)
            try:
                self._do(self._open())
            except OSError:
                self._do(self._shut())
                if not left or all(given):
                    raise
            else:
                return

    # The following runs in the thread.

    async def _open(self) -> None:
        if self.profile.plain:
            self._listen(self.plain_port, tls=False)
        if self.profile.tls:
            self._listen(self.tls_port, tls=True)

    def _listen(self, port: int, *, tls: bool) -> None:
        server = socket.create_server((self.host, port), backlog=BACKLOG)
        server.setblocking(False)
        self._servers.append(server)
        self._loop.add_reader(server, self._accept, server, tls)

    def _accept(self, server: socket.socket, tls: bool) -> None:
        with suppress(BlockingIOError):
            while True:
                sock, _ = server.accept()
                self.calls.append(time.monotonic())
                task = self._loop.create_task(self._serve(sock, tls))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _shut(self) -> None:
        while self._servers:
            server = self._servers.pop()
            self._loop.remove_reader(server)
            server.close()
        await asyncio.sleep(0)  # a task that has not begun could not close its connection
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # asyncio closes a socket in the turn after its transport

    async def _end(self, user: str) -> None:
        for owner, line in list(self._owners.values()):
            if owner == user:
                await line.abort()

    async def _serve(self, sock: socket.socket, tls: bool) -> None:
        streams = await asyncio.open_connection(sock=sock)
        line = TlsLine(*streams, self._context()) if tls else Line(*streams)
        try:
            with suppress(OSError, EOFError):  # ssl.SSLError is an OSError
                if isinstance(line, TlsLine) and not await self._secure(line):
                    return
                await self._greet(line, tls=tls)
        finally:
            await line.abort()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.cert, self.certificate.key)
        if self.tls_versions[1] in {ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1}:
            context.set_ciphers("ALL:@SECLEVEL=0")  # by default OpenSSL rejects old versions
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = self.tls_versions
        return context

    async def _secure(self, line: TlsLine) -> bool:
        """Do the handshake; return whether it succeeded."""
        if self.hold_handshake:
            await line.ignore()
            return False
        try:
            await line.shake_hands(self.drip)
        except (OSError, EOFError) as error:
            reason = getattr(error, "reason", None) or "EOF"
            self.failed_handshakes.append(FailedHandshake(time.monotonic(), reason, line.first))
            await line.drop()
            return False
        return True

    async def _greet(self, line: Line, *, tls: bool) -> None:
        """Read the CONNECT and answer it, or pass it to Mosquitto."""
        try:
            connect = packets.parse(*await _first_packet(line))
        except packets.MalformedError:
            await line.drop()
            return
        except packets.VersionError:
            await line.send(packets.connack(packets.MQTT_3_1_1, 1, 0x84))
            await line.close()
            return
        outcome = self._judge(connect, tls=tls)
        if outcome is Outcome.ACCEPTED:
            await self._let_in(line, connect)
            return
        if outcome is not Outcome.DROPPED:
            await asyncio.sleep(self._chance.uniform(*self._refusal_delay))
            await line.send(packets.connack(connect.level, 5, 0x87))
        await line.close()

    def _judge(self, connect: packets.Connect, *, tls: bool) -> Outcome:
        owners = {client_id: user for client_id, (user, _) in self._owners.items()}
        outcome = self._login.decide(connect, self._clock(), owners)
        given, right = connect.password is not None, self._login.is_right(connect)
        who = connect.client_id, connect.user
        self.attempts.append(Attempt(time.monotonic(), tls, *who, given, right, outcome))
        return outcome

    async def _let_in(self, line: Line, connect: packets.Connect) -> None:
        """Relay bytes both ways until one side ends.

        Mosquitto itself closes an older client of the same id, and so its older connection here.
        """
        if connect.client_id:
            self._owners[connect.client_id] = connect.user, line
        try:
            back = Line(*await asyncio.open_connection(*self._broker))
            try:
                await back.send(connect.anonymous)
                await self._join(line, back)
                await asyncio.gather(line.close(), back.close())
            finally:
                await back.abort()
        finally:
            if self._owners.get(connect.client_id, (None, None))[1] is line:
                del self._owners[connect.client_id]

    async def _join(self, line: Line, back: Line) -> None:
        ways = [self._loop.create_task(_carry(*way)) for way in ((line, back), (back, line))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _carry(source: Line, target: Line) -> None:
    while data := await source.receive():
        await target.send(data)


async def _first_packet(line: Line) -> tuple[int, bytes]:
    """Return the first byte and the body of the first packet, read no further than needed."""
    first = (await line.take(1))[0]
    if first >> 4 != CONNECT:
        raise packets.MalformedError
    length = 0
    for shift in (0, 7, 14, 21):
        digit = (await line.take(1))[0]
        length |= (digit & 0x7F) << shift
        if digit < 0x80:
            break
    if length > LONGEST_CONNECT:
        raise packets.MalformedError
    return first, await line.take(length)

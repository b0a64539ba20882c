"""The event loop's selector for devices, and the descriptor that wakes it.

Signals and other threads write to that descriptor. The caller reads the clock, and calls nothing
in the loop that may block.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

from bat2influx.clock import Now
from bat2influx.device.source import Source

STALL = 0.5  # s beyond its timeout, after which a wait counts as a stall of the machine


class Loop:
    """Waits for events of devices, and calls their `step`."""

    def __init__(self) -> None:
        self.wakeup = Wakeup()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.wakeup, selectors.EVENT_READ)
        self._owners: dict[int, object] = {}  # by descriptor, whose number may be reused
        self._stood_still = 0.0  # s that the latest wait took beyond its timeout

    def wait(
        self,
        devices: Sequence[Source],
        look: Callable[[], Now],
        most: float,
        more: Iterable[int] = (),
    ) -> dict[int, int]:
        """Wait for sockets, signals, threads and timeouts of devices; return what is ready.

        The wait takes at most `most` s of the clock that `look` reads. `more` are descriptors to
        read from, in addition to those of the devices.
        """
        now = look()
        self._watch(devices, more)
        timeout = min([most, *(device.timeout(now) for device in devices)])
        ready = {key.fd: mask for key, mask in self._selector.select(timeout)}
        self._stood_still = look().mono - now.mono - max(0.0, timeout)
        if ready.pop(self.wakeup.fileno(), None):
            self.wakeup.drain()
        return ready

    def step(self, devices: Sequence[Source], ready: dict[int, int], now: Now) -> bool:
        """Step each device; return whether one of them has received a message."""
        heard = False
        for device in devices:
            if self._stood_still > STALL:
                device.stalled(self._stood_still)
            mask = ready.get(device.fileno(), 0)
            before = device.messages
            device.step(
                now,
                readable=bool(mask & selectors.EVENT_READ),
                writable=bool(mask & selectors.EVENT_WRITE),
            )
            heard = heard or device.messages > before
        return heard

    def close(self) -> None:
        """Close the selector, and reset the signals' wake-up descriptor."""
        self._selector.close()
        self.wakeup.close()

    def _watch(self, devices: Sequence[Source], more: Iterable[int]) -> None:
        wanted = dict.fromkeys((self.wakeup.fileno(), *more), selectors.EVENT_READ)
        before, self._owners = self._owners, {}
        for device in devices:
            if device.fileno() >= 0:
                write = selectors.EVENT_WRITE if device.wants_write else 0
                wanted[device.fileno()] = selectors.EVENT_READ | write
                self._owners[device.fileno()] = device.connection
        watched = {key.fd: key.events for key in self._selector.get_map().values()}
        for fd in watched.keys() - wanted.keys():
            self._selector.unregister(fd)
        for fd in wanted.keys() - watched.keys():
            self._selector.register(fd, wanted[fd])
        for fd in wanted.keys() & watched.keys():
            if self._owners.get(fd) is not before.get(fd):  # the kernel dropped the closed one
                self._selector.unregister(fd)
                self._selector.register(fd, wanted[fd])
            elif wanted[fd] != watched[fd]:
                self._selector.modify(fd, wanted[fd])


class Wakeup:
    """A descriptor that signals and threads make readable, and flags for what signals requested."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Wake the main loop, from any thread."""
        with contextlib.suppress(OSError):  # full: already awake; closed: the loop has ended
            self._writer.send(b"w")

    def drain(self) -> None:
        """Drain the wake-up socket."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def close(self) -> None:
        """Reset the signals' wake-up descriptor, and close the sockets."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True

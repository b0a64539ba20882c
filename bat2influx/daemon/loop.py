"""The event loop's selector for devices, and the descriptor that wakes it.

Signals and other threads write to that descriptor. The caller reads the clock, and calls nothing
in the loop that may block.

Under load messages gather: after a step with FEW messages the next one follows GATHER later, so
that more values share the fixed cost of a step. A flood would otherwise be read in portions of ten.
The messages wait in the socket, and their arrival is when they are read. After a step with MANY
there is no pause, because it would limit the rate. Answers of polled devices do not wait: when they
come shows which request they answer.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

from bat2influx.clock import Now
from bat2influx.device.source import Source

FEW = 16  # messages in a step; a tick of nine values has fewer
MANY = 500  # messages in a step; some 50 bytes each, so that received pieces (link.py) hold more
GATHER = 0.005  # s; a quarter of the distance between requests under load (pacing.py)
STALL = 0.5  # s beyond its timeout, after which a wait counts as a stall of the machine
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
_WAKEUP: tuple[int, object] = (selectors.EVENT_READ, None)  # of a descriptor without an owner


class Loop:
    """Waits for events of devices, and calls their `step`."""

    def __init__(self) -> None:
        self.wakeup = Wakeup()
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, tuple[int, object]] = {}  # by descriptor: events, and the owner,
        # because the number of a descriptor may be reused
        self._gathering = False  # whether messages should gather before the next step
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
        pause = GATHER if self._gathering and timeout >= GATHER else 0.0
        if pause:
            time.sleep(pause)
        ready = {key.fd: mask for key, mask in self._selector.select(timeout - pause)}
        self._stood_still = look().mono - now.mono - max(0.0, timeout)
        if ready.pop(self.wakeup.fileno(), None):
            self.wakeup.drain()
        return ready

    def step(self, devices: Sequence[Source], ready: dict[int, int], now: Now) -> bool:
        """Step each device; return whether one of them has received a message."""
        before = sum(device.messages for device in devices)
        for device in devices:
            if self._stood_still > STALL:
                device.stalled(self._stood_still)
            mask = ready.get(device.fileno(), 0)
            device.step(
                now,
                readable=bool(mask & selectors.EVENT_READ),
                writable=bool(mask & selectors.EVENT_WRITE),
            )
        received = sum(device.messages for device in devices) - before
        self._gathering = FEW <= received < MANY and all(each.notified for each in devices)
        return received > 0

    def close(self) -> None:
        """Close the selector, and reset the signals' wake-up descriptor."""
        self._selector.close()
        self.wakeup.close()

    def _watch(self, devices: Sequence[Source], more: Iterable[int]) -> None:
        """Watch these descriptors from now on; nearly always they are the same as before."""
        wanted = dict.fromkeys((self.wakeup.fileno(), *more), _WAKEUP)
        for device in devices:
            if (fd := device.fileno()) >= 0:
                wanted[fd] = (
                    _BOTH if device.wants_write else selectors.EVENT_READ,
                    device.connection,
                )
        before, self._watched = self._watched, wanted
        if wanted == before:
            return
        for fd in before.keys() - wanted.keys():
            self._selector.unregister(fd)
        for fd, (events, owner) in wanted.items():
            if fd not in before:
                self._selector.register(fd, events)
            elif owner is not before[fd][1]:  # the kernel dropped the closed one
                self._selector.unregister(fd)
                self._selector.register(fd, events)
            elif events != before[fd][0]:
                self._selector.modify(fd, events)


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

"""The keeper without threads: waiting advances the time, and a database made by hand answers.

What is to happen is noted with its moment (`at`), and the keeper then runs until it is over.
"""

from __future__ import annotations

import heapq
import queue
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.delivery import delivery
from bat2influx.delivery.delivery import MAX_BATCH, Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import OVERHEAD, MemoryQueue
from bat2influx.delivery.spool import FRESH, Spool
from bat2influx.failure import Backoff, Trouble
from bat2influx.influx.outcome import Outcome, RejectedLine
from bat2influx.reading import NS

IDLE = 100.0  # s
NEVER = 1e6  # s
Answer = Callable[[Sequence[bytes]], Outcome]

AWAY = Trouble("database", "InfluxDB is away", Backoff.DATABASE)
CLOSED = Trouble("database login", "InfluxDB lets nobody in", Backoff.DATABASE_LOGIN)


def lines(first: int, last: int) -> list[bytes]:
    """Return lines with the timestamps first to last - 1."""
    return [b"dc V=1 %04d" % number for number in range(first, last)]


def stamps(batch: Sequence[bytes]) -> list[int]:
    """Return the timestamps of lines."""
    return [int(line.split()[-1]) for line in batch]


def accepts(batch: Sequence[bytes]) -> Outcome:
    """Accept all."""
    return Outcome(accepted=len(batch))


def fails(
    why: Trouble = AWAY, retry_after: float | None = None, *, uncertain: bool = False
) -> Answer:
    """Return an answer that decides nothing."""
    return lambda batch: Outcome(
        undecided=[*batch], trouble=why, retry_after=retry_after, uncertain=uncertain
    )


def rejects(reason: str = "bad", *those: int) -> Answer:
    """Return an answer that rejects lines with some timestamps, or all, and accepts the rest."""

    def answer(batch: Sequence[bytes]) -> Outcome:
        bad = [line for line in batch if not those or stamps([line])[0] in those]
        rejected = [RejectedLine(line, reason) for line in bad]
        return Outcome(accepted=len(batch) - len(bad), rejected=rejected)

    return answer


class Writer:
    """A database that gives its answers in turn, the last for ever; `takes` is in s."""

    def __init__(self, *answers: Answer, name: str = "a", takes: float = 0.0) -> None:
        self.where, self.peer = f"{name}:8086", f"InfluxDB at {name}:8086"
        self.takes = takes
        self.lines_at_once = MAX_BATCH
        self.cuts = 0
        self._answers = deque(answers or (accepts,))

    def write(self, batch: Sequence[bytes], progress: Callable[[], None]) -> Outcome:
        """Return what becomes of lines."""
        progress()
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        return answer(batch)

    def abort(self) -> None:
        """Note it."""
        self.cuts += 1


class Keeper:
    """A delivery with its keeper, and all that it uses; times are in s since the start."""

    def __init__(
        self,
        state: Path,
        patch: pytest.MonkeyPatch,
        *answers: Answer,
        room: int = 100_000,
        fresh: float = FRESH,
        takes: float = 0.0,
    ) -> None:
        """`room` is how many lines there is room for in memory."""
        self.now = 0.0
        self.wall = 1_767_225_610 * NS
        own = SimpleNamespace(monotonic=lambda: self.now, time_ns=lambda: self.wall)
        patch.setattr(delivery, "time", own)
        patch.setattr(delivery, "random", SimpleNamespace(random=lambda: 0.0))  # the least delay
        self.memory = MemoryQueue(room * (len(lines(0, 1)[0]) + OVERHEAD))
        self.disk_queue = DiskQueue(state, 10**7, lock_timeout=0.0, linger=0.0)
        self.spool = Spool(self.memory, self.disk_queue, fresh=fresh, clock=lambda: self.now)
        self.writer: Any = Writer(*answers, takes=takes)
        self.woken = 0
        self.made = Delivery(self.spool, self.writer, idle=IDLE, wake=self._wake)
        self.joins: list[float] = []
        self.made._keeper = self.made._sender = SimpleNamespace(  # type: ignore[assignment]
            join=self.joins.append, is_alive=lambda: False
        )
        self.made._changed = self  # type: ignore[assignment]
        self.requests: list[tuple[float, list[int]]] = []  # each with its moment
        self.turns: list[float] = []
        self._notified = False
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._number = count()

    def at(self, moment: float, call: Callable[..., object], *given: object) -> None:
        """Call something at that time."""
        event = moment, next(self._number), lambda: call(*given)
        heapq.heappush(self._events, event)

    def put(self, moment: float, first: int, last: int) -> None:
        """Put lines at that time."""
        self.at(moment, self.made.put, lines(first, last))

    def run(self, until: float) -> None:
        """Run the keeper until a time at which it ends without further work."""
        self.at(until, self._end)
        self.made._run_keeper()
        self.made._stop_at = None

    def take(self) -> Any:
        """Begin a request: the batch is being sent, and gets no answer."""
        self.made._send_next()
        assert self.made._in_flight
        return self.made._in_flight[1]

    def settle(self, answer: Answer) -> Outcome:
        """Answer the pending request, and let the keeper process the answer."""
        assert self.made._in_flight
        outcome = answer(self.made._in_flight[1].lines)
        self.made._settle(outcome)
        self.made._publish()
        return outcome

    # What the keeper waits on

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def notify_all(self) -> None:
        """Wake the keeper, if it waits; nothing else wakes it before its timeout."""
        self._notified = True

    def wait_for(self, has_work: Callable[[], bool], timeout: float) -> None:
        """Start the sender, and advance the time until there is work, or until the timeout."""
        assert len(self.turns) < 10_000, "it does not come to rest"
        self.turns.append(self.now)
        self._send()
        until = self.now + timeout
        if has_work():
            return
        self._notified = False
        while not (self._notified and has_work()):
            self._notified = False
            if not self._events or self._events[0][0] > until:
                self.now = until
                return
            moment, _, call = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            call()

    def _send(self) -> None:
        try:
            writer, batch = self.made._batches.get_nowait()
        except queue.Empty:
            return
        self.requests.append((self.now, stamps(batch.lines)))
        outcome = writer.write(batch.lines, self.made._mark_sender)
        self.at(self.now + writer.takes, self._answer, outcome)

    def _answer(self, outcome: Outcome) -> None:
        self.made._outcome = outcome
        self.notify_all()

    def _end(self) -> None:
        self.made._stop_at = self.now
        self.notify_all()

    def _wake(self) -> None:
        self.woken += 1

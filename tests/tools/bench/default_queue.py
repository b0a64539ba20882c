"""A flood through a Mosquitto with its defaults, which queues 1,000 messages for a slow client.

Mosquitto drops further messages without an error. The broker is a separate one; all contenders and
mosquitto_sub take turns. Rates and processor time are those of received or stored values, from the
flood's first packet to the last of them.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.standins.network.mosquitto import Mosquitto
from tests.support import long_run, programs
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait
from tests.support.process import Process
from tests.support.resources import memory
from tests.tools.bench.burst import INSTANCE, blast, burst_at, packets, reference
from tests.tools.bench.clock import processor
from tests.tools.bench.contenders import Contender, stop
from tests.tools.bench.devices import telemetry
from tests.tools.bench.fleet import settle, stored
from tests.tools.bench.table import Figure
from tests.tools.bench.targets import QUEUE

DEFAULT = "log_type error\nlog_type subscribe\n"
SUB = "mosquitto_sub"
QUIET = 1.5  # s without new values, plus the contender's own delay
PORTAL = "c0619ab1c3d"  # and a digit


@dataclass
class Took:
    """The results of the floods so far; elapsed s, and s of the processor."""

    said: int = 0
    had: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    worst: int = 0  # most lost values of one flood

    def add(self, said: int, had: int, seconds: float, used: float) -> None:
        """Add the results of a flood."""
        self.said, self.had = self.said + said, self.had + had
        self.seconds, self.processor = self.seconds + seconds, self.processor + used
        self.worst = max(self.worst, said - had)

    @property
    def rate(self) -> float:
        """Values that arrived, per second."""
        return self.had / self.seconds

    @property
    def lost(self) -> float:
        """The share of all published values, in %."""
        return 100 * (1 - self.had / self.said)

    @property
    def cost(self) -> float:
        """Processor time per value that arrived, in µs."""
        return 1e6 * self.processor / max(self.had, 1)


def measure(
    directory: Path, setting: Setting, contenders: Sequence[Contender], values: int, rounds: int
) -> tuple[list[Figure], dict[str, int]]:
    """Return the figures of so many floods for each, and each one's largest memory in bytes.

    The first of `contenders` is compared with the others. A flood before is the warm-up.
    """
    took = {name: Took() for name in (SUB, *(each.name for each in contenders))}
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(directory / "queue", config=DEFAULT))
        own = stack.enter_context(Setting(directory, broker, setting.influxdb))
        running: list[tuple[Contender, str, str, Process]] = []
        for number, contender in enumerate(contenders):
            portal, db = f"{PORTAL}{number}", f"queue_{number}"
            setting.influxdb.query(f"CREATE DATABASE {db}")
            device = reference("device", broker.port, portal, str(INSTANCE))
            stack.callback(device.wait)
            stack.callback(device.kill)
            process = contender.start(own, db, portal)
            stack.callback(process.kill)
            running.append((contender, portal, db, process))
        for number in range(rounds + 1):
            long_run.progress(f"flood {number} of {rounds}, default queue")
            for contender, portal, db, process in running:
                data = flood(contender, portal, values)
                found = _into(own, contender, portal, db, process, data, values)
                if number:
                    took[contender.name].add(values, *found)
            found = _to_sub(own, directory / "received", values)
            if number:
                took[SUB].add(values, *found)
        peaks = {each.name: memory(process.pid, peak=True) for each, _, _, process in running}
        for *_, process in running:
            stop(process)
    return figures(took, contenders[0].name), peaks


def figures(took: Mapping[str, Took], ours: str) -> list[Figure]:
    """Return the figures of the floods: of `ours`, and compared with every other."""
    one, made = took[ours], []
    made += [
        Figure(f"{QUEUE}, lost", one.lost, "%"),
        Figure(f"{QUEUE}, lost of one flood at most", one.worst, "values"),
        Figure(f"{QUEUE}, processor", one.cost, "µs/value"),
    ]
    for name, other in took.items():
        if name != ours:
            made += [
                Figure(f"{QUEUE}, stored", one.rate, "values/s", other.rate, name),
                Figure(f"{QUEUE}, lost", one.lost, "%", other.lost, name),
                Figure(f"{QUEUE}, processor", one.cost, "µs/value", other.cost, name),
            ]
    return made


def flood(contender: Contender, portal: str, values: int) -> bytes:
    """Return the packets of a flood in a contender's format."""
    if not contender.telemetry:
        return packets(portal, values)
    return b"".join(
        telemetry(portal, [f"{number}.{place}" for place in range(len(NINE))])
        for number in range(values // len(NINE))
    )


def _into(
    own: Setting,
    contender: Contender,
    portal: str,
    db: str,
    process: Process,
    data: bytes,
    values: int,
) -> tuple[int, float, float]:
    """Return the number of stored values, the elapsed time, and the processor time."""
    wanted = values // len(NINE) * len(NINE) if contender.telemetry else values
    used = processor(process.pid)
    since_ns, started = burst_at(own.mosquitto.port, portal, data)
    count = partial(stored, own, contender.schema, db, since_ns)
    last = settle(count, wanted, QUIET + contender.flush)
    return count(), last - started, processor(process.pid) - used


def _to_sub(own: Setting, received: Path, values: int) -> tuple[int, float, float]:
    """Return the same of mosquitto_sub, which writes a line for each into a file."""
    data, found = packets(f"{PORTAL}f", values), programs.find(SUB)
    log, topic = own.mosquitto.log, f"N/{PORTAL}f/#"
    before = log.read_text().count(topic)
    command = [found.path, "-p", str(own.mosquitto.port), "-t", topic, "-F", "x"]
    with received.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, env=found.environment)
    try:
        wait(SUB, lambda: log.read_text().count(topic) > before)
        started = time.monotonic()
        blast(own.mosquitto.port, data)
        last = settle(lambda: received.stat().st_size // 2, values, QUIET)
    finally:
        child.terminate()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    used = usage.ru_utime + usage.ru_stime
    return received.stat().st_size // 2, last - started, used

"""The cost of normal operation: nine values per second, as a device publishes them.

The daemon reads, and the reference that posts each value gets the same answers, so that both do the
same work; so do peers. All of them run at once: the load of one does not disturb the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.standins.venus.device import Device
from tests.support.compare import FAST, NINE, stored_values
from tests.support.daemon import Setting, wait
from tests.support.process import Process
from tests.support.resources import memory, written
from tests.tools.bench.burst import blast, reference
from tests.tools.bench.clock import processor
from tests.tools.bench.contenders import Contender, Version, stop
from tests.tools.bench.devices import telemetry
from tests.tools.bench.life import imports
from tests.tools.bench.table import Figure

PORTAL = "c0619ab1c2e"
MB = 1e6


@dataclass(frozen=True)
class Took:
    """The cost of one in so many `seconds`: s of the processor, bytes to disk and of memory."""

    seconds: float
    processor: float
    wrote: int
    rest: int
    peak: int

    @property
    def cost(self) -> float:
        """Processor time per second, in ms."""
        return 1e3 * self.processor / self.seconds


def measure(
    setting: Setting, seconds: float, versions: Sequence[Version], peers: Sequence[Contender] = ()
) -> tuple[list[Figure], int]:
    """Run all for so long, in parallel; return the figures, and the daemon's largest memory.

    Each version reads a separate device. The peers get the first one's answers.
    """
    portals = [PORTAL, *(f"{PORTAL}{number}" for number in range(1, len(versions)))]
    setting.venus(*(Device(portal) for portal in portals))
    setting.influxdb.query("CREATE DATABASE ordinary_each")
    with ExitStack() as stack:
        database = str(setting.influxdb.port)
        each = reference("each", setting.mosquitto.port, PORTAL, database, "ordinary_each")
        stack.callback(each.wait)
        stack.callback(each.kill)
        running: dict[str, Process] = {}
        for number, (version, portal) in enumerate(zip(versions, portals, strict=True)):
            db = "ordinary" if not number else f"ordinary_{number}"
            known = {"serial": portal, "instance": 275}
            daemon = version.daemon(setting, Battery=known, Influx={"db": db})
            stack.callback(daemon.kill)
            wait("values", lambda db=db: len(stored_values(setting, "Voltage", db=db)) > 2)
            running[version.name] = daemon
        for number, peer in enumerate(peers):
            db = f"ordinary_peer_{number}"
            setting.influxdb.query(f"CREATE DATABASE {db}")
            running[peer.name] = peer.start(setting, db, PORTAL)
            stack.callback(running[peer.name].kill)
        begun = time.time_ns()
        before = {name: _used(one.pid) for name, one in running.items()}
        early = processor(each.pid)
        ends = time.monotonic() + seconds
        number = 0
        while (left := ends - time.monotonic()) > 0:
            if any(peer.telemetry for peer in peers):
                values = [f"{number}.{place}" for place in range(len(NINE))]
                blast(setting.mosquitto.port, telemetry(PORTAL, values))
            number += 1
            time.sleep(min(1.0, left))
        took = {name: _took(one.pid, seconds, before[name]) for name, one in running.items()}
        theirs = processor(each.pid) - early
        ended = time.time_ns()
        for one in running.values():
            stop(one)
    whole = covered(setting, begun, ended)
    return figures(took, versions[0].name, theirs / seconds, imports(), whole)


def figures(
    took: Mapping[str, Took], ours: str, posting: float, libraries: int, whole: float
) -> tuple[list[Figure], int]:
    """Return the figures of `ours`, alone and compared, and its largest memory in bytes.

    `posting` is the processor time, s/s, of one post per value, `libraries` the memory of the
    imports in bytes, `whole` the share of seconds with every fast field.
    """
    one, cost, rest = took[ours], "processor at 9 values/s", "memory at rest"
    each = "a post for each value"
    made = [
        Figure(cost, one.cost, "ms/s"),
        Figure(cost, one.cost, "ms/s", 1e3 * posting, each, most=0.5),
        Figure(rest, one.rest / MB, "MB"),
        Figure(rest, one.rest / MB, "MB", libraries / MB, "its imports alone", most=1.25),
        Figure("seconds with every fast field", 100 * whole, "%", least=100),
        Figure("written to disk", one.wrote / one.seconds * 3600 / MB, "MB/h", most=0),
    ]
    for name, other in took.items():
        if name != ours:
            made.append(Figure(cost, one.cost, "ms/s", other.cost, name))
            made.append(Figure(rest, one.rest / MB, "MB", other.rest / MB, name))
    return made, one.peak


def _used(pid: int) -> tuple[float, int]:
    return processor(pid), written(pid)


def _took(pid: int, seconds: float, before: tuple[float, int]) -> Took:
    used, wrote = _used(pid)
    rest, peak = memory(pid), memory(pid, peak=True)
    return Took(seconds, used - before[0], wrote - before[1], rest, peak)


def covered(setting: Setting, begun: int, ended: int) -> float:
    """Return the share of whole seconds between two times that have each fast field."""
    second = 10**9
    wanted = set(range(begun // second + 1, ended // second))
    covered = wanted.copy()
    for field in FAST:
        covered &= {stamp // second for stamp, _ in stored_values(setting, field, db="ordinary")}
    return len(covered) / len(wanted)

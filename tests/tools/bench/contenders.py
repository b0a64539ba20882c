"""Whoever takes part in a measurement: this version, the one before, peers; each in the same way.

Rules: a contender is started for each measurement, with a directory and a database of its own,
and is subscribed when `start` returns. What it stores is found by its `Schema`.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Protocol

from tests import TOP
from tests.support.compare import NINE
from tests.support.daemon import Daemon, Setting
from tests.support.process import Process
from tests.tools.bench.targets import BEFORE

_numbers = count(1)


@dataclass(frozen=True)
class Schema:
    """Where a contender's values are: `last` is the field of the ninth value of a device.

    `group` are the tags that, with a field, make a series; `where` picks the ninth value of the
    device `{portal}` whose instance is 275.
    """

    measurement: str
    fields: tuple[str, ...]
    group: tuple[str, ...]
    last: str
    where: str

    def count(self, since_ns: int = 0) -> str:
        """Return the query for how many values there are from a time on, of each field."""
        return f'SELECT count(*) FROM "{self.measurement}" WHERE time >= {since_ns}'

    def distinct(self) -> list[str]:
        """Return the queries for how many different values each series has."""
        tags = ", ".join(f'"{tag}"' for tag in self.group)
        return [
            f'SELECT count(distinct("{field}")) FROM "{self.measurement}" GROUP BY {tags}'
            for field in self.fields
        ]

    def latest(self, portal: str) -> str:
        """Return the query for a device's latest ninth value."""
        where = self.where.format(portal=portal)
        return f'SELECT last("{self.last}") FROM "{self.measurement}" WHERE {where}'


OURS = Schema("dc", tuple(NINE), ("portal",), [*NINE][-1], "portal = '{portal}'")


class Contender(Protocol):
    """Somebody who takes part."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        ...

    @property
    def schema(self) -> Schema:
        """Where its values are."""
        ...

    @property
    def flush(self) -> float:
        """How long a value may wait by its configuration, in s."""
        ...

    @property
    def telemetry(self) -> bool:
        """Whether it is told the nine in one message (tests/tools/bench/devices.py)."""
        ...

    @property
    def asks_nothing(self) -> bool:
        """Whether devices have to speak without being kept awake by it."""
        ...

    def start(self, setting: Setting, db: str, portal: str) -> Process:
        """Start it; it stores into `db` what the device `portal` says, or all with "+"."""
        ...


class Version:
    """A version of the daemon, by where its checkout is."""

    schema = OURS
    flush = 0.0
    telemetry = False
    asks_nothing = False

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root

    def start(self, setting: Setting, db: str, portal: str) -> Daemon:
        """Start it with notifications, as a fleet is read, or one device whose serial is known."""
        battery: dict[str, object] = {"mode": "notify", "serial": portal, "instance": 275}
        if portal == "+":
            battery = {"mode": "notify", "serial": "*", "max_memory": "1GB"}
        daemon = self.daemon(setting, Battery=battery, Influx={"db": db})
        daemon.wait_for_log("receiving changes")
        return daemon

    def daemon(
        self,
        setting: Setting,
        environment: Mapping[str, str] | None = None,
        **sections: Mapping[str, object],
    ) -> Daemon:
        """Start it with these sections of its file, and a state directory of its own."""
        own = setting.directory / f"daemon-{next(_numbers)}"
        own.mkdir()
        config = setting.write_ini(**sections).rename(own / "bat2influx.ini")
        state = {"STATE_DIRECTORY": str(own / "state")}
        daemon = Daemon(config, own / "log", environment={**state, **(environment or {})})
        daemon.cwd = self.root
        daemon.start()
        return daemon


def present() -> Version:
    """The checkout as it is."""
    return Version("bat2influx", TOP)


def before(revision: str, directory: Path) -> Version:
    """Unpack a revision of this repository into a directory, which is made.

    Raises subprocess.CalledProcessError for a revision that is not there.
    """
    command = ["git", "-C", str(TOP), "archive", "--format=tar", revision]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(directory)
    return Version(BEFORE, directory)


def stop(process: Process) -> None:
    """End it, and have a daemon of ours end well."""
    code = process.stop(30.0)
    assert not isinstance(process, Daemon) or code == 0, process.tail()

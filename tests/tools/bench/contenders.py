"""The contenders of a measurement: this version, an older one, peers; all used in the same way.

Rules: a contender is started for each measurement, with a separate directory and database, and is
subscribed when `start` returns. Its `Schema` describes its stored values.
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
    """The schema of a contender's values: `last` is the field of the ninth value of a device.

    `group` are the tags that, with a field, make a series; `where` picks the ninth value of the
    device `{portal}` whose instance is 275.
    """

    measurement: str
    fields: tuple[str, ...]
    group: tuple[str, ...]
    last: str
    where: str

    def count(self, since_ns: int = 0) -> str:
        """Return the query for the number of values from a time on, of each field."""
        return f'SELECT count(*) FROM "{self.measurement}" WHERE time >= {since_ns}'

    def distinct(self) -> list[str]:
        """Return the queries for the number of different values of each series."""
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
    """A contender."""

    @property
    def name(self) -> str:
        """Its name in the table."""
        ...

    @property
    def schema(self) -> Schema:
        """The schema of its values."""
        ...

    @property
    def flush(self) -> float:
        """How long its configuration may delay a value, in s."""
        ...

    @property
    def telemetry(self) -> bool:
        """Whether it gets the nine in one message (tests/tools/bench/devices.py)."""
        ...

    @property
    def asks_nothing(self) -> bool:
        """Whether devices have to publish without its keepalives."""
        ...

    def start(self, setting: Setting, db: str, portal: str) -> Process:
        """Start it; it stores the values of the device `portal`, or of all for "+", in `db`."""
        ...


class Version:
    """A version of the daemon, by the folder of its checkout."""

    schema = OURS
    flush = 0.0
    telemetry = False
    asks_nothing = False

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root

    def start(self, setting: Setting, db: str, portal: str) -> Daemon:
        """Start it in mode notify, for a fleet, or for one device with a given serial."""
        battery: dict[str, object] = {"mode": "notify", "serial": portal, "instance": 275}
        if portal == "+":
            battery = {"mode": "notify", "serial": "*", "max_memory": "1GB"}
        daemon = self.daemon(setting, Battery=battery, Influx={"db": db})
        daemon.wait_for_log("(receiving|hearing of) changes")  # by an earlier version: hearing
        return daemon

    def daemon(
        self,
        setting: Setting,
        environment: Mapping[str, str] | None = None,
        **sections: Mapping[str, object],
    ) -> Daemon:
        """Start it with these sections of its file, and a separate state directory."""
        own = setting.directory / f"daemon-{next(_numbers)}"
        own.mkdir()
        config = setting.write_ini(**sections).rename(own / "bat2influx.ini")
        state = {"STATE_DIRECTORY": str(own / "state")}
        daemon = Daemon(config, own / "log", environment={**state, **(environment or {})})
        daemon.cwd = self.root
        daemon.start()
        return daemon


def present() -> Version:
    """The current checkout."""
    return Version("bat2influx", TOP)


def before(revision: str, directory: Path) -> Version:
    """Unpack a revision of this repository into a new directory.

    Raises subprocess.CalledProcessError for an unknown revision.
    """
    command = ["git", "-C", str(TOP), "archive", "--format=tar", revision]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(directory)
    return Version(BEFORE, directory)


def stop(process: Process) -> None:
    """Stop it; a daemon of this project has to exit with 0."""
    code = process.stop(30.0)
    assert not isinstance(process, Daemon) or code == 0, process.tail()

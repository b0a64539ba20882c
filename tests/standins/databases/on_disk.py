"""Measures the disk space of a database after all its compactions: InfluxDB, VictoriaMetrics.

Rules: bytes are those that the file system has allocated, not the files' length, because both
servers make sparse files. A size is measured when the values are in their final files. The files
themselves show that: the servers report the end of their work too early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics

BOUND = 900.0  # s, on a loaded machine
# By default InfluxDB deletes an idle shard's log after 10 min, and compacts the shard after 4 h.
COLD = "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION"
AT_ONCE = {
    COLD: "1s",
    "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "1s",
}


@dataclass(frozen=True)
class Size:
    """Bytes of the values themselves, of the write-ahead log, and of the shards' other files.

    `series` is the list of series and other indexes, which does not grow with time.
    """

    values: int = 0
    wal: int = 0
    beside: int = 0
    series: int = 0

    @property
    def growing(self) -> int:
        """The part that grows every day."""
        return self.values + self.wal + self.beside

    @property
    def all(self) -> int:
        return self.growing + self.series


def used(*places: Path) -> int:
    """Return the bytes of all files in these places: directories, files, or missing paths."""
    files = [
        file
        for place in places
        for file in (place.rglob("*") if place.is_dir() else [place])
        if file.is_file()
    ]
    return sum(file.stat().st_blocks * 512 for file in files)


def influxdb_size(server: InfluxDB, db: str, policy: str) -> Size:
    """Return the size of one policy; the list of series is that of all policies."""
    data, wal = server.directory / "data" / db, server.directory / "wal" / db
    values = used(*(data / policy).rglob("*.tsm"))
    beside = used(data / policy) - values
    return Size(values, used(wal / policy), beside, used(data / "_series"))


def victoria_size(server: VictoriaMetrics) -> Size:
    """Return the size of a server that is stopped, without its caches."""
    data = server.directory / "data"
    series = used(data / "indexdb", data / "metadata")
    return Size(used(data / "data"), series=series)


def hasty(server: InfluxDB) -> InfluxDB:
    """Configure a server, not yet started, to compact a shard as soon as writes to it end."""
    server.environment = {**(server.environment or {}), **AT_ONCE}
    return server


def settle_influxdb(server: InfluxDB) -> None:
    """Wait until each shard of a hasty server is one compacted file, with nothing in its log.

    Not after a restart: 1.6.7 keeps the log that it has at its start until the next value.
    """
    _wait("compaction by InfluxDB", lambda: _is_settled(server.directory))


def _is_settled(directory: Path) -> bool:
    # data/DATABASE/POLICY/SHARD; common to a database is data/DATABASE/_series
    shards = [path for path in (directory / "data").glob("*/[!_]*/[0-9]*") if path.is_dir()]
    if any(file.stat().st_size for file in (directory / "wal").rglob("*.wal")):
        return False
    files = [sorted(file.suffix for file in shard.glob("*.tsm*")) for shard in shards]
    return bool(files) and all(each == [".tsm"] for each in files)


def settle_victoria(server: VictoriaMetrics) -> None:
    """Make it merge its data into one part per month, and stop it."""
    server.restart()  # data in memory becomes parts
    server.ask("/internal/force_merge")
    _wait("merging by VictoriaMetrics", lambda: _is_merged(server.directory / "data" / "data"))
    server.stop()


def _is_merged(data: Path) -> bool:
    parts = [
        path.parts[-3] for kind in ("small", "big") for path in data.glob(f"{kind}/*/*/index.bin")
    ]
    return bool(parts) and len(parts) == len(set(parts))  # one per month, small or big


def _wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND
    while True:
        with suppress(FileNotFoundError):  # a file that was just replaced
            if condition():
                return
        assert time.monotonic() < deadline, f"waited {BOUND:g} s for {what}"
        time.sleep(0.1)

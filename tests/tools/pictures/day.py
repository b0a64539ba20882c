"""docs/pictures/day.svg: a day of a battery, with values that the daemon stored in InfluxDB.

Real are the daemon, Mosquitto, InfluxDB, every request, answer and write between them, and the
daemon's timestamps. The plotted values are queried from InfluxDB by InfluxQL as Grafana sends it.

Simulated are the battery, which is the stand-in in a house of tests/support/house.py, and the time:
the day takes a minute. Stand-in and daemon share a clock that jumps from one tick to the next as
soon as the values of a tick are in the database (leaps.py); the ticks are half a minute apart, so
that there are 2,880 of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bat2influx.reading import NS
from tests.standins.databases.influxdb import InfluxDB, InfluxDBError
from tests.standins.network.mosquitto import Mosquitto
from tests.support.daemon import Setting, wait
from tests.support.long_run import progress
from tests.tools.pictures.leaps import Leaps
from tests.tools.pictures.plot import Day
from tests.tools.pictures.standin import DAY, PORTAL, Lived, Prompt, device

FIRST = int(datetime(2026, 4, 18, tzinfo=UTC).timestamp())
SEED = 19
INTERVAL = 30  # s, the longest permitted
PATIENT = 3600.0  # s, the watchdog interval; jumps of the clock must not count as outages
NINE = 9
WITHIN = f"time >= {FIRST * NS} AND time < {(FIRST + DAY) * NS}"
POINTS = f"""
    SELECT mean("Power") AS battery, mean("Soc") AS soc, mean("P") AS mains
    FROM dc WHERE {WITHIN} GROUP BY time(2m) fill(none)"""
# Of minutes, because an integral of positive values alone would bridge negative ones.
ENERGY = f"""
    SELECT sum(w) / 60000 AS kwh
    FROM (SELECT mean("{{field}}") AS w FROM dc WHERE {WITHIN} GROUP BY time(1m))
    WHERE w {{sign}} 0"""


def lived(directory: Path) -> Day:
    """Run the daemon for a simulated day, and return its values from the database."""
    with _setting(directory) as made:
        clock = Leaps(directory / "leaps", FIRST - INTERVAL / 2)
        venus = Prompt(
            "127.0.0.1", made.mosquitto.port, device(Lived(FIRST, seed=SEED)), clock=clock.now
        )
        with venus:
            daemon = made.daemon(
                module="tests.tools.pictures.leaps",
                environment={"LEAPS": str(clock.file)},
                watchdog=PATIENT,
            )
            for second in range(-INTERVAL // 2, DAY, INTERVAL):
                clock.to(FIRST + second)
                wait(
                    "the values of a tick",
                    lambda at=second: _stored(made.influxdb, FIRST + at) == NINE,
                )
                if second % (4 * 3600) == INTERVAL // 2:
                    progress(f"{second // 3600:2} h of the day are stored")
            assert daemon.stop() == 0
        return _day(made.influxdb)


@contextmanager
def _setting(directory: Path) -> Iterator[Setting]:
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as made,
    ):
        made.ini["Battery"] |= {"serial": PORTAL, "instance": 275}
        made.ini["Battery"] |= {"interval": INTERVAL, "soc_interval": INTERVAL}
        yield made


def _stored(database: InfluxDB, since: int) -> int:
    """Return how many values are stored since then, in s since 1970."""
    try:
        rows = database.query(f"SELECT count(*) FROM dc WHERE time >= {since * NS}", "battery")
    except InfluxDBError as error:
        if "database not found" in str(error):
            return 0
        raise
    return sum(value or 0 for row in rows for name, value in row.items() if name != "time")


def _day(database: InfluxDB) -> Day:
    rows = database.query(POINTS, "battery", timeout=60.0)

    def kwh(field: str, sign: str) -> float:
        (row,) = database.query(ENERGY.format(field=field, sign=sign), "battery", timeout=60.0)
        return abs(float(row["kwh"]))

    return Day(
        hours=[(row["time"] / NS - FIRST) / 3600.0 for row in rows],
        battery=[row["battery"] for row in rows],
        soc=[row["soc"] for row in rows],
        mains=[row["mains"] for row in rows],
        charged=kwh("Power", ">"),
        discharged=kwh("Power", "<"),
        taken=kwh("P", ">"),
        fed_in=kwh("P", "<"),
    )

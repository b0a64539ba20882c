"""A database for the dashboards, filled by the daemon, in the daemon's way, and by `setup-db`.

Rules: it asks for a login; what is asked of it is asked by a user who may read, as in the README.
The daemon stores values of the stand-in. Older ones are written as it writes them, under the names
of its default fields, with a gap; so is what it tells about itself. Minutes and hours are made of
all that by the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bat2influx.daemon import metrics
from bat2influx.daemon.metrics import DeviceReport, Report
from bat2influx.influx.influxql import DAY, HOUR
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.reading import NS, Reading
from bat2influx.venus.units import DEFAULT_FIELDS
from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.support.daemon import Setting, wait
from tests.support.grafana import Json, View, chosen, load, series
from tests.support.house import rounds

OWN = str(chosen(load("daemon"))["measurement"])
OWN_FIELDS = {each.field for each in (*metrics.OF_DEVICE, *metrics.OF_DAEMON) if each.field}
OF_A_FLEET = {"devices", "devices_silent"}
NINE = {field.name for field in DEFAULT_FIELDS}
SITES = "houses"  # a measurement with the tag site
POWER = {"home": 1000.0, "boat": -50.0}  # W, which it holds of each
EVERY = 10  # s between older values
GAP = (3 * HOUR, 5 * HOUR)  # of the first day, where nothing came
QUICK = {"interval": 0.2, "soc_interval": 0.2, "instance": 275}

Shown = dict[str, list[tuple[int, float]]]  # (time in ms, value) by the name of a series


@dataclass(frozen=True)
class Filled:
    """A database with values from `first` to `end`, in s; `powers` are (time in s, W) by field."""

    server: InfluxDB
    first: int
    end: int
    powers: dict[str, list[tuple[float, float]]]

    def ask(self, query: str) -> Json:
        """Ask as Grafana's server does. Raises AssertionError for what is refused."""
        asked = {"db": "battery", "epoch": "ms", "q": query}
        answer: Json = json.loads(self.server.ask("/query", asked, timeout=60))
        assert "error" not in answer["results"][0], (query, answer)
        return answer

    def shown(self, view: View, panel: Json, target: Json) -> Shown:
        """Return what a panel shows of one of its queries."""
        return series(target, self.ask(view.query(panel, target)))


@contextmanager
def filled_in(directory: Path) -> Iterator[Filled]:
    """Fill a database in a directory, and end all that it took."""
    with (
        Mosquitto(directory / "mosquitto") as mosquitto,
        InfluxDB(directory / "influxdb", auth=True) as server,
        Setting(directory, mosquitto, server) as setting,
    ):
        server.create_admin("admin", "admin")
        login = {"user": "bat2influx", "password": "pw", "self_measurement": OWN}
        setting.ini["Influx"] |= login
        _setup_db(setting)
        first = int(time.time()) // DAY * DAY - 2 * DAY
        powers = _write_older(server, first, int(time.time()) - 60)
        _let_it_run(setting)
        _setup_db(setting)
        server.query("CREATE USER grafana WITH PASSWORD 'pw'; GRANT READ ON battery TO grafana")
        server.login = "grafana", "pw"
        yield Filled(server, first, int(time.time()), powers)


def _setup_db(setting: Setting) -> None:
    password = setting.directory / "password"
    password.write_text("admin")
    ini = setting.write_ini()
    admin = ("--admin", "admin", "--admin-password-file", password)
    subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", ini, "setup-db", *admin],
        cwd=TOP,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _write_older(server: InfluxDB, first: int, end: int) -> dict[str, list[tuple[float, float]]]:
    """Write what the daemon would have, and return the powers."""
    encoder, own, houses = map(Encoder, ("dc", OWN, SITES))
    powers: dict[str, list[tuple[float, float]]] = {"Power": [], "P": []}
    lines, names = [], set()
    for start_ns, answers in rounds(first, end - first, interval=EVERY):
        if GAP[0] <= start_ns // NS - first < GAP[1]:
            continue
        for stamp, field, value in answers:
            names.add(field)
            lines.append(encoder.encode(Reading(stamp, "", field, value)))
            if field in powers:
                powers[field].append((stamp / NS, value))
    assert names == NINE
    for number in range(HOUR // EVERY):
        time_ns = (end - HOUR + number * EVERY) * NS
        device = DeviceReport("", received=90 * number, devices=20, silent=1)
        report = Report(
            time_ns, EVERY * number, (device,), 80 * number, 3, 0, 0, 0.01, 0.1, 40_000_000
        )
        lines += [own.encode(each) for each in metrics.readings(report)]
        for site, power in POWER.items():
            lines.append(houses.encode(Reading(time_ns, site, "Power", power)))
    for at in range(0, len(lines), 20_000):
        body = b"\n".join(lines[at : at + 20_000])
        server.ask("/write", {"db": "battery"}, body, timeout=60)
    return powers


def _let_it_run(setting: Setting) -> None:
    """Let the daemon store values of the stand-in, and what it tells about itself."""
    setting.venus(Device("c0619ab1c2d3"))
    since = time.time_ns()
    daemon = setting.daemon(module="tests.support.hasty", Battery=QUICK)

    def stored(measurement: str) -> set[str]:
        query = f'SELECT * FROM "{measurement}" WHERE time > {since}'
        rows = setting.influxdb.query(query, "battery")
        return {name for row in rows for name, value in row.items() if value is not None}

    wait("values", lambda: stored("dc") >= NINE)
    wait("reports", lambda: stored(OWN) >= OWN_FIELDS - OF_A_FLEET)
    assert daemon.stop() == 0

"""Databases full of houses, for dashboards: real servers, filled in the daemon's way.

Rules: the houses of household.py are written as the daemon writes them: by its Encoder, one field
per line, into InfluxDB 1 and, if requested, VictoriaMetrics. The real daemon writes the last
seconds: it reads devices with the values of the houses. It has to store the same names, and a value
that is rejected for its type ends the run. `setup-db` creates policies, minutes and hours.

Days that are older than `Density.days` have hours and no minutes: minutes of all presets take the
server 5 s of processor time per day.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bat2influx.commands.setup_db.downsampling import HOURS, RawMeasurement, columns, fill
from bat2influx.commands.setup_db.plan import RAW
from bat2influx.config.settings import load
from bat2influx.daemon import metrics
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.reading import NOWHERE, NS, Origin
from tests import TOP
from tests.standins.databases import on_disk
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.standins.network.mosquitto import Mosquitto
from tests.support import household_itself
from tests.support.daemon import Setting, wait
from tests.support.household import BOAT, HOME, PLAIN, Household, Site, until
from tests.support.household_device import ALL, device
from tests.support.household_itself import DeviceCount
from tests.support.household_stored import Density, House
from tests.support.household_weather import DAY, HOUR, MINUTE
from tests.support.household_writing import TOGETHER, Writing

DB, MEASUREMENT, OWN = "battery", "dc", "itself"
OWN_OF_DAEMON = "itself_of_daemon"  # the real daemon's: it would show as a restart
OWN_FIELDS = {each.field for each in (*metrics.OF_DEVICE, *metrics.OF_DAEMON) if each.field}
OF_A_FLEET, OF_ONE = {"devices", "devices_silent"}, {"services_missing"}
MOST_DAYS = 90  # raw values are kept no longer
MAINS_LOST = (10 * HOUR, 10 * HOUR - 20 * MINUTE)  # s before the end
SILENT = {3: 7 * HOUR, 11: 20 * MINUTE}  # devices of a fleet that have stopped, and how long ago
LOW = 7  # one whose battery is never full
USUAL, SPARSE = Density(), Density(seconds=60, every=60)
QUICK = {"interval": 0.5, "soc_interval": 0.5}
READER = ("grafana", "pw")  # a user with the right to read

Ini = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Filled:
    """Servers with values of these houses from `first` to `end`, in s since 1970.

    InfluxDB requires a login; queries use that of READER. `written` counts the values.
    """

    influxdb: InfluxDB
    victoria: VictoriaMetrics | None
    first: int
    end: int
    houses: tuple[House, ...]
    written: int

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """The data sources for tests/tools/render, by the kind of the database."""
        made: dict[str, tuple[str, ...]] = {
            "influxdb": ("influxdb", self.influxdb.url, DB, *READER)
        }
        if self.victoria is not None:
            made["victoriametrics"] = ("victoriametrics", self.victoria.url)
        return made


@contextmanager
def house(
    directory: Path,
    *,
    days: float = 2.0,
    presets: Sequence[str] = ALL,
    density: Density = USUAL,
    victoria: bool = True,
    end: int = 0,
) -> Iterator[Filled]:
    """Fill servers with a house of three phases, and all its values of these presets.

    With `end`, in s since 1970, that is the time of the last value, and InfluxDB has those of that
    day (UTC) in memory and older ones on disk, as it does when values arrive all the time.
    """
    past, end = bool(end), end or int(time.time())
    made = House(_household(HOME, end, days), "c0619ab1c2d3", presets=presets)
    told = [DeviceCount("", len(made.values(end)))]
    with _filled(directory, end, days, [made], told, density, victoria, {}, past=past) as filled:
        yield filled


@contextmanager
def nine(
    directory: Path,
    *,
    days: float = 2.0,
    density: Density = USUAL,
    victoria: bool = True,
    end: int = 0,
) -> Iterator[Filled]:
    """Fill servers with the nine values of a house of one phase; `end` as for a `house`."""
    past, end = bool(end), end or int(time.time())
    made, told = (
        House(_household(PLAIN, end, days), "c0619ab1c2d3", presets=()),
        [DeviceCount("", 9)],
    )
    with _filled(directory, end, days, [made], told, density, victoria, {}, past=past) as filled:
        yield filled


@contextmanager
def two_sites(
    directory: Path,
    *,
    days: float = 2.0,
    presets: Sequence[str] = ALL,
    density: Density = USUAL,
    victoria: bool = True,
) -> Iterator[Filled]:
    """Fill servers with a house and a boat, by the tag site."""
    end = int(time.time())
    made = [
        House(_household(HOME, end, days), "c0619ab10001", site="home", presets=presets),
        House(_household(BOAT, end, days), "c0619ab10002", site="boat", presets=presets),
    ]
    told = [DeviceCount(each.site, len(each.values(end))) for each in made]
    ini = {f"Battery {each.site}": {"serial": each.portal} for each in made}
    with _filled(directory, end, days, made, told, density, victoria, ini) as filled:
        yield filled


@contextmanager
def fleet(
    directory: Path,
    *,
    devices: int = 20,
    days: float = 1.0,
    density: Density = SPARSE,
    victoria: bool = True,
) -> Iterator[Filled]:
    """Fill servers with the nine values of many devices, by the tags portal and instance.

    Those of SILENT have stopped, and the battery of LOW is never full.
    """
    end = int(time.time())
    made = []
    for number in range(devices):
        portal = f"c0619ab1{number:04}"
        site = replace(
            PLAIN,
            name=portal,
            capacity=6.0 + number % 5 * 2.4,
            panels_ac=400.0 if number == LOW else 3_000.0 + number % 7 * 500.0,
            household=1.0 + 0.2 * (number % 4),
        )
        origin = Origin(portal, "vebus", 275)
        silent = SILENT.get(number, 0)
        own = _household(site, end, days)
        made.append(House(own, portal, presets=(), origin=origin, silent=silent))
    told = [DeviceCount("", 9 * devices, devices, sum(each.silent > 0 for each in made))]
    ini = {"Battery": {"serial": "*", "mode": "notify"}}
    with _filled(directory, end, days, made, told, density, victoria, ini) as filled:
        yield filled


def _household(site: Site, end: int, days: float) -> Household:
    lost = end - MAINS_LOST[0], end - MAINS_LOST[1]
    return until(site, end, days, without_mains=(lost,))


@contextmanager
def _filled(
    directory: Path,
    end: int,
    days: float,
    houses: Sequence[House],
    told: Sequence[DeviceCount],
    density: Density,
    victoria: bool,
    ini: Ini,
    *,
    past: bool = False,
) -> Iterator[Filled]:
    if not 0.0 < days <= MOST_DAYS:
        raise ValueError(f"{days} days; there can be {MOST_DAYS} at the most")
    with ExitStack() as stack:
        mosquitto = stack.enter_context(Mosquitto(directory / "mosquitto"))
        influxdb = InfluxDB(directory / "influxdb", auth=True)
        stack.enter_context(on_disk.hasty(influxdb) if past else influxdb)
        servers: list[InfluxDB | VictoriaMetrics] = [influxdb]
        if victoria:
            servers.append(stack.enter_context(VictoriaMetrics(directory / "victoria")))
        setting = stack.enter_context(Setting(directory, mosquitto, influxdb))
        _configure(setting, houses[0].presets, ini)
        influxdb.create_admin("admin", "admin")
        setup_db(setting)
        # Values as old as the policy are rejected, and get older while they are written.
        first = max(end - round(days * DAY), int(time.time()) - MOST_DAYS * DAY + HOUR)
        midnight, count = end - end % DAY, 0
        for start, stop in ((first, midnight), (midnight, end)) if past else ((first, end),):
            with Writing(servers, DB) as writing:
                _write(writing, houses, told, density, start, stop)
                now = stop if past else int(time.time())
                _write(writing, houses, told, Density(now - stop), stop, now)
            count += writing.count
            if stop < end:
                _put_on_disk(influxdb)
        _run_daemon(setting, houses, servers)
        _fill_hours(setting, houses, first, end - density.days * DAY)
        setup_db(setting, "--fill", f"{density.days}d")
        user, password = READER
        influxdb.query(
            f"CREATE USER {user} WITH PASSWORD '{password}'; GRANT READ ON {DB} TO {user}"
        )
        influxdb.login = READER
        chosen = servers[1] if victoria else None
        assert chosen is None or isinstance(chosen, VictoriaMetrics)
        last = end if past else int(time.time())
        yield Filled(influxdb, chosen, first, last, (*houses,), count)


def _put_on_disk(server: InfluxDB) -> None:
    """Wait until all values are on disk, and have later ones stay in memory.

    The server does the latter with a shard that gets values all the time, until 25 MB: 1.5 days of
    nine values a second. Here it would write the shard to disk ten minutes after the last value.
    """
    on_disk.settle_influxdb(server)
    server.environment = {**(server.environment or {}), on_disk.COLD: "24h"}
    server.restart()


def _configure(setting: Setting, presets: Sequence[str], ini: Ini) -> None:
    device = setting.ini.pop("Battery") | QUICK
    setting.ini |= {name: device | dict(own) for name, own in (ini or {"Battery": {}}).items()}
    if presets:
        setting.ini["Fields"] = {"presets": ", ".join(presets)}
    login = {"user": "bat2influx", "password": "pw"}
    setting.ini["Influx"] |= login | {"self_measurement": OWN_OF_DAEMON}


def _fill_hours(setting: Setting, houses: Sequence[House], first: int, end: int) -> None:
    """Compute the hours before `end`, by the statements of the command.

    The energies of these hours, which the command computes from minutes, are written here.
    """
    encoder = _encoder(houses)
    lines = [
        line
        for hour in range(first - first % -HOUR, end - HOUR, HOUR)
        for each in houses
        for line in encoder.lines(each.site, each.energies(hour))
    ]
    for at in range(0, len(lines), TOGETHER):
        body = b"\n".join(lines[at : at + TOGETHER])
        setting.influxdb.ask("/write", {"db": DB, "rp": HOURS.policy}, body, timeout=60.0)
    settings = load(setting.write_ini())
    made = columns(each for battery in settings.batteries for each in battery.fields)
    source = RawMeasurement(DB, RAW, MEASUREMENT)
    for statement in fill(HOURS, source, made, first, end):
        setting.influxdb.query(statement.text, timeout=60.0)


def setup_db(setting: Setting, *options: str) -> None:
    """Run the command, as the administrator."""
    password = setting.directory / "password"
    password.write_text("admin")
    ini = setting.write_ini()
    admin = ("--admin", "admin", "--admin-password-file", password)
    done = subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", ini, "setup-db", *admin, *options],
        cwd=TOP,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stdout


def _write(
    writing: Writing,
    houses: Sequence[House],
    told: Sequence[DeviceCount],
    density: Density,
    first: int,
    end: int,
) -> None:
    """Write the values that the daemon would have stored, from `first` to before `end`."""
    encoder, own = _encoder(houses), Encoder(OWN)
    for number, (moment, whole) in enumerate(density.times(first, end)):
        for each in houses:
            if moment < end - each.silent:
                again = number % density.held > 0
                rows = each.rows(moment, whole=whole, again=again)
                writing.add(encoder.lines(each.site, rows))
    for report in household_itself.reports(first, end, told):
        writing.add([own.encode(each) for each in metrics.readings(report)])


def _encoder(houses: Sequence[House]) -> Encoder:
    tags = ("portal", "instance") if houses[0].origin != NOWHERE else ()
    return Encoder(MEASUREMENT, (), tags)


def _run_daemon(
    setting: Setting, houses: Sequence[House], servers: Sequence[InfluxDB | VictoriaMetrics]
) -> None:
    """Let the daemon store values of the houses in each server until all their fields are there."""
    now = int(time.time())
    speaking = [each for each in houses if not each.silent]
    setting.venus(*(device(each.portal, each.household, now, each.presets) for each in speaking))
    reports = OWN_FIELDS - (OF_ONE if houses[0].origin != NOWHERE else OF_A_FLEET)
    for server in servers:
        since = time.time_ns()
        wanted = {name for each in speaking for name in each.values(since / NS)}
        daemon = setting.daemon(module="tests.support.hasty", Influx={"port": server.port})
        found = partial(_stored, server, since)
        wait("values", lambda found=found, wanted=wanted: found() >= wanted)
        if isinstance(server, InfluxDB):
            found = partial(_named, server, OWN_OF_DAEMON, since)
            wait("reports", lambda found=found: found() >= reports)
            assert _named(server, OWN, 0) == reports
            server.query(f'DROP MEASUREMENT "{OWN_OF_DAEMON}"', DB)
        assert daemon.stop() == 0


def _stored(server: InfluxDB | VictoriaMetrics, since: int) -> set[str]:
    """Return the fields of MEASUREMENT that have values since then, in ns since 1970."""
    if isinstance(server, InfluxDB):
        return _named(server, MEASUREMENT, since)
    server.flush()
    prefix = f"{MEASUREMENT}_"
    wanted = {"match[]": f'{{__name__=~"{prefix}.*"}}', "start": str(since / NS)}
    lines = server.ask("/api/v1/export", wanted).splitlines()
    return {json.loads(line)["metric"]["__name__"].removeprefix(prefix) for line in lines}


def _named(server: InfluxDB, measurement: str, since: int) -> set[str]:
    """Return the fields that have values since then, in ns since 1970."""
    rows = server.query(f'SELECT last(*) FROM "{measurement}" WHERE time > {since}', DB)
    stored = {name for row in rows for name, value in row.items() if value is not None}
    return {name.removeprefix("last_") for name in stored} - {"time"}

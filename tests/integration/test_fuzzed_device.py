"""20,000 payloads of all kinds in place of the voltage, through the whole daemon."""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path

from paho.mqtt import publish

from bat2influx.venus.protocol import NoValue, decode
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.payloads import payloads
from tests.support.compare import NINE, assert_all_published, stored_values
from tests.support.daemon import Daemon, Setting, wait

P = "c0619ab1c2d3"
# In mode = poll, unasked messages are not stored.
GIVEN = {"mode": "notify", "interval": 0.2, "serial": P, "instance": 275}
TOPIC = f"N/{P}/{NINE['Voltage']}"
# Mosquitto drops messages of QoS 0 for a client that is slower than the publisher, by default.
UNLIMITED = "max_queued_messages 0\nmax_queued_bytes 0\n"
EACH, TIMES = 5_000, 4
MOST_GROWTH = 4 << 10  # KiB of resident memory, after the first EACH
MAX_LINES = 10  # of the log, from start to end


def resident(daemon: Daemon) -> int:
    """Return the resident memory of the daemon, in KiB."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def has_stored(setting: Setting, value: float) -> bool:
    """Return whether the latest voltage in the database is this one."""
    rows = setting.rows('last("Voltage") AS "latest"')
    return bool(rows) and rows[0]["latest"] == value


def test_a_flood_of_fuzzed_payloads_costs_no_value(tmp_path: Path) -> None:
    """Numbers are stored, in order; the other fields have no gap, and no memory grows.

    Except for a number that is repeated at once.
    """
    fuzzed = payloads(20)
    sizes, wanted = [], []
    with (
        Mosquitto(tmp_path / "mosquitto", config=UNLIMITED) as broker,
        InfluxDB(tmp_path / "influxdb") as database,
        Setting(tmp_path, broker, database) as setting,
    ):
        device = Device(P, counted=True)
        setting.venus(device)
        device.silence("vebus", "/Dc/0/Voltage")
        daemon = setting.daemon(Battery=GIVEN)
        others = NINE.keys() - {"Voltage"}
        wait("values", lambda: {field for _, field, _ in setting.stored()} == others)
        for turn in range(TIMES):
            end = 424242.25 + turn
            # Zero bytes are a farewell, which is logged.
            said = [*filter(None, islice(fuzzed, EACH)), b'{"value":%r}' % end]
            wanted += [value for each in said if not isinstance(value := decode(each), NoValue)]
            publish.multiple(
                [{"topic": TOPIC, "payload": payload} for payload in said],
                hostname="127.0.0.1",
                port=broker.port,
            )
            wait("the last of them", lambda end=end: has_stored(setting, end))
            sizes.append(resident(daemon))
        assert daemon.running
        assert len(daemon.logged("")) <= MAX_LINES
        assert not daemon.logged("WARNING|ERROR|CRITICAL|Traceback")
        device.silence()  # publishes after the end need not be stored
        assert daemon.stop() == 0
        # InfluxDB writes a large float without its point, and json reads that as an int.
        stored = [float(value) for _, value in stored_values(setting, "Voltage")]
        assert [value for value, _ in groupby(stored)] == [value for value, _ in groupby(wanted)]
        for field in others:
            assert_all_published(device, NINE[field], stored_values(setting, field), field)
        assert max(sizes) - sizes[0] < MOST_GROWTH, sizes

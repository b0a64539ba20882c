"""A machine with all peers of the daemon: broker, database and the Venus stand-in.

Rules: Mosquitto and InfluxDB are Debian's, started by their units. The stand-in is a unit of the
tests, `venus`; its numbers count the reads, so that a missing value shows. The daemon is the
installed package and nothing else, and is controlled as an admin does it: by its files, apt and
systemctl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests import TOP
from tests.system.machine import Machine, Row

UNIT = "bat2influx.service"
INI = "/etc/bat2influx/bat2influx.ini"
PORTAL, SECOND_PORTAL = "c0619ab1c2d3", "c0619ab1c2d4"
NINE = {"Voltage", "Current", "Power", "Soc", "I", "V", "P", "S", "F"}
QUICK = {"interval": 0.2, "soc_interval": 0.2}
USER, PASSWORD = "venus", "Sesame-0pen"

SERVERS = ("mosquitto", "influxdb", "venus")
STAND_IN = "/opt/stand-in"
OPERATIONS, SAID = "/run/venus/operations", "/run/venus/said"
BROKER = """\
listener 1883 0.0.0.0
allow_duplicate_messages true
set_tcp_nodelay true
"""
# As with a real device, its broker is not reachable before the device: it is ready when it answers.
VENUS_UNIT = """\
[Unit]
After=mosquitto.service
Before=bat2influx.service
[Service]
WorkingDirectory={folder}
RuntimeDirectory=venus
ExecStartPre=/usr/bin/mkfifo {operations}
# Opened for reading and writing, so that the input does not end when a writer closes it.
ExecStart=/bin/sh -c 'exec /usr/bin/python3 -B -m tests.standins.venus.mqtt {counted} \
    --devices {devices} --user {user} --password {password} \
    0<>{operations} >{said}'
ExecStartPost=/bin/sh -c 'until grep -q ready {said}; do sleep 0.05; done'
[Install]
WantedBy=multi-user.target
"""
# As in /etc/default/influxdb: only errors go to the journal.
DATABASE = """\
INFLUXDB_HTTP_LOG_ENABLED=false
INFLUXDB_LOGGING_LEVEL=warn
INFLUXDB_MONITOR_STORE_ENABLED=false
INFLUXDB_REPORTING_DISABLED=true
"""


class Plant(Machine):
    """A machine in which the package can be installed, with a device to read."""

    # The daemon's peers

    def start_servers(
        self, *, devices: int = 1, counted: bool = True, password: str | None = None
    ) -> None:
        """Start broker, database and stand-in; with `password` the broker requires it."""
        access = "allow_anonymous true\n"
        if password is not None:
            passwords = "/etc/mosquitto/passwords"
            self.run("mosquitto_passwd", "-b", "-c", passwords, USER, password)
            self.run("chown", "mosquitto:", passwords)
            access = f"allow_anonymous false\npassword_file {passwords}\n"
        self.write("/etc/mosquitto/conf.d/venus.conf", BROKER + access)
        self.write("/etc/default/influxdb", DATABASE)
        self.copy_in(TOP / "tests/__init__.py", f"{STAND_IN}/tests/__init__.py")
        for folder in ("standins", "support"):
            self.copy_in(TOP / "tests" / folder, f"{STAND_IN}/tests/{folder}")
        unit = VENUS_UNIT.format(
            folder=STAND_IN,
            operations=OPERATIONS,
            said=SAID,
            counted="--counted-by-reads" if counted else "",
            devices=devices,
            user=USER,
            password=PASSWORD,
        )
        self.write("/etc/systemd/system/venus.service", unit)
        self.systemctl("daemon-reload")
        self.systemctl("start", *SERVERS)
        self.wait("the database", self._database_answers)

    def enable_servers(self) -> None:
        """Enable broker, database and stand-in, so that they start after a reboot."""
        self.systemctl("enable", "--quiet", *SERVERS)

    def venus(self, *operations: Mapping[str, object]) -> None:
        """Send the stand-in an operation; see tests/standins/venus/faults.py."""
        lines = "".join(f"{json.dumps(operation)}\n" for operation in operations)
        self.run(f"cat >{OPERATIONS}", input=lines)

    def silence(self, portal: str = PORTAL) -> None:
        """Stop all messages of a device, while its broker runs."""
        self.venus({"op": "silence", "portal_id": portal})

    def speak(self, portal: str = PORTAL) -> None:
        """Restart the messages of a device."""
        self.venus({"op": "speak", "portal_id": portal})

    # The package

    def install(self, package: Path, *options: str) -> str:
        """Install the package as the README describes it, and return apt's output."""
        self.copy_in(package, "/root/bat2influx.deb")
        command = ("cd /root && exec apt-get -q -y", *options, "install ./bat2influx.deb")
        return self.run(" ".join(command)).stdout

    def configure(self, path: str = INI, **sections: Mapping[str, object]) -> None:
        """Write an ini with `sections`, with the address of the stand-in if there is none.

        A new file begins as a copy of the package's, with owner and mode.
        """
        battery = {"address": "127.0.0.1", **sections.pop("Battery", {})}
        merged: dict[str, Mapping[str, object]] = {"Battery": battery, **sections}
        text = "".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for name, keys in merged.items()
        )
        if not self.exists(path):
            self.run("cp", "-p", INI, path)
        self.write(path, text)

    def start(self, unit: str = UNIT) -> None:
        """Enable and start the service, and wait until its first values are stored."""
        since = self.now()
        self.systemctl("enable", "--now", unit)
        self.wait_for_values(since=since)

    # Results

    def now(self) -> int:
        """Return the time in ns, by the clock of the timestamps."""
        return int(self.run("date", "+%s%N").stdout)

    def values(
        self, field: str = "Voltage", *, since: int = 0, db: str = "battery"
    ) -> list[tuple[int, float]]:
        """Return (time in ns, value) of the stored values of a field, oldest first."""
        rows = self.influx(f'SELECT "{field}" FROM dc WHERE time > {since}', db)
        return [(row["time"], row[field]) for row in rows]

    def wait_for_values(
        self, field: str = "Voltage", *, since: int = 0, db: str = "battery", count: int = 1
    ) -> list[tuple[int, float]]:
        """Wait until so many values of a field, with times after `since`, are stored."""

        def enough() -> list[tuple[int, float]]:
            values = self.values(field, since=since, db=db)
            return values if len(values) >= count else []

        return self.wait(f"{count} values of {field} in {db}", enough)

    def wait_for_message(
        self, pattern: str, unit: str = UNIT, *, since: int = 0, count: int = 1
    ) -> list[Row]:
        """Wait until a unit's journal has so many entries that match a pattern."""

        def found() -> list[Row]:
            entries = self.logged(pattern, unit, since=since)
            return entries if len(entries) >= count else []

        return self.wait(f"{count} times {pattern!r} in the journal", found)

    def logged(self, pattern: str, unit: str = UNIT, *, since: int = 0) -> list[Row]:
        """Return a unit's journal entries that match a regular expression."""
        return [
            entry
            for entry in self.journal(unit)
            if int(entry["__REALTIME_TIMESTAMP"]) * 1000 >= since
            and re.search(pattern, str(entry.get("MESSAGE")))
        ]

    def status(self, unit: str = UNIT) -> str:
        """Return the STATUS= line."""
        return self.show(unit, "StatusText")

    def waiting(self, unit: str = UNIT) -> int:
        """Return how many values are queued for the database, from STATUS=."""
        found = re.search(r"(\d+) (?:queued|waiting)", self.status(unit))  # waiting: before 1.0
        return int(found[1]) if found else 0

    def restarts(self, unit: str = UNIT) -> int:
        """Return how often systemd has automatically restarted the unit."""
        return int(self.show(unit, "NRestarts"))

    def _database_answers(self) -> bool:
        asked = self.run("influx", "-execute", "SHOW DATABASES", check=False)
        return asked.returncode == 0


def assert_contiguous(values: Iterable[tuple[int, float]]) -> None:
    """Assert that all answers of a counted device are stored: each is one more than the last."""
    numbers = [int(value) for _, value in values]
    assert numbers, "nothing is stored"
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a value was lost"

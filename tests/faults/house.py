"""A house with a battery: the daemon on a separate machine, with cables to its peers.

    pi  === gx ===  broker with the stand-in, gx.example
        === db ===  InfluxDB, db.example
        === dns ==  name server (dnsmasq)

Rules: the daemon is in one network namespace, everything else in another, and a cable can be cut
on the far side, where the daemon does not see it. Both belong to the calling thread, see `apart`.
The stand-in never sends a number twice.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network import apart
from tests.standins.network.apart import Apart
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner, steady_unix_time
from tests.support.clocks import Clocks
from tests.support.compare import NINE, answered
from tests.support.daemon import Daemon, NotifySocket, Setting, wait
from tests.support.part import Part
from tests.support.process import Process

PORTAL = "c0619ab1c2d3"
NAMES = {"gx.example": "192.0.2.20", "db.example": "198.51.100.30"}
OTHER_ADDRESSES = {"gx.example": "192.0.2.21", "db.example": "198.51.100.31"}
NAME_SERVER = "203.0.113.53"
CABLES = {
    "gx": (NAMES["gx.example"], "192.0.2.10"),
    "db": (NAMES["db.example"], "198.51.100.10"),
    "dns": (NAME_SERVER, "203.0.113.10"),
}
USER, PASSWORD = "bat", "gehe1m"  # of the database
NOBODY = "02:00:00:00:00:99"  # a hardware address
REACHED = "(connected to gx.example|device .* responds again), after"
AGAIN = 60.0  # s until data comes again: the longest back-off, twice


class House(Part):
    """The whole running system; `interval` and `watchdog` are in s.

    With `in_hand` the test controls the daemon's clocks by `clocks`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        interval: float = 0.2,
        watchdog: float = 40.0,  # so a stall of 5 s does not make a device "not responding"
        in_hand: bool = False,
    ) -> None:
        self.directory = directory
        self.interval = interval
        self.watchdog = watchdog
        self.in_hand = in_hand
        self.state = directory / "state"
        self.device = Device(PORTAL, counted=True)
        self._stack = ExitStack()
        self._beside: tuple[Apart, int]

    def set_up(self) -> None:
        """Set it up, and wait until the first values are stored."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.state.mkdir()
        self.clocks = Clocks(self.directory / "clocks")
        spaces = self._stack.enter_context(Apart())
        pi = spaces.network()
        self._beside = spaces, pi
        for cable, (here, there) in CABLES.items():
            spaces.join(pi, cable, here, there)
        self._set_up_names()
        mosquitto = Mosquitto(self.directory / "mosquitto", host="0.0.0.0", port=1883)
        self.broker = self._stack.enter_context(mosquitto)
        influxdb = InfluxDB(self.directory / "influxdb", host="0.0.0.0", port=8086, auth=True)
        self.database = self._stack.enter_context(influxdb)
        self.database.create_admin()
        self.database.query(f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
        self.setting = Setting(self.directory, self.broker, self.database)
        self._stack.enter_context(self.setting)
        self.setting.ini["Battery"] = {
            "address": "gx.example",
            "interval": self.interval,
            "soc_interval": self.interval,
        }
        self.setting.ini["Influx"] = {
            "address": "db.example",
            "user": USER,
            "password": PASSWORD,
        }
        self.runner = VenusRunner("127.0.0.1", 1883, [self.device])
        self._stack.enter_context(self.runner)
        self.notify: NotifySocket = self.setting.notify_socket()
        self.start_daemon()
        wait("values", self.setting.stored)

    def close(self) -> None:
        """Stop it."""
        self._stack.close()

    # The daemon

    def start_daemon(self, **sections: Mapping[str, object]) -> None:
        """Start it, the first time or again; `sections` change its ini for this start."""
        with self.beside():
            self.daemon: Daemon = self.setting.daemon(
                notify=self.notify,
                watchdog=self.watchdog,
                module="tests.support.clocks" if self.in_hand else "bat2influx",
                environment={"CLOCKS": str(self.clocks.file)},
                **sections,
            )

    def reads(self) -> int:
        """Return how often the stand-in has answered for the battery's voltage."""
        return len(answered(self.device, NINE["Voltage"]))

    def more_reads(self, count: int) -> None:
        """Wait until the device has been read so many more times."""
        before = self.reads()
        wait("reads", lambda: self.reads() >= before + count, 60.0 + 3 * count * self.interval)

    @contextmanager
    def expects_log(self, pattern: str, timeout: float = AGAIN) -> Iterator[None]:
        """Wait at the end of a block for a new line of the log."""
        daemon, before = self.daemon, len(self.daemon.logged(pattern))
        yield
        before = before if self.daemon is daemon else 0
        daemon = self.daemon
        wait(f"{pattern!r} in the log", lambda: len(daemon.logged(pattern)) > before, timeout)

    @contextmanager
    def expects_log_once(self, pattern: str) -> Iterator[None]:
        """Assert at the end of a block that the log has got exactly one such line in it."""
        before = len(self.daemon.logged(pattern))
        yield
        came = self.daemon.logged(pattern)[before:]
        assert len(came) == 1, f"{pattern!r} came {len(came)} times: {came[:5]}"

    def spool(self, *options: str) -> str:
        """Run `bat2influx spool` while the daemon runs, as users do; return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "bat2influx", *self.daemon.command[3:5], "spool", *options],
            cwd=TOP,
            env={**os.environ, "STATE_DIRECTORY": str(self.state)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def on_disk(self) -> int:
        """Return how many values are queued on disk."""
        return int(self.spool().split()[1])

    # Faults of the other parts

    @contextmanager
    def cut(self, *cables: str) -> Iterator[None]:
        """Cut cables in a block: links are down, and no FIN reaches either side."""
        for cable in cables:
            apart.run("ip", "link", "set", cable, "down")
        try:
            yield
        finally:
            for cable in cables:
                apart.run("ip", "link", "set", cable, "up")
                here = self.address(cable)
                apart.run("ip", "address", "replace", f"{here}/24", "dev", cable)

    @contextmanager
    def deaf(self, cable: str) -> Iterator[None]:
        """Drop all packets from the far side of a cable to the daemon, in a block."""
        with self._misled(CABLES[cable][1], cable):
            yield

    @contextmanager
    def mute(self, cable: str) -> Iterator[None]:
        """Drop all packets from the daemon over a cable, in a block."""
        with self.beside(), self._misled(self.address(cable), f"{cable}-far"):
            yield

    @contextmanager
    def _misled(self, address: str, device: str) -> Iterator[None]:
        neighbour = "ip", "neighbour"
        to = "to", address, "dev", device
        apart.run(*neighbour, "replace", *to, "lladdr", NOBODY, "nud", "permanent")
        try:
            yield
        finally:
            apart.run(*neighbour, "delete", *to)

    def address(self, cable: str) -> str:
        """Return the current address of a cable's far end."""
        return self._names.get(f"{cable}.example", CABLES[cable][0])

    def move(self, name: str) -> None:
        """Give a peer another address, and update the name server."""
        cable = name.partition(".")[0]
        before = self._names[name]
        after = ({NAMES[name], OTHER_ADDRESSES[name]} - {before}).pop()
        # In this order: with the first address the kernel removes a second one of the same network.
        apart.run("ip", "address", "delete", f"{before}/24", "dev", cable)
        apart.run("ip", "address", "add", f"{after}/24", "dev", cable)
        self._names[name] = after
        self._tell_names(self._names)

    @contextmanager
    def nameless(self) -> Iterator[None]:
        """Make the name server answer that no name exists, in a block; it may be stopped before."""
        self._tell_names({})
        try:
            yield
        finally:
            self._tell_names(self._names)

    def asking(self) -> int:
        """Return how many queries to the name server the daemon has under way."""
        sockets = Path(f"/proc/{self.daemon.pid}/net/udp").read_text().splitlines()[1:]
        return sum(each.split()[2].endswith(":0035") for each in sockets)  # the other side's port

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Enter the daemon's machine for a block."""
        spaces, pi = self._beside
        with spaces.inside(pi):
            yield

    @contextmanager
    def locked_spool(self) -> Iterator[None]:
        """Lock the spool file by another program, in a block; the file has to exist."""
        with closing(sqlite3.connect(self.state / "spool.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")

    def _set_up_names(self) -> None:
        self._names = dict(NAMES)
        self._hosts = self.directory / "hosts"
        self._write_names(NAMES)
        resolv, switch = self.directory / "resolv.conf", self.directory / "nsswitch.conf"
        resolv.write_text(f"nameserver {NAME_SERVER}\noptions timeout:2 attempts:2\n")
        switch.write_text("passwd: files\ngroup: files\nhosts: files dns\n")
        apart.bind(resolv, Path("/etc/resolv.conf"))
        apart.bind(switch, Path("/etc/nsswitch.conf"))
        options = (
            "--conf-file=/dev/null --no-daemon"  # killed with this thread, see Process
            f" --no-resolv --no-hosts --addn-hosts={self._hosts} --log-queries"
            f" --bind-interfaces --listen-address={NAME_SERVER}"
        )
        self.name_server = Process(
            "dnsmasq",
            ["/usr/sbin/dnsmasq", *options.split()],
            self.directory / "dnsmasq.log",
        )
        self._stack.enter_context(self.name_server)
        wait("the name server", lambda: self._names_read() > 0)

    def _tell_names(self, names: Mapping[str, str]) -> None:
        """Give the name server these names, at once if it runs."""
        before = self._names_read()
        self._write_names(names)
        if self.name_server.running:
            os.kill(self.name_server.pid, signal.SIGHUP)
            wait("the names to be read", lambda: self._names_read() > before)

    def _names_read(self) -> int:
        return len(re.findall("read .*hosts", self.name_server.log.read_text()))

    def _write_names(self, names: Mapping[str, str]) -> None:
        self._hosts.write_text("".join(f"{at} {name}\n" for name, at in names.items()))


def now() -> float:
    """Return Unix time in s, by the clock of the stand-in's log."""
    return steady_unix_time()

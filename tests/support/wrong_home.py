"""A home network with real parts and a wrong set-up, and the messages about that.

In a separate network (`own_network`): the device at 192.168.1.20 with its front door, known as
venus.local, a Mosquitto and the stand-in behind that; an InfluxDB at localhost:8086; this machine,
on which `bat2influx check` and the daemon are run as users do.

Rules: check and daemon run at the same time, as when a user checks why there are no values.
The daemon's messages are recorded until it has reported the fault.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests import TOP
from tests.standins.databases.http_peers import Void
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network import certificates, own_network
from tests.standins.network.certificates import Certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.own_network import CONFIG, DEVICE
from tests.standins.venus.device import Device
from tests.standins.venus.door import Door
from tests.standins.venus.login import Profile
from tests.standins.venus.mqtt import VenusRunner
from tests.support.daemon import Daemon, NotifySocket, wait
from tests.support.outputs import Output, entries_of, pattern_of, steps_of, timeless
from tests.support.part import Part

PORTAL, OTHER_PORTAL = "c0619ab1c2d3", "d4e5f60718a9"
PASSWORD = "sesame, inside"
TOKEN = "token/guest/1"
# s, of the watchdog: a device is "not responding" after an eighth, enough for a loaded machine;
# a database request has 8 s, as with the service's two minutes.
W = 48.0


class Home(Part):
    """The home: a scenario adds the parts, and `measure` returns the messages."""

    def __init__(self, directory: Path) -> None:
        """All files go to `directory`, which is empty."""
        self.directory = directory
        self._stack = ExitStack()
        own_network.set_up(directory)
        own_network.give(DEVICE)
        own_network.name(venus_local=DEVICE)

    def close(self) -> None:
        """Stop all parts."""
        self._stack.close()

    # The device

    def door(
        self,
        profile: Profile = Profile.UNSECURED,
        *devices: Device,
        days: tuple[int, int] = certificates.VALID,
        tls_versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None,
    ) -> None:
        """Start `devices`, or a usual one, behind a door with the security profile `profile`.

        Its certificate, valid for `days`, is `directory`/device.pem; a token is TOKEN's.
        """
        broker = self.broker(*(devices or [Device(PORTAL)]))
        versions: dict[str, Any] = {"tls_versions": tls_versions} if tls_versions else {}
        door = Door(
            profile,
            broker.port,
            certificate=self.certificate("device", days),
            password=PASSWORD,
            tokens={TOKEN: PASSWORD},
            host=DEVICE,
            ports=(1883, 8883),
            **versions,
        )
        self._stack.enter_context(door)

    def broker(self, *devices: Device, config: str = "") -> Mosquitto:
        """Start a Mosquitto on a free port of localhost, and `devices` behind it."""
        broker = Mosquitto(self.directory / "mosquitto", config=config)
        self._stack.enter_context(broker)
        if devices:
            self._stack.enter_context(VenusRunner("127.0.0.1", broker.port, devices))
        return broker

    def certificate(self, name: str, days: tuple[int, int] = certificates.VALID) -> Certificate:
        """Return a device's self-made certificate, in `directory`/`name`.pem."""
        return certificates.device_certificate(self.directory, name=name, days=days)

    def server(self, address: str, port: int, answer: bytes | None) -> None:
        """Start a server that sends `answer` to each request and disconnects; None: no answer."""
        server = _Server((address, port), answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._stack.callback(server.shutdown)

    def void(self, address: str, port: int) -> None:
        """Open a port that answers no connection, as behind a firewall."""
        self._stack.callback(Void(address, port).close)

    # The database

    def database(self, *statements: str, auth: bool = False) -> InfluxDB:
        """Start InfluxDB, and run `statements`; with `auth` it requires a login."""
        influxdb = InfluxDB(self.directory / "influxdb", port=8086, auth=auth)
        self._stack.enter_context(influxdb)
        if auth:
            influxdb.create_admin()
        for statement in statements:
            influxdb.query(statement)
        return influxdb

    # The messages

    def measure(self, ini: str | None, *, logged: str = "", status: str = "") -> Output:
        """Run check and daemon with this file, None for no file, and return their messages.

        It waits until the daemon's log and STATUS= have the words of check; `logged` and `status`
        are patterns to wait for instead.
        """
        if ini is not None:
            for certificate in self.directory.glob("*.pem"):
                shutil.copy(certificate, CONFIG.parent)
            CONFIG.write_text(ini.replace("{directory}", str(CONFIG.parent)))
        notify = NotifySocket(self.directory / "notify")
        self._stack.callback(notify.close)
        daemon = self._daemon(notify)
        checked = subprocess.run(
            [sys.executable, "-m", "bat2influx", "--config", CONFIG, "check"],
            cwd=TOP,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        steps = tuple(steps_of(checked.stdout))
        if checked.returncode == os.EX_CONFIG:
            daemon.wait_for_end()
        else:
            texts = [pattern_of(step.text) for step in steps if step.state != "ok"]
            for pattern in [logged] if logged else texts:
                daemon.wait_for_log(pattern)
            awaited = status or logged or texts[0]
            wait(f"{awaited!r} in STATUS", lambda: re.search(awaited, notify.status))
        return Output(
            checked.returncode,
            steps,
            checked.stderr.rstrip("\n"),
            tuple(entries_of(daemon.log.read_text())),
            timeless(notify.status),
            daemon.exit_code,
        )

    def _daemon(self, notify: NotifySocket) -> Daemon:
        environment = {
            "NOTIFY_SOCKET": str(notify.path),
            "WATCHDOG_USEC": str(round(W * 1e6)),
            "STATE_DIRECTORY": str(self.directory / "state"),
        }
        daemon = Daemon(CONFIG, self.directory / "daemon.log", environment=environment)
        daemon.start()
        self._stack.callback(daemon.kill)
        return daemon


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], answer: bytes | None) -> None:
        self._answer = answer
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        assert isinstance(request, socket.socket)
        while request.recv(65_536) and self._answer is None:
            pass
        request.sendall(self._answer or b"")
        # Closing with unread bytes resets the connection, and the answer is lost.
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            while request.recv(65_536):
                pass

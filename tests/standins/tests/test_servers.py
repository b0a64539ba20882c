"""The servers of the other tests start, stop, restart and hang on command."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.standins.databases.influxdb import InfluxDB, InfluxDBError
from tests.standins.network.mosquitto import Mosquitto
from tests.support.process import PartError, Process, Server, free_port


def connack(server: Mosquitto, user: str = "", password: str = "") -> int:
    """Log in by MQTT 3.1.1 and return the code of the broker's answer (0: accepted)."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    flags = 0xC2 if user else 0x02
    body = text("MQTT") + bytes([4, flags, 0, 60]) + text("parts")
    if user:
        body += text(user) + text(password)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        return connection.recv(4)[3]


@pytest.fixture(params=[Mosquitto, InfluxDB])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """Each of the servers in turn, not started."""
    made: Server = request.param(tmp_path / "server")
    request.addfinalizer(made.kill)
    return made


def accepts(server: Server) -> bool:
    """Return whether a process listens on the server's port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


def test_a_stopped_server_ends_without_error_and_frees_its_port(server: Server) -> None:
    """A started server listens; after `stop` it has ended without an error."""
    server.start()
    assert accepts(server)
    assert server.stop() == 0
    assert not accepts(server)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restarted_server_has_the_same_port(server: Server, end: str) -> None:
    """However a server ended, it listens on the same port after its next start."""
    server.start()
    port = server.port
    getattr(server, end)()
    server.start()
    assert server.port == port
    assert accepts(server)


def test_a_frozen_server_accepts_and_does_nothing(server: Server) -> None:
    """A frozen server still accepts connections; it can be resumed, or stopped."""

    def is_stopped() -> bool:
        status = Path(f"/proc/{server.pid}/status").read_text()
        return "State:\tT" in status

    server.start()
    server.freeze()
    assert is_stopped()
    assert accepts(server)
    server.thaw()
    assert not is_stopped()
    server.freeze()
    assert server.stop() == 0


def test_a_port_in_use_is_an_error_with_the_log(server: Server) -> None:
    """A server with another server's port fails at once, and the error has its log."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server.port = other.getsockname()[1]
        with pytest.raises(PartError, match="in use"):
            server.start()
    assert not server.running


def test_a_free_port_is_none_that_the_kernel_hands_out() -> None:
    """Free ports lie below those of outgoing connections, so that none of these takes one."""
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert free_port() < int(limits[0])


def test_mosquitto_needs_a_login_only_with_users(tmp_path: Path) -> None:
    """Without `users` no login is needed; with `users` a name and its password are."""
    with Mosquitto(tmp_path) as broker:
        assert connack(broker) == 0
        broker.users = {"gx": "secret"}
        broker.restart()
        assert connack(broker, "gx", "secret") == 0
        assert connack(broker, "gx", "wrong") == 5
        assert connack(broker) == 5


def test_influxdb_keeps_its_data_over_a_power_cut(tmp_path: Path) -> None:
    """A value written before `kill` is read after the next start, with its exact time in ns."""
    with InfluxDB(tmp_path) as database:
        database.query("CREATE DATABASE battery")
        database.write("dc Voltage=52.1 1700000000123456789", "battery")
        database.kill()
        database.start()
        rows = database.query("SELECT * FROM dc", "battery")
        assert rows == [{"time": 1_700_000_000_123_456_789, "Voltage": 52.1}]
        with pytest.raises(InfluxDBError, match="database not found"):
            database.write("dc Voltage=52.1", "other")
        with pytest.raises(InfluxDBError, match="error parsing query"):
            database.query("SELECT")


def test_influxdb_with_auth_requires_a_login(tmp_path: Path) -> None:
    """With `auth` only the admin can create a database."""
    with InfluxDB(tmp_path, auth=True) as database:
        database.create_admin()
        database.query("CREATE DATABASE battery")
        database.login = None
        with pytest.raises(InfluxDBError, match="401"):
            database.query("CREATE DATABASE other")


def test_a_child_is_killed_with_its_parent(tmp_path: Path) -> None:
    """If SIGKILL ends the parent, its child ends too, even a frozen child."""
    script = (
        "import pathlib, sys, time; from tests.support.process import Process\n"
        "child = Process('sleep', ['sleep', '1000'], pathlib.Path(sys.argv[1]))\n"
        "child.start(); child.freeze(); print(child.pid, flush=True); time.sleep(1000)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, os.fdopen(os.pidfd_open(int(parent.stdout.readline()))) as child:
        parent.kill()
        poller = select.poll()
        poller.register(child, select.POLLIN)
        assert poller.poll(10_000)


def test_a_part_that_ignores_sigterm_is_killed_and_reported(tmp_path: Path) -> None:
    """`stop` does not wait for ever: it kills a part that does not end; the error has its log."""
    script = "trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done"
    part = Process("stubborn", ["/bin/sh", "-c", script], tmp_path / "log")
    part.start()
    while "ready" not in part.tail():
        assert part.running
    pid = part.pid
    with pytest.raises(PartError, match=r"(?s)did not end .*\bno\b"):
        part.stop(timeout=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)

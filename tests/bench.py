"""What the daemon can take: values per second into InfluxDB, beside paho receiving the same.

Both run all the time and take turns with short bursts through the same Mosquitto, so that the
ratio says something on a machine whose speed changes from second to second. paho alone receives
and does nothing: the limit of the client. Exits 1 when the ratio is below 0.6.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.parts.daemon import Setting
from tests.parts.influxdb import InfluxDB
from tests.parts.mosquitto import Mosquitto
from tests.parts.venus_mqtt import new_client

VALUES = int(os.environ.get("BENCH_VALUES", "50000"))  # in a burst
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "6"))
WANTED = 0.6
OURS, ALONE = "c0619ab1c2d3", "c0619ab1c2d4"  # portal ids: who is to receive a burst
INSTANCE = 275
LEAVES = ("Dc/0/Voltage", "Dc/0/Current", "Dc/0/Power", "Ac/ActiveIn/L1/V", "Ac/ActiveIn/L1/P")
# Mosquitto drops messages of QoS 0 for a client that is slower than the publisher, by default.
UNLIMITED = "max_queued_messages 0\nmax_queued_bytes 0\n"


def packets(portal: str) -> bytes:
    """Return a burst of PUBLISH packets (MQTT 3.1.1, QoS 0) as a device sends them."""
    made = []
    for number in range(VALUES):
        topic = f"N/{portal}/vebus/{INSTANCE}/{LEAVES[number % len(LEAVES)]}".encode()
        body = len(topic).to_bytes(2, "big") + topic + b'{"value":%d.5}' % number
        made.append(bytes([0x30, len(body)]) + body)
    return b"".join(made)


def blast(port: int, data: bytes) -> None:
    """Publish `data` as fast as the broker takes it."""
    connect = b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05bench"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(bytes([0x10, len(connect)]) + connect)
        connection.recv(4)
        connection.sendall(data + b"\xe0\x00")
        while connection.recv(1):
            pass


def receive_alone(port: int) -> None:
    """Receive by paho and do nothing with it; print a line after each burst."""
    client = new_client()
    seen = 0

    def on_message(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen % VALUES == 0:
            print("received", flush=True)

    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe(f"N/{ALONE}/#")
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_forever()


def stored(influxdb: InfluxDB, since_ns: int) -> int:
    """Return how many values are stored that arrived at `since_ns` or later."""
    rows = influxdb.query(f"SELECT count(*) FROM dc WHERE time >= {since_ns}", "battery")
    return sum(value for name, value in rows[0].items() if name != "time") if rows else 0


def burst_into_influxdb(setting: Setting, data: bytes) -> float:
    """Return the seconds from a burst's first packet to its last row that can be queried."""
    since_ns, started = time.time_ns(), time.perf_counter()
    blast(setting.mosquitto.port, data)
    while (count := stored(setting.influxdb, since_ns)) < VALUES:
        assert time.perf_counter() - started < 300, f"{count} of {VALUES} values are stored"
        time.sleep(0.02)
    return time.perf_counter() - started


def burst_to_paho(port: int, data: bytes, lines: IO[str]) -> float:
    """Return the seconds from a burst's first packet to its last message."""
    started = time.perf_counter()
    blast(port, data)
    assert lines.readline() == "received\n"
    return time.perf_counter() - started


def main() -> int:
    """Run the rounds and print the table."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bat2influx-")))
        mosquitto = stack.enter_context(Mosquitto(directory / "mosquitto", config=UNLIMITED))
        influxdb = stack.enter_context(InfluxDB(directory / "influxdb"))
        influxdb.query("CREATE DATABASE battery")
        setting = stack.enter_context(Setting(directory, mosquitto, influxdb))
        daemon = setting.daemon(Battery={"serial": OURS, "instance": INSTANCE})
        daemon.wait_for_log("reading ")
        command = [sys.executable, "-m", "tests.bench", "receive", str(mosquitto.port)]
        alone = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(alone.kill)
        assert alone.stdout is not None
        alone.stdout.readline()
        ours, theirs = packets(OURS), packets(ALONE)
        burst_into_influxdb(setting, ours)  # to warm up
        took_alone = took_ours = 0.0
        for _ in range(ROUNDS):
            took_alone += burst_to_paho(mosquitto.port, theirs, alone.stdout)
            took_ours += burst_into_influxdb(setting, ours)
        assert daemon.stop() == 0
    ratio = took_alone / took_ours
    total = VALUES * ROUNDS
    print(f"paho alone receives      {total / took_alone:8.0f} values/s")
    print(f"bat2influx into InfluxDB {total / took_ours:8.0f} values/s")
    print(f"ratio                    {ratio:8.2f} ({WANTED} or better is wanted)")
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["receive"]:
        receive_alone(int(sys.argv[2]))
    else:
        sys.exit(main())

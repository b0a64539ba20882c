"""What the daemon can take: values per second into InfluxDB, beside paho receiving the same.

The two take turns in one run, on the same Mosquitto and with the same packets, so that the ratio
says something on any machine. paho alone receives and does nothing: the limit of the client.
Exits 1 when the ratio is below 0.6.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.parts.daemon import Setting
from tests.parts.influxdb import InfluxDB
from tests.parts.mosquitto import Mosquitto
from tests.parts.venus_mqtt import new_client

VALUES = int(os.environ.get("BENCH_VALUES", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
WANTED = 0.6
PORTAL, INSTANCE = "c0619ab1c2d3", 275
LEAVES = ("Dc/0/Voltage", "Dc/0/Current", "Dc/0/Power", "Ac/ActiveIn/L1/V", "Ac/ActiveIn/L1/P")
# Mosquitto drops messages of QoS 0 for a client that is slower than the publisher, by default.
UNLIMITED = "max_queued_messages 0\nmax_queued_bytes 0\n"


def packets(count: int) -> bytes:
    """Return `count` PUBLISH packets (MQTT 3.1.1, QoS 0) as a device sends them."""
    made = []
    for number in range(count):
        topic = f"N/{PORTAL}/vebus/{INSTANCE}/{LEAVES[number % len(LEAVES)]}".encode()
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


def receive_alone(port: int, count: int) -> None:
    """Receive `count` messages by paho and do nothing with them; print how long it took, in s."""
    client = new_client()
    seen = 0
    started = 0.0

    def on_message(*_: object) -> None:
        nonlocal seen, started
        seen += 1
        if seen == 1:
            started = time.perf_counter()
        elif seen == count:
            print(time.perf_counter() - started, flush=True)
            client.disconnect()

    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe("N/#")
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_forever()


def paho_alone(port: int, data: bytes) -> float:
    """Return values per second that paho receives."""
    command = [sys.executable, "-m", "tests.bench", "receive", str(port), str(VALUES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        blast(port, data)
        return VALUES / float(receiver.stdout.readline())


def into_influxdb(setting: Setting, data: bytes, measurement: str) -> float:
    """Return values per second from the first packet to the last row that can be queried."""

    def stored() -> int:
        rows = setting.rows("count(*)", measurement=measurement)
        return sum(value for name, value in rows[0].items() if name != "time") if rows else 0

    daemon = setting.daemon(
        Battery={"serial": PORTAL, "instance": INSTANCE}, Influx={"measurement": measurement}
    )
    daemon.wait_for_log("reading ")
    started = time.perf_counter()
    blast(setting.mosquitto.port, data)
    while (count := stored()) < VALUES:
        assert time.perf_counter() - started < 300, f"{count} of {VALUES} values are stored"
        time.sleep(0.1)
    rate = VALUES / (time.perf_counter() - started)
    assert daemon.stop() == 0
    return rate


def main() -> int:
    """Run the rounds and print the table."""
    data = packets(VALUES)
    alone, stored = [], []
    with (
        tempfile.TemporaryDirectory(prefix="bat2influx-bench-") as directory,
        Mosquitto(Path(directory) / "mosquitto", config=UNLIMITED) as mosquitto,
        InfluxDB(Path(directory) / "influxdb") as influxdb,
        Setting(Path(directory), mosquitto, influxdb) as setting,
    ):
        setting.influxdb.query("CREATE DATABASE battery")
        for number in range(ROUNDS):
            alone.append(paho_alone(mosquitto.port, data))
            stored.append(into_influxdb(setting, data, f"round{number}"))
            print(f"round {number + 1}: {alone[-1]:8.0f} {stored[-1]:8.0f} values/s", flush=True)
    ratio = statistics.median(stored) / statistics.median(alone)
    print(f"paho alone receives      {statistics.median(alone):8.0f} values/s")
    print(f"bat2influx into InfluxDB {statistics.median(stored):8.0f} values/s")
    print(f"ratio                    {ratio:8.2f} ({WANTED} or better is wanted)")
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["receive"]:
        receive_alone(int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main())

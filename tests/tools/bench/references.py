"""The references of the benchmarks, each as a separate process.

    /usr/bin/python3 -m tests.tools.bench.references alone PORT PORTAL VALUES
    /usr/bin/python3 -m tests.tools.bench.references each PORT PORTAL DATABASE-PORT DB
    /usr/bin/python3 -m tests.tools.bench.references device PORT PORTAL INSTANCE

`alone` is paho that receives and only counts: the limit of Debian's client. `each` posts every
value by itself in the callback, by the `influxdb` package: the method of the original script.
`device` is no reference: it answers every read with null, and sends a heartbeat every 3 s from the
first keepalive on. So the daemon treats other publishes on its topics as a device's, and none of
them as old messages after an outage. All print `ready` once they are subscribed, and `alone` prints
`received` after every VALUES messages.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.venus.fleet import BEAT
from tests.standins.venus.mqtt import new_client


def alone(values: int) -> Callable[[Any, Any, Any], None]:
    """Receive, and do nothing else."""
    seen = 0

    def on_message(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen % values == 0:
            print("received", flush=True)

    return on_message


def each(database_port: int, db: str) -> Callable[[Any, Any, Any], None]:
    """Post each value in the callback."""
    from influxdb import InfluxDBClient

    database = InfluxDBClient("127.0.0.1", database_port, database=db)

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        value = json.loads(message.payload)["value"]
        if value is not None:
            fields = {message.topic.rpartition("/")[2]: float(value)}
            database.write_points([{"measurement": "dc", "fields": fields}])

    return on_message


def device(portal: str, instance: str) -> Callable[[Any, Any, Any], None]:
    """Answer the reads of the nine fields."""
    leaves = [f"{field.service}/{instance}/{field.path}" for field in DEFAULT_FIELDS]
    beating = threading.Event()

    def beat(client: Any) -> None:
        while True:
            client.publish(f"N/{portal}/heartbeat", b'{"value":1}')
            time.sleep(BEAT)

    def on_message(client: Any, _data: Any, message: Any) -> None:
        asked = message.topic.removeprefix(f"R/{portal}/")
        if asked == "keepalive" and not beating.is_set():
            beating.set()
            threading.Thread(target=beat, args=(client,), daemon=True).start()
        for leaf in leaves:
            if f"{leaf}/".startswith(f"{asked}/"):
                client.publish(f"N/{portal}/{leaf}", b'{"value":null}')

    return on_message


def listen(port: int, topics: str, on_message: Callable[[Any, Any, Any], None]) -> None:
    """Receive these topics until the end."""
    client = new_client()
    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe(topics)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    which, port, portal, *more = sys.argv[1:]
    if which == "device":
        listen(int(port), f"R/{portal}/#", device(portal, more[0]))
    callback = alone(int(more[0])) if which == "alone" else each(int(more[0]), more[1])
    listen(int(port), f"N/{portal}/vebus/#", callback)

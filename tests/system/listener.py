"""Prints the publishes of one value by all devices: portal id, time and number, one per line.

    listener.py PATH-OF-THE-VALUE >FILE

Rules: it only subscribes, and sends no reads; the time is this machine's, in ns.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.standins.venus.mqtt import new_client


def main() -> None:
    """Listen to the broker on this machine, until killed."""
    client = new_client()

    def connected(*_: Any) -> None:
        client.subscribe(f"N/+/{sys.argv[1]}")

    def subscribed(*_: Any) -> None:
        print("ready", flush=True)

    def heard(_: Any, __: Any, message: Any) -> None:
        number = json.loads(message.payload)["value"]
        print(message.topic.split("/")[1], time.time_ns(), number, flush=True)

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, heard
    client.connect("127.0.0.1")
    client.loop_forever()


if __name__ == "__main__":
    main()

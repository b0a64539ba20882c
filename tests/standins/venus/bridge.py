"""A real Mosquitto that is not the device, with the device's values bridged to it.

Users with one broker for the whole house have this set-up: the device's topics are on that broker
below a prefix, as `boat/N/…` and `boat/R/…`.

Rules: this broker connects to the device's, and reconnects some seconds after a disconnect. If the
bridge is to leave out retained messages, the device's broker connects instead, because only the
sending side can leave them out; its configuration then gets the bridge, and it is restarted.
"""

import threading
from pathlib import Path
from typing import Any

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.mqtt import new_client
from tests.support.process import PartError

_STATE = "$SYS/broker/connection/{name}/state"  # mosquitto.conf(5), notifications


class Bridged(Mosquitto):
    """A Mosquitto to which `device`, the broker of a device, is bridged; that one runs already.

    `prefix` is the prefix of the device's topics here, `remote` that on the device's broker, both
    with a slash at the end unless they are empty. Without `retained` no message arrives as
    retained, so a subscriber here does not get the portal id. Without `questions` requests from
    here do not reach the device. `name` is the bridge's client id: two bridges to one broker need
    two names. `options` are those of Mosquitto.
    """

    def __init__(
        self,
        directory: Path,
        device: Mosquitto,
        *,
        prefix: str = "boat/",
        remote: str = "",
        retained: bool = True,
        questions: bool = True,
        name: str = "boat",
        **options: Any,
    ) -> None:
        super().__init__(directory, **options)
        self._device = device
        self._prefixes = prefix, remote
        self._retained = retained
        self._questions = questions
        self._name = name
        self._own = self.config

    def configure(self) -> None:
        """Write mosquitto.conf, with the bridge in it."""
        if self._retained:
            here, there = self._prefixes
            self.config = f"{self._own}\n{self._bridge(self._device, here, there, 'in', 'out')}"
        super().configure()

    def start(self) -> None:
        """Start it and wait until the device's broker is connected. Raises PartError."""
        super().start()
        bridging: Mosquitto = self
        if not self._retained:
            bridging = self._device
            here, there = self._prefixes
            text = self._bridge(self, there, here, "out", "in") + "\nbridge_outgoing_retain false"
            if text not in bridging.config:
                bridging.config += f"\n{text}"
                bridging.restart()
        self._wait_until_connected(bridging)

    def _bridge(self, other: Mosquitto, here: str, there: str, values: str, asks: str) -> str:
        """Return a bridge's configuration; `here` is the side that connects, `values` in or out."""
        prefixes = " ".join(prefix or '""' for prefix in (here, there))
        lines = [
            f"connection {self._name}",
            f"address {other.host}:{other.port}",
            f"local_clientid local.{self._name}",
            f"remote_clientid {self._name}",
            "cleansession true",
            "restart_timeout 1",  # s
            f"topic N/# {values} 0 {prefixes}",
        ]
        if self._questions:
            lines.append(f"topic R/# {asks} 0 {prefixes}")
        if other.users:
            user, password = next(iter(other.users.items()))
            lines += [f"remote_username {user}", f"remote_password {password}"]
        return "\n".join(lines)

    def _wait_until_connected(self, bridging: Mosquitto, timeout: float = 30.0) -> None:
        connected = threading.Event()
        client = new_client()
        if bridging.users:
            client.username_pw_set(*next(iter(bridging.users.items())))
        topic = _STATE.format(name=self._name)
        client.on_connect = lambda client, *_: client.subscribe(topic)
        client.on_message = lambda _, __, message: message.payload == b"1" and connected.set()
        client.connect(bridging.host, bridging.port)
        client.loop_start()
        try:
            if not connected.wait(timeout):
                raise PartError(f"the bridge does not connect\n{bridging.tail()}")
        finally:
            client.disconnect()
            client.loop_stop()

"""A real Mosquitto that is not the device, with the device's values bridged to it.

People have it who keep one broker for the whole house: the device's topics are there below a
prefix, as `boat/N/…` and `boat/R/…`.

Rules: the bridge calls from here, and again some seconds after it was cut. Where retained messages
are not to come over, the device's broker is the one that calls, since only the end that sends can
leave them out; it then gets the bridge into its configuration and is started again.
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

    `prefix` is what the device's topics have in front here, `remote` what they have there, both
    with a slash at the end unless they are empty. Without `retained` no message comes over as
    retained, so who subscribes here is not told the portal id. Without `questions` what is asked
    here does not get there. `name` is the bridge's client id: two bridges to one broker need two
    names. `options` are those of Mosquitto.
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
        """Return the lines of a bridge; `here` is the side that calls, `values` come or go."""
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
                raise PartError(f"the bridge does not come about\n{bridging.tail()}")
        finally:
            client.disconnect()
            client.loop_stop()

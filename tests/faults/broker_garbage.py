"""Something else listens on the broker's port for a while, and answers garbage."""

import random
import socket
from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.stranger import stranger
from tests.faults.unheard import unheard
from tests.support.daemon import wait

GARBAGE = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    bytes(range(255, -1, -1)),
)
NO_BROKER = r"WARNING: gx\.example port 1883 .*; are address and port those of the device"


def inflict(house: House) -> Sequence[Window]:
    """Answer with one or the other until it has been tried again and again."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(random.choice(GARBAGE))

    with (
        house.says_once(NO_BROKER),
        unheard(house) as lost,
        house.says(NO_BROKER),
        stranger(house, talk) as other,
    ):
        wait("attempts", lambda: other.calls >= 5)
    return lost


SCENARIO = Scenario(
    "Something else answers at the broker's port, in no MQTT",
    "said as what it is; tried again within 15 s, so that the broker is found when it is back",
    "what the device says meanwhile",
    inflict,
)

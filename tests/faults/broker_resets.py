"""For a while connections to the broker are reset in the middle of a packet."""

import socket
from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import PORTAL, House
from tests.faults.scenario import Scenario
from tests.faults.stranger import stranger
from tests.faults.unheard import ENDED, unheard
from tests.standins.network.mqtt_peers import (
    CONNECT,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    WELCOME,
    packet,
    packets,
    publish,
    reset,
)
from tests.support.compare import NINE
from tests.support.daemon import wait

NEVER = -666.25
HALF = publish(f"N/{PORTAL}/{NINE['Voltage']}", b'{"value":%.2f}' % NEVER)[:-2]


def read_from(connection: socket.socket) -> bool:
    """Be a broker until the first read; return whether there was one."""
    for kind, body in packets(connection):
        if kind == CONNECT:
            connection.sendall(WELCOME)
        elif kind == SUBSCRIBE:
            connection.sendall(packet(SUBACK, body[:2] + bytes(10)))
        elif kind == PUBLISH:
            return True
    return False


def talk(connection: socket.socket) -> None:
    """Give half an answer."""
    if read_from(connection):
        connection.sendall(HALF)
        reset(connection)


def inflict(house: House) -> Sequence[Window]:
    """Reset some of them."""
    with unheard(house) as lost, house.says(ENDED), stranger(house, talk) as other:
        wait("some attempts", lambda: other.calls >= 3)
    half = f'SELECT "Voltage" FROM "dc" WHERE "Voltage" = {NEVER}'
    assert not house.database.query(half, "battery")
    return lost


SCENARIO = Scenario(
    "Connections to the broker are reset in the middle of a packet",
    "noticed at once; connected to anew at once, and then after waits that grow to 15 s",
    "what the device says meanwhile",
    inflict,
)

"""What scenarios do to the database and its data, and whom they put in its place."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.faults.house import House
from tests.faults.house_daemon import calm, shows
from tests.standins.network.mqtt_peers import Peer
from tests.support.process import free_port

LATE = "WARNING: InfluxDB at .* does not answer within"
BACK = "takes values again"
_SAVED = "saved"  # another database


class InPlace(Peer):
    """Mixed into a peer: it listens where the database does, which has to be stopped."""

    def __init__(self, house: House, *given: object, **named: object) -> None:
        self._place = socket.create_server((house.database.host, house.database.port))
        super().__init__(*given, **named)

    def _accept(self) -> None:
        self._server.close()
        self._server = self._place
        super()._accept()


@contextmanager
def out_of_reach(house: House) -> Iterator[None]:
    """Have the database where the daemon does not find it, in a block; nothing is under way."""
    port = house.database.port
    house.database.kill()
    house.database.port = free_port()
    house.database.start()
    house.more_reads(2)  # which the daemon tries to store
    yield
    house.database.kill()
    house.database.port = port
    house.database.start()


@contextmanager
def late(house: House, fault: AbstractContextManager[None]) -> Iterator[None]:
    """Have a fault on in a block that begins when a request has run into its deadline.

    That is told once, and so is the end of it.
    """
    with house.says_once(LATE), house.says_once(BACK), house.says(BACK), fault:
        with house.says(LATE):
            pass
        yield


def deny(house: House, refusal: str, statement: str, back: str) -> None:
    """Have a statement make the database refuse values until the log has that, and one undo it."""
    with house.says(BACK):
        with house.says(refusal):
            house.database.query(statement)
        shows(house, refusal)
        house.more_reads(5)
        house.database.query(back)
    calm(house)


def save(house: House, what: str = "*") -> None:
    """Copy what is stored to where nobody sees it."""
    house.database.query(f"CREATE DATABASE {_SAVED}")
    _copy(house, what, "battery", _SAVED)


def bring_back(house: House) -> None:
    """Put what was saved with what is stored now."""
    _copy(house, "*", _SAVED, "battery")
    house.database.query(f"DROP DATABASE {_SAVED}")


def _copy(house: House, what: str, here: str, there: str) -> None:
    into = f'INTO "{there}"."autogen"."dc" FROM "{here}"."autogen"."dc"'
    house.database.query(f"SELECT {what} {into} GROUP BY *", timeout=60.0)

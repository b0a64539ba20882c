"""What scenarios do to the database's data, and whom they put in its place."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.house import House
from tests.parts.peers import Peer
from tests.parts.process import free_port

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

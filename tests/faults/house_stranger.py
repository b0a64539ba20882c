"""Another server at the address of a stopped server, with another protocol."""

from __future__ import annotations

import socket

from tests.standins.network.mqtt_peers import Peer


class InPlace(Peer):
    """Mixed into a peer: it listens at `address`."""

    def __init__(self, address: tuple[str, int], *given: object, **named: object) -> None:
        self._place = socket.create_server(address)
        super().__init__(*given, **named)

    def _accept(self) -> None:
        self._server.close()
        self._server = self._place
        super()._accept()

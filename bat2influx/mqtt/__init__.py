"""Connects to a broker, and holds the MQTT session.

A `Connector` resolves the name, connects and does the handshake on its own thread; a `Connection`
is the MQTT session over the resulting link; a `Reconnector` makes the next one after its end; a
`Session` does the same for a command, and waits where the daemon steps.

Rules: nothing here blocks the main thread. Whatever a peer sends, and whatever paho raises for it,
is the peer's fault and ends the connection. Only paho_client.py uses paho. Start with
connection.py; every message about a broker is in errors.py.
"""

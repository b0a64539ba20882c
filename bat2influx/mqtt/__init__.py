"""The way to a broker, and the conversation with it.

A `Connector` finds, connects and does the handshake on a thread of its own; a `Connection` is the
MQTT session over what it hands over; a `Reconnector` makes the next one when it has ended; a
`Session` is the same for a command, which waits where the daemon steps.

Rules: nothing here blocks the main thread. Whatever a peer sends, and whatever paho raises for it,
is the peer's fault and ends the connection. paho is known to paho_client.py alone. Start with
connection.py; each text about a broker is in errors.py.
"""

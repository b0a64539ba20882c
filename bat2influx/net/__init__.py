"""Sockets and trust: time limits for name resolution and sockets, TLS and trusted certificates.

Uses neither MQTT nor HTTP: mqtt/connector.py and influx/transport.py make the connections, and give
failures their meaning. Start with deadline.py.
"""

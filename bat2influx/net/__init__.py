"""Sockets and trust: name resolution and deadlines with a limit, TLS and whom it trusts.

Knows neither MQTT nor HTTP: what a failure means for a broker or a database is said by those who
make the connection (mqtt/connector.py, influx/transport.py). Start with deadline.py.
"""

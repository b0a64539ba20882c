"""InfluxDB, and other databases that accept its line protocol: a batch in, an outcome out.

The path of a value: lineprotocol.py encodes it as a line; writer.py sends a batch with http.py and,
with dialects.py (which server it is, what its answers mean) and rejects.py (which lines it
rejects), converts the answer into an outcome.py.

Below http.py are transport.py (a persistent connection, and TLS), exchange.py (a request and its
answer in HTTP/1.1) and environment.py (proxies and ~/.netrc).

Rules: only an outcome removes a line from its queue. Only package.py uses `influxdb` and
`requests`, for statements that a user runs; the daemon imports neither. Start with writer.py, which
evaluates each status; each text about a database is in errors.py.
"""

"""InfluxDB, and what takes its line protocol: a batch in, an outcome out.

A value's way here: lineprotocol.py makes it a line; writer.py sends a batch by http.py and, with
dialects.py (which server it is, what its answers mean) and rejects.py (which rows it rejects),
makes an outcome.py of the answer.

Beneath http.py are transport.py (a connection that is kept, and its trust), exchange.py (a request
and its answer in HTTP/1.1) and environment.py (proxies and ~/.netrc).

Rules: a line leaves its queue by an outcome alone. `influxdb` and `requests` are known to
package.py alone, by which statements go that a user runs; the daemon imports neither. Start with
writer.py; what happens at a status is judged there, each text about a database is in errors.py.
"""

"""InfluxDB, and what takes its line protocol: a batch in, an outcome out.

A value's way here: lineprotocol.py makes it a line; writer.py sends a batch by http.py and, with
dialects.py (which server it is, what its answers mean) and rejects.py (which rows it rejects),
makes an outcome.py of the answer.

Rules: a line leaves its queue by an outcome alone. `influxdb` and `requests` are known to http.py
and transport.py alone. Start with writer.py; what happens at a status is judged there, each text
about a database is in errors.py.
"""

"""systemd and the log: what the service manager is told, and what a person reads.

Rules: a person reads what has to be acted on, once; its repeats are counted, its end is one line.
Values, requests and single messages are never logged. Start with journal.py; each event and its id
stand in events.py, and in systemd/bat2influx.catalog what to do about it.
"""

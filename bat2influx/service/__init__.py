"""systemd, the log and the service's user: what the service manager is told, what a person reads,
and how root meets files of that user.

Rules: a person reads what has to be acted on, once; its repeats are counted, its end is one line.
Values, requests and single messages are never logged. Start with journal.py; each event and its id
stand in events.py, and in systemd/bat2influx.catalog what to do about it. ownership.py is for
commands that root runs, lean_imports.py for the memory of a service that runs for years.
"""

"""systemd, the log, and access of root to files of the service's user.

Rules: the log has what a person has to act on, once; repeats are counted, the end is one line.
Values, requests and single messages are never logged. Start with journal.py; events.py has each
event with its id, and systemd/bat2influx.catalog what to do about it. ownership.py is for commands
that root runs, lean_imports.py saves memory in a service that runs for years.
"""

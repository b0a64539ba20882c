"""The commands beside the daemon, a module or a folder each.

Rules: a command prints its result on stdout and problems on stderr, both with output.py, and
returns an exit code of sysexits.h. In a directory of the daemon's user it works as that user
(service/ownership.py). It connects to brokers and databases with the daemon's own parts, so that a
failure has the same name, and it stores no value. Start with the command that you look for.
"""

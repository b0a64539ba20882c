"""The commands beside the daemon, a module or a folder each.

Rules: a command prints its result on stdout and what is in the way on stderr, both by output.py,
and returns an exit code of sysexits.h. What it does in a directory of the daemon's user it does as
that user (service/ownership.py). It speaks to brokers and databases by the daemon's own parts, so
that whatever is met with has the same name, and it stores no value. Start with the command that you
look for.
"""

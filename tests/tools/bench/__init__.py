"""Benchmarks of the daemon: `make bench`, or `/usr/bin/python3 -m tests.tools.bench`."""

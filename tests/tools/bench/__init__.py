"""What the daemon costs: `make bench`, or `/usr/bin/python3 -m tests.tools.bench`."""

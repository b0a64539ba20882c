"""What hostile input costs the daemon: `make hostile`, or `python3 -m tests.tools.hostile`."""

"""The cost of hostile input for the daemon: `make hostile`, `python3 -m tests.tools.hostile`."""

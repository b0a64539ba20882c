"""The package on really booted systems: Debian 12 and 13, one container for each machine."""

"""What tests and runs have in common: processes, disks, clocks, comparisons."""

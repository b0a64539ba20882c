"""README, man pages, catalog and docs/, held against the program."""

"""The package's additions to the program: manual pages, completion, units, and its checks."""

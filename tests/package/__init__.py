"""What the package adds to the program: manual pages, completion, units, and its own checks."""

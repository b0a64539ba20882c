"""`make arm`: the package on the processors of single-board computers, by qemu-user."""

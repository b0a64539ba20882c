"""`make arm`: the package on processors of single-board computers, by qemu-user."""

"""What can go wrong, one scenario a file, and that nothing is lost by it.

Each is inflicted on a running daemon with a real broker and a real database, in networks of their
own (`house`); afterwards what the device has said is compared with what is stored, value for value
and time for time (`account`). `scenario` says what one consists of.

    /usr/bin/python3 -m tests.faults     writes the README's table of them
"""

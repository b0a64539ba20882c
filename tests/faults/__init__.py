"""What can go wrong, and that nothing is lost by it.

Each scenario is a fault on a running daemon with a real broker and a real database, in networks of
their own. Afterwards `account` compares what the device has said with what is stored, value for
value and time for time.

    database, daemon, disk, clock, device, network    the scenarios, each in a function
    house, house_*                                    what they happen to, and how
    scenario, account, table                          what one consists of; the comparison; the
                                                      README's table of all

    /usr/bin/python3 -m tests.faults     writes the table
"""

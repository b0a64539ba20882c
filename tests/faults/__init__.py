"""Fault injection: tests that no value is lost by the faults of a real system.

Each scenario is a fault on a running daemon with a real broker and a real database, in separate
networks. Afterwards `account` compares the device's answers with the stored values and their times.

    database, daemon, disk, clock, device, network    the scenarios, each in a function
    house, house_*                                    the system under test, and its faults
    scenario, account, table                          the parts of a scenario; the comparison; the
                                                      README's table of all

    /usr/bin/python3 -m tests.faults     writes the table
"""

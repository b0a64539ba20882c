"""`bat2influx check`: each step on the way from the device to the database.

Start with command.py.
"""

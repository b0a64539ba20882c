"""All Venus OS devices behind one broker, by wildcards and shared subscriptions.

A value's way here: connection -> fleet.py -> intake.py (decoded and stamped) -> the main loop.

Rules: those of device/. A message takes the same short way however many devices there are, and what
a broker makes up takes no more memory than is configured: memory.py counts the bytes.
Start with fleet.py.
"""

"""All Venus OS devices behind one broker, by wildcards and shared subscriptions.

The path of a value: connection -> fleet.py -> intake.py (decodes and stamps) -> the main loop.

Rules: those of device/. The path of a message has the same length however many devices there are.
Devices that someone invents on the broker take no more memory than configured: memory.py counts the
bytes. Start with fleet.py.
"""

"""What Victron's devices say on MQTT, and what it means.

Rules: pure; no socket, no clock, no state that is not handed in. Whatever bytes come, nothing is
raised. A fact of the protocol names its source. Start with protocol.py; a path and its unit are
in units.py, a preset in presets.py.
"""

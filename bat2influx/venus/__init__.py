"""The MQTT protocol of Victron's devices: topics, payloads, paths and presets.

Rules: pure; no socket, no clock, no state that is not passed in. No input raises an exception,
whatever its bytes. A fact of the protocol names its source. Start with protocol.py; paths and units
are in units.py, presets in presets.py.
"""

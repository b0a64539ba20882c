"""One Venus OS device: discovery, read requests, detection of failures, and its values.

The path of a value: connection -> device.py -> intake.py (decodes and stamps) -> the main loop. An
ordinary value passes through fast_path.py instead, with the same result in less time.

Rules: no thread and no clock; times are passed in. Nothing a peer does raises an exception.

Start with device.py, which connects the parts: wanted (what the configuration leaves open), portal
(which device), discovery with question (its instances) and arrivals (services that appear later),
plan (what to request), schedule and poller (when), keepalive and silence (of the whole device),
remembered (what is known at the next start).
presence.py knows what is present, with the state tables in fields.py and services.py; problems.py
turns that into messages for users. source.py has what a device and a fleet have in common.
"""

"""One Venus OS device: found, asked, heard, missed, and its values taken in.

A value's way here: connection -> device.py -> intake.py (decoded and stamped) -> the main loop.

Rules: no thread and no clock; times are handed in. Nothing is raised for what a peer does.

Start with device.py, which puts the parts together: portal (which device), discovery (its
instances) with question (how they are asked for) and arrivals (what appears by itself), plan (what
to ask), schedule and poller (when), keepalive, presence and silence (what does not come),
remembered (what the next start knows). source.py is what a device and a fleet have in common.
"""

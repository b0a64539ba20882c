"""One Venus OS device: found, asked, heard, missed, and its values taken in.

A value's way here: connection -> device.py -> intake.py (decoded and stamped) -> the main loop. An
ordinary one goes by short_way.py in between, which means the same and takes less time.

Rules: no thread and no clock; times are handed in. Nothing is raised for what a peer does.

Start with device.py, which puts the parts together: wanted (what the configuration leaves open),
portal (which device), discovery with question (its instances) and arrivals (what appears later),
plan (what to ask), schedule and poller (when), keepalive and silence (of the device as a whole),
remembered (what the next start knows).
presence.py has what is there, with the tables of states in fields.py and services.py; problems.py
words it for people. source.py is what a device and a fleet have in common.
"""

"""`bat2influx discover`: devices on the network, or at a host, as lines for the ini file.

A device's way here: lan_search.py and ssdp.py find a host, inquiry.py asks it by MQTT, survey.py
sorts out what it says, ini_lines.py makes lines of that. Start with command.py.
"""

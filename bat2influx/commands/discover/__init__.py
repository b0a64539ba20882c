"""`bat2influx discover`: devices on the network, or at a host, as lines for the ini file.

lan_search.py and ssdp.py find a host, inquiry.py queries it by MQTT, survey.py collects the
answers, ini_lines.py makes lines of them, writing.py puts these into the file. Start with
command.py.
"""

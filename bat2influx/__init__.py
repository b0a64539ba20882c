"""bat2influx: a Victron battery, once a second, in InfluxDB.

The way of a value, folder by folder:

    mqtt -> device (or fleet), by venus -> influx.lineprotocol -> delivery -> influx.writer

`mqtt` holds the conversation with a broker; `device` (or `fleet`, for all devices behind one of
them) asks for values and takes them in, by what `venus` knows of their meaning;
`influx.lineprotocol` makes a line of each; `delivery` keeps the lines, in memory and on disk,
until `influx.writer` has had them accepted. `daemon` turns the loop over all of it, `commands` has
what runs beside it, and `config`, `service` and `net` serve them all. Nothing calls back upstream;
who may import whom is held by tests/unit/test_layers.py.
"""

__version__ = "1.0.0"

"""bat2influx: stores the values of a Victron battery in InfluxDB, once a second.

The path of a value, folder by folder:

    mqtt -> device (or fleet), by venus -> influx.lineprotocol -> delivery -> influx.writer

`mqtt` has the connection to a broker; `device` (or `fleet`, for all devices behind one broker)
requests values and receives them; `venus` has the protocol and the meaning of the values;
`influx.lineprotocol` makes a line of each; `delivery` queues the lines, in memory and on disk,
until `influx.writer` has stored them. `daemon` runs the loop, `commands` has the programs beside
it, and `config`, `service` and `net` serve them all. Nothing calls back upstream;
tests/unit/test_layers.py checks the allowed imports.
"""

__version__ = "1.0.0"

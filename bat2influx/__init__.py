"""bat2influx: a Victron battery, once a second, in InfluxDB."""

__version__ = "1.0.0"

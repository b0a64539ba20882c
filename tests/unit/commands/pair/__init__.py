"""Unit tests of `bat2influx pair`."""

"""Tests of bat2influx/mqtt."""

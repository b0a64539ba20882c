"""Tests of bat2influx/influx."""

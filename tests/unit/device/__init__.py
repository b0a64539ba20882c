"""Tests of bat2influx/device."""

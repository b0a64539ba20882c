"""Tests of bat2influx/fleet."""

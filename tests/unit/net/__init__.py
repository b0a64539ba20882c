"""Tests of bat2influx/net."""

"""Tests of bat2influx/venus."""

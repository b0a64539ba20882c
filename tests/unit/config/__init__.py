"""Tests of bat2influx/config."""

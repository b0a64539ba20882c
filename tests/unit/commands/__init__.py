"""Tests of bat2influx/commands."""

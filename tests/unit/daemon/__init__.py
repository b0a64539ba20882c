"""Tests of bat2influx/daemon."""

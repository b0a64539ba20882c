"""Tests of bat2influx/delivery."""

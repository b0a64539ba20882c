"""Tests of bat2influx/service."""

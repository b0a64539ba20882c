"""Tests of bat2influx/commands/setup_db."""

"""Tests of what tests lean on."""

"""Tests of the runs, which have to find what they are for."""

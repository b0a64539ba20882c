"""Tests of the tools: they have to find the faults that they search for."""

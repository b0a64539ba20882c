"""Tests of the stand-ins: they have to be what they stand for."""

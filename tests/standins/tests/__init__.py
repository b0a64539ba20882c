"""Tests of the stand-ins: they have to behave like the real parts."""

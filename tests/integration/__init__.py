"""Tests of the whole daemon against real servers; run with both generations of paho."""

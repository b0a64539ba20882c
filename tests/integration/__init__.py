"""Tests of the whole daemon with real servers; run with both generations of paho."""

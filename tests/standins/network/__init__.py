"""Separate networks, certificates and brokers for tests, and peers written for tests."""

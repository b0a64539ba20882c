"""Tests of the support code of the tests."""

"""Quick tests without a server: unit/FOLDER/test_MODULE.py is about bat2influx/FOLDER/MODULE.py.

A second file about the same module has its name and an aspect, as in test_settings_tls.py.
"""

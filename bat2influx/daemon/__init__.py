"""The running program: one loop, its status, health and self-measurement.

Rules: nothing that the main thread calls may block. Start with main.py: `run` is the table of
contents.
"""

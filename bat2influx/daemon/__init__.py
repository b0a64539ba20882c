"""The running program: one loop, and what it tells of itself.

Rules: nothing that the main thread calls may block. Start with main.py: `run` is the table of
contents.
"""

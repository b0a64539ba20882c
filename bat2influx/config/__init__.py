"""The ini file and the credentials beside it, as frozen dataclasses.

Rules: every problem is told at once, with its line, what was found and what is allowed; a secret is
in no message. Which keys there are and what each allows stands in config.spec. Start with
settings.py; a check of one value is in checks.py, one of several in rules.py, and [Fields] with its
presets in fields.py.
"""

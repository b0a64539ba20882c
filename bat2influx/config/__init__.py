"""The ini file and the credentials beside it, as immutable values.

Rules: all problems are reported together, each with its line, the value and what is allowed; a
secret is in no message. config.spec has the keys and what each allows. Start with settings.py;
checks.py has the checks of single values, rules.py those of several, and fields.py has [Fields]
with its presets.
"""

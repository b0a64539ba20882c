"""Writes the README's table of faults, from what the scenarios say of themselves."""

from tests.faults.table import write

write()

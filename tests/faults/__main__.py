"""Writes the table of docs/what-is-lost.md, from what the scenarios say of themselves."""

from tests.faults.table import write

write()

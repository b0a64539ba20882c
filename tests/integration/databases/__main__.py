"""Writes the table of docs/databases.md."""

from tests.integration.databases.table import write_it

write_it()

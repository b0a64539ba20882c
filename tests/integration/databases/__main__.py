"""Writes the README's table of databases."""

from tests.integration.databases.table import write_it

write_it()

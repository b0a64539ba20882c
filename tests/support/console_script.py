"""Starts, from a checkout, the function that the command `bat2influx` of `pip install` calls."""

import sys
from configparser import ConfigParser
from importlib.metadata import EntryPoint

from tests import TOP

if __name__ == "__main__":
    metadata = ConfigParser()
    metadata.read(TOP / "setup.cfg")
    scripts = metadata["options.entry_points"]["console_scripts"]
    name, _, value = scripts.strip().partition(" = ")
    sys.exit(EntryPoint(name, value, "console_scripts").load()())

"""The version is set in bat2influx/__init__.py; all other places follow."""

from __future__ import annotations

import re
from configparser import ConfigParser

from bat2influx import __version__
from tests import TOP


def test_the_version_is_three_numbers() -> None:
    """A word in it would sort differently in Debian and in Python."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_build_reads_it_from_there() -> None:
    """For installations by pip and by the package."""
    setup = ConfigParser()
    setup.read(TOP / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: bat2influx.__version__"
    assert "version" not in (TOP / "pyproject.toml").read_text()


def test_the_package_is_of_that_version() -> None:
    """With a Debian revision after it, in the first entry of its changelog."""
    first = (TOP / "debian/changelog").read_text().partition("\n")[0]
    found = re.fullmatch(r"bat2influx \((.+)-(\d+)\) \w+; urgency=\w+", first)
    assert found
    assert found[1] == __version__
    assert (TOP / "debian/source/format").read_text() == "3.0 (quilt)\n"


def test_the_changes_begin_with_that_version() -> None:
    """Released or not yet."""
    headings = re.findall(r"(?m)^## (.+)$", (TOP / "CHANGELOG.md").read_text())
    assert re.fullmatch(rf"{re.escape(__version__)} \(.+\)", headings[0])


def test_the_readme_shows_the_package_of_that_version() -> None:
    """In the commands of the installation."""
    shown = re.findall(r"Setting up bat2influx \((.+?)-1\)", (TOP / "README.md").read_text())
    assert shown == [__version__]

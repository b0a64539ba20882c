"""What the README shows of a first run is what the program prints."""

from __future__ import annotations

import re
import subprocess
import sys

from tests import TOP
from tests.docs import pages
from tests.docs.test_readme import README
from tests.standins.venus.device import Device
from tests.support.daemon import Setting

MASKS = (  # what is another one on another machine
    (r"/\S+\.ini", "FILE"),
    (r"\b(?:localhost|127\.0\.0\.1):[0-9]+", "SERVER"),
    (r"version [0-9]\S*", "VERSION"),
    (r"[0-9]+ is open", "PORT is open"),
    (r"-?[0-9]+\.?[0-9]* (?=(?:V|A|W|%|VA|Hz) \()", "VALUE "),
)


def masked(line: str) -> str:
    """Return a line without what depends on the machine and on the moment."""
    for pattern, mask in MASKS:
        line = re.sub(pattern, mask, line)
    return line


def shown(command: str) -> list[str]:
    """Return the lines that the README shows below a command, but for those left out."""
    (block,) = (
        each.text for each in pages.blocks(README) if each.text.startswith(f"# {command}\n")
    )
    return [line for line in block.splitlines()[1:] if line != "…"]


def test_check_prints_what_is_shown(setting: Setting) -> None:
    """In this order; what is left out is marked."""
    setting.venus(Device("c0619ab1c2d3"))
    done = subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", setting.write_ini(), "check"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = iter([masked(line) for line in done.stdout.splitlines()])
    lines = shown("bat2influx check")
    assert len(lines) > 5
    for line in lines:
        assert masked(line) in printed, f"{line}\n\n{done.stdout}"


def test_apt_configures_the_package_that_is_shown() -> None:
    """By its name; tests/package/test_version.py has the version."""
    assert re.fullmatch(
        r"Setting up bat2influx \([\d.]+-1\) \.\.\.", shown("apt install ./bat2influx.deb")[0]
    )


def test_the_commands_are_five() -> None:
    """From a checkout to a running service."""
    install = README.partition("\n## Install\n")[2]
    commands = pages.blocks(install)[0].text.splitlines()
    assert len(commands) == 5
    assert commands[0] == "make deb"
    assert commands[-1] == "systemctl enable --now bat2influx"

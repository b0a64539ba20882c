"""The five commands of the README, on a Debian that has never seen the package."""

from __future__ import annotations

import re
from pathlib import Path

from tests import TOP
from tests.support.compare import NINE
from tests.system.plant import Plant

README = (TOP / "README.md").read_text(encoding="utf-8")
BLOCK = re.search(r"From a checkout, as root:\n\n```\n(.*?)```", README, re.DOTALL)
QUERY = re.search(r"^# (influx -precision .*)$", README, re.MULTILINE)
# The device is on the machine itself: a search of the network would not find it.
HERE = ("discover --write", "discover 127.0.0.1 --write")


def test_five_commands_lead_to_values_in_the_database(machine: Plant, package: Path) -> None:
    """As written, but for the address; then the query of the README shows every second."""
    assert BLOCK
    assert QUERY
    make, install, *others = BLOCK[1].splitlines()
    assert make == "make deb"
    assert install == "apt install ./bat2influx.deb"
    assert len(others) == 3
    machine.start_servers()
    machine.copy_in(package, "/root/bat2influx.deb")
    machine.run(f"cd /root && DEBIAN_FRONTEND=noninteractive {install} -y")
    since = machine.now()
    printed = [machine.run(line.replace(*HERE)).stdout for line in others]
    assert re.search(r"^\+address = 127\.0\.0\.1$", printed[0], re.MULTILINE), printed[0]
    assert not re.search("^wrong", printed[1], re.MULTILINE), printed[1]
    for field in NINE:
        machine.wait_for_values(field, since=since)
    machine.wait_for_values(count=5)
    rows = machine.run(QUERY[1]).stdout.splitlines()
    assert rows[0] == "name: dc"
    assert rows[1].split() == ["time", "Current", "Voltage", "Power"]
    assert len(rows) >= 5, rows

"""README and docs/install.md, on a Debian that has never seen the package, up to a picture.

Grafana is not in Debian: the dashboards are rendered by its libraries (tests/tools/render), from
the files of the installed package, with the data source of the provisioning file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests import TOP
from tests.support.compare import NINE
from tests.system.plant import INI, Plant
from tests.tools.render.browser import Browser

README = (TOP / "README.md").read_text(encoding="utf-8")
BLOCK = re.search(r"From a checkout, as root:\n\n```\n(.*?)```", README, re.DOTALL)
QUERY = re.search(r"^# (influx -precision .*)$", README, re.MULTILINE)
# The device is on the machine itself: a search of the network would not find it.
HERE = ("discover --write", "discover 127.0.0.1 --write")


INSTALL = (TOP / "docs/install.md").read_text(encoding="utf-8")
FIRST_RUN = re.search(r"## First run\n\nAs root:\n\n```\n(.*?)```", INSTALL, re.DOTALL)
GRAFANA = (TOP / "docs/grafana.md").read_text(encoding="utf-8")
PROVISIONED = re.search(r"^cp (\S+)/datasources/bat2influx\.yaml ", GRAFANA, re.MULTILINE)
# By themselves these would wait for keys.
OF_A_PERSON = {"editor /etc/bat2influx/bat2influx.ini", "bat2influx watch"}


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


def test_the_first_run_leads_to_a_picture(machine: Plant, package: Path) -> None:
    """The commands of docs/install.md; then the overview shows the battery's values."""
    assert FIRST_RUN
    assert PROVISIONED
    machine.start_servers()
    machine.install(package)
    commands = FIRST_RUN[1].splitlines()
    assert {*commands} > OF_A_PERSON
    shown = machine.run("bat2influx", "discover", "127.0.0.1").stdout
    (address,) = re.findall(r"^address = .*$", shown, re.MULTILINE)
    machine.run("sed", "-i", f"s/^address = venus.local$/{address}/", INI)  # in place of the editor
    since = machine.now()
    for command in commands[commands.index("bat2influx check") :]:
        if command not in OF_A_PERSON:
            machine.run(command)
    for field in NINE:
        machine.wait_for_values(field, since=since)
    machine.wait_for_values(count=60)
    source = machine.read(f"{PROVISIONED[1]}/datasources/bat2influx.yaml")
    port, db = (
        re.search(pattern, source, re.MULTILINE)[1]  # type: ignore[index]
        for pattern in (r"^ *url: http://localhost:(\d+)", r"^ *dbName: (\S+)")
    )
    dashboard = json.loads(machine.read("/usr/share/bat2influx/grafana/dashboards/overview.json"))
    with machine.forwarded(int(port)) as forwarded, Browser() as browser:
        url = f"http://127.0.0.1:{forwarded.port}"
        page = browser.render(dashboard, ("influxdb", url, db, "", ""), width=800)
    assert page.problems == []
    empty = {panel.title for panel in page.panels if panel.empty or panel.error}
    assert not empty & {"State of charge", "Battery", "Power now", "Energy: battery and house"}
    assert not empty & {"Where power comes from and goes to", "Charge through the day"}
    assert re.search(r"\d+\s*%", page.panel("State of charge").text)

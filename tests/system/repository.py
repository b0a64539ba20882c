"""An apt repository in a folder, with this project's packages, for unattended upgrades.

It has an origin, because unattended-upgrades selects packages by their origin. It is not signed,
and trusted by an option: signatures do not matter to these tests of upgrades.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.system.machine import Machine

ORIGIN = "bat2influx"
PLACE = "/srv/apt"
SOURCE = f"deb [trusted=yes] file:{PLACE} ./\n"
# An owner adds this to upgrade packages of an origin other than Debian.
UNATTENDED = f'Unattended-Upgrade::Origins-Pattern {{ "origin={ORIGIN}"; }};\n'


def offer(machine: Machine, *packages: Path) -> None:
    """Make these packages the only ones that the machine can install."""
    index = "\n".join(map(_entry, packages)).encode()
    lines = [f"Origin: {ORIGIN}", f"Label: {ORIGIN}", "Suite: stable", "SHA256:"]
    lines.append(f" {hashlib.sha256(index).hexdigest()} {len(index)} Packages")
    for package in packages:
        machine.copy_in(package, f"{PLACE}/{package.name}")
    machine.write(f"{PLACE}/Packages", index.decode())
    machine.write(f"{PLACE}/Release", "\n".join([*lines, ""]))
    machine.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    machine.write("/etc/apt/sources.list.d/bat2influx.list", SOURCE)
    machine.write("/etc/apt/apt.conf.d/52bat2influx", UNATTENDED)
    machine.run("apt-get", "-q", "update")


def _entry(package: Path) -> str:
    control = ("dpkg-deb", "--field", package)
    fields = subprocess.run(control, check=True, capture_output=True, text=True).stdout
    data = package.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{fields}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {digest}\n"

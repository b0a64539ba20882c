"""Checks whether machines can be booted here; if not, gives the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

from tests.system.machine import BOOT_SCRIPT

PROGRAMS = (
    "gpg",
    "mmdebstrap",
    "reprepro",
    "systemd-nspawn",
    "nsenter",
    "unshare",
    "setpriv",
    "dpkg-deb",
    "make",
)


@cache
def why_not() -> str:
    """Return what is missing here to boot a machine, "" if nothing is."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"booting a machine needs {', '.join(missing)}: run tests/system/install"
    probe = subprocess.run(
        [BOOT_SCRIPT, "--probe"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode == 0:
        return ""
    reason = probe.stderr.strip() or f"the attempt ended with {probe.returncode}"
    return f"booting a machine needs namespaces, an overlay and a cgroup: {reason}"

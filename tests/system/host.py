"""Whether machines can be booted here, and if not, why: in words for people."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

PROGRAMS = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare", "setpriv", "dpkg-deb", "make")
# What tests/system/boot does first, and what a container often may not.
NAMESPACES = ("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")
MOUNTS = """
mount -t tmpfs tmpfs "$0"
mkdir "$0/lower" "$0/upper" "$0/work" "$0/root"
mount -t overlay -o "lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
"""


@cache
def why_not() -> str:
    """Return what is missing here for a machine to be booted, "" if nothing is."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"booting a machine needs {', '.join(missing)}: run tests/system/install"
    return _without_mounts() or _without_cgroups()


def _without_mounts() -> str:
    with tempfile.TemporaryDirectory() as room:
        tried = subprocess.run(
            [*NAMESPACES, "sh", "-ec", MOUNTS, room],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if tried.returncode == 0:
        return ""
    return f"booting a machine needs namespaces and an overlay: {tried.stderr.strip()}"


def _without_cgroups() -> str:
    if Path("/run/systemd/system").is_dir():
        return ""  # systemd-run gives us one
    folders = [Path("/sys/fs/cgroup", name) for name in ("unified", "systemd", "")]
    hierarchies = [folder for folder in folders if (folder / "cgroup.procs").exists()]
    if not hierarchies:
        return "booting a machine needs a cgroup file system on /sys/fs/cgroup"
    for hierarchy in hierarchies:
        probe = hierarchy / f"bat2influx-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"booting a machine needs a cgroup of its own: {error}"
    return ""

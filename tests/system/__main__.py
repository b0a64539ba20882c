"""A machine for manual tests: a booted Debian with broker, database and a simulated device.

    /usr/bin/python3 -m tests.system [bookworm|trixie] [COMMAND]

Needs root. The package is /root/bat2influx.deb. Without a COMMAND a shell is started. The machine
is deleted when the command or shell ends.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.system import package
from tests.system.host import why_not
from tests.system.machine import ENVIRONMENT
from tests.system.plant import Plant
from tests.system.trees import RELEASES, tree


def main() -> int:
    """Boot, run the command, and return its exit code."""
    release, *command = sys.argv[1:] or [RELEASES[-1]]
    if release not in RELEASES:
        print(__doc__, file=sys.stderr)
        return 64
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 77
    deb = package.build()
    with tree(release) as path, Plant(path, release) as machine:
        machine.copy_in(deb, "/root/bat2influx.deb")
        machine.start_servers(counted=False)
        inside = ("/bin/sh", "-c", f"cd && {' '.join(command) or 'exec bash'}")
        environment = {**ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")}
        return subprocess.run(machine.entry(*inside), env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

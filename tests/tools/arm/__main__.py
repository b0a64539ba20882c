"""The package on processors of single-board computers, emulated by qemu-user; needs root.

    /usr/bin/python3 -m tests.tools.arm [--arch armhf] [--suite bookworm] [--unit sizes|all|none]

Prints a line for each tree. Exits 1 if a value is missing or stored twice, if a second has no
value, or if a step fails; the logs of that tree are kept.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests import TOP
from tests.standins.network.apart import Apart
from tests.support import long_run
from tests.support.long_run import progress
from tests.system import package, trees
from tests.tools.arm import choice
from tests.tools.arm.account import Result, table
from tests.tools.arm.binfmt import PROCESSORS, Binfmt
from tests.tools.arm.machine import Machine
from tests.tools.arm.prove import prove

MORE = ("openssl", "python3-hypothesis", "python3-pytest", "python3-pytest-xdist", "util-linux")
APART = "BAT2INFLUX_ARM_APART"


def one(architecture: str, suite: str, deb: Path, unit_tests: list[str]) -> Result:
    """Run all steps in one tree."""
    began = time.monotonic()
    with Binfmt(architecture), trees.tree(suite, MORE, architecture) as tree:
        progress(f"{suite} {architecture}: {tree}, {time.monotonic() - began:.0f} s")
        with long_run.directory(f"arm-{suite}-{architecture}") as directory:
            directory.chmod(0o755)
            with Apart():
                machine = Machine(tree, directory)
                machine.mount()
                return prove(machine, deb, f"{suite} {architecture}", unit_tests)


def main() -> int:
    """Run all trees, and print the table."""
    parser = argparse.ArgumentParser(prog="make arm")
    parser.add_argument("--arch", choices=PROCESSORS, action="append")
    parser.add_argument("--suite", choices=trees.RELEASES, action="append")
    parser.add_argument("--unit", choices=("sizes", "all", "none"), default="sizes")
    given = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("make arm needs root, for mounts and chroot")
    if APART not in os.environ:  # keep the mounts private
        again = [sys.executable, "-m", "tests.tools.arm", *sys.argv[1:]]
        os.execvpe("unshare", ["unshare", "--mount", *again], {**os.environ, APART: "1"})
    unit_tests = {"sizes": choice.chosen(TOP), "all": ["tests/unit"], "none": []}[given.unit]
    deb = package.build()
    results = []
    for suite in given.suite or trees.RELEASES:
        for architecture in given.arch or PROCESSORS:
            results.append(one(architecture, suite, deb, unit_tests))
            print(table(results), flush=True)
    faults = [fault for result in results for fault in result.faults]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

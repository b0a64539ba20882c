"""Run the hostile inputs at full size and print the table; exits 1 if memory exceeds its bound.

/usr/bin/python3 -m tests.tools.hostile [--scale 0.01] [NAME ...]
"""

from __future__ import annotations

import argparse
import sys

from tests.support import long_run
from tests.tools.bench.__main__ import as_installed
from tests.tools.hostile.registry import all_inputs, lines


def main() -> int:
    """Run the command line."""
    found = all_inputs()
    names = [each.name for each in found]
    parser = argparse.ArgumentParser(prog="tests.tools.hostile")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(names)}")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="size of inputs; 1 is the full size"
    )
    options = parser.parse_args()
    if unknown := {*options.names} - {*names}:
        parser.error(f"no such input: {', '.join(sorted(unknown))}")
    outcomes = []
    with long_run.directory("hostile") as directory:
        as_installed(directory / "bytecode")
        for each in found:
            if options.names and each.name not in options.names:
                continue
            long_run.progress(each.words)
            place = directory / each.name
            place.mkdir()
            outcomes.append((each, each.run(place, options.scale)))
    print(*lines(outcomes), sep="\n")
    return 0 if all(came.met for _, came in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

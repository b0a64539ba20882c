"""Finds the programs that tests and demo start: Mosquitto, InfluxDB and its client, and more.

Rules: installed programs of the system come first; otherwise those of the private tree, which
`tests/tools/install` unpacks from Debian's packages and which runs in place. Nothing
here installs, enables or starts anything. Only the standard library is used, since `install`
asks this module (`python3 -m tests.support.programs [test|dashboards]`) what is missing.
"""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Each with a call that ends at once, and what its answer has to contain: a version 2 of InfluxDB
# has programs of the same names that understand neither our configuration nor our statements.
DEMO = {
    "mosquitto": (("-h",), "mosquitto version"),
    "influxd": (("version",), "InfluxDB v1."),
    "influx": (("-version",), "version: 1."),
}
# Other programs of the tests. Debian 12 builds its VictoriaMetrics without a version number.
TEST = {
    "mosquitto_sub": (("--help",), "mosquitto_sub version"),
    "victoria-metrics": (("-help",), "victoria-metrics is a time series database"),
    "prometheus-node-exporter": (("--version",), "node_exporter, version 1."),
}
PROBES = {**DEMO, **TEST}
NEEDED = {"test": [*PROBES], "dashboards": [*DEMO, "victoria-metrics"]}


class ProgramMissingError(RuntimeError):
    """The program is neither installed nor in the private tree."""


@dataclass(frozen=True)
class Program:
    """A program that starts, and the environment to start it with."""

    path: Path
    environment: dict[str, str]


def cache_dir() -> Path:
    """The directory, outside the checkout, for files that tests download or build once."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bat2influx"


def private_tree() -> Path:
    """Where `tests/tools/install` unpacks the servers that the system does not have."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")
    return cache_dir() / f"servers-{codename}-{platform.machine()}"


@cache
def find(name: str) -> Program:
    """Find one of the programs in PROBES.

    Raises ProgramMissingError, whose text names what to do.
    """
    tree = private_tree()
    folders = [f"{root}/usr/{part}" for root in ("", tree) for part in ("sbin", "bin")]
    for folder in folders:
        path = shutil.which(name, path=folder)
        if path is None:
            continue
        # The libraries of the tree are for its own programs alone.
        program = Program(Path(path), _environment(tree if path.startswith(f"{tree}/") else None))
        if _answers(program, name):
            return program
    needed = "" if name in DEMO else " test"
    raise ProgramMissingError(f"no usable {name}: run tests/tools/install{needed}")


def _environment(tree: Path | None) -> dict[str, str]:
    # Variables of these names override the configuration file that a test has written.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INFLUX")}
    if tree is not None:
        folders = [*tree.glob("usr/lib/*-linux-*"), *tree.glob("lib/*-linux-*")]
        environment["LD_LIBRARY_PATH"] = ":".join(map(str, folders))
    return environment


def _answers(program: Program, name: str) -> bool:
    arguments, expected = PROBES[name]
    answer = subprocess.run(
        [program.path, *arguments],
        env=program.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return expected in answer.stdout + answer.stderr


def main() -> int:
    """Print where the demo's programs are, or those of a key of NEEDED; 1 if one is missing.

    With `--tree` print the private tree instead.
    """
    if "--tree" in sys.argv:
        print(private_tree())
        return 0
    try:
        for name in NEEDED.get(sys.argv[-1], DEMO):
            print(f"{name}: {find(name).path}")
    except ProgramMissingError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

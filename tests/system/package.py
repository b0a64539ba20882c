"""The package under test: built from this checkout, or repacked with another version number.

And earlier packages, each built once from its commit by its own rules, and stored in the cache.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tests import TOP
from tests.support.programs import cache_dir

CODE = "usr/lib/python3/dist-packages/bat2influx/__init__.py"
TEMPLATE = "usr/share/bat2influx/bat2influx.ini"


def build() -> Path:
    """Build bat2influx.deb by `make deb`, unless BAT2INFLUX_DEB names one, and return its path."""
    given = os.environ.get("BAT2INFLUX_DEB")
    if given:
        return Path(given).resolve()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    made = subprocess.run(
        ["make", "deb"],
        cwd=TOP,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 0, f"make deb ended with {made.returncode}:\n{made.stdout[-4000:]}"
    return TOP / "bat2influx.deb"


def build_from(commit: str) -> Path:
    """Build the package of an earlier commit, unless the cache has it; return its path."""
    place = cache_dir() / f"package-{commit[:12]}.deb"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (
        place.with_suffix(".lock").open("a") as lock,
        tempfile.TemporaryDirectory(dir=place.parent) as folder,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # both releases need it at the same time
        if not place.exists():
            archive, made = Path(folder, "archive.tar"), Path(folder, "made.deb")
            # The checkout may belong to another user; by default git does not trust it.
            git = ("git", "-c", f"safe.directory={TOP}", "-C", TOP)
            told = subprocess.run(
                [*git, "archive", f"--output={archive}", commit],
                capture_output=True,
                text=True,
                check=False,
            )
            assert told.returncode == 0, (
                f"an earlier package is built from commit {commit}, which this checkout does not"
                f" have; a full clone has it, a shallow one after `git fetch --unshallow`:\n"
                f"{told.stderr}"
            )
            source = Path(folder, "source")
            source.mkdir()
            _run("tar", "-x", "-f", archive, "-C", source)
            _run(source / "debian/build", made)
            made.rename(place)
        return place


def version(package: Path) -> str:
    """Return the package's version, such as 1.0.0-1."""
    return _run("dpkg-deb", "--field", package, "Version").strip()


def program_version(package: Path) -> str:
    """Return the version of the program in it: that of the package without its revision."""
    return version(package).rpartition("-")[0]


def repack(package: Path, other: str, folder: Path, *, template_line: str = "") -> Path:
    """Return the package with another version; `template_line` is an additional line of its ini."""
    tree = folder / f"tree-{other}"
    _run("dpkg-deb", "--raw-extract", package, tree)
    _edit(tree / "DEBIAN/control", r"(?m)^Version: .*$", f"Version: {other}")
    _edit(tree / CODE, r'(?m)^__version__ = ".*"$', f'__version__ = "{other}"')
    if template_line:
        with (tree / TEMPLATE).open("a") as file:
            file.write(template_line)
    made = folder / f"bat2influx_{other}.deb"
    _run("dpkg-deb", "--root-owner-group", "--build", tree, made)
    return made


def _edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1, f"{path} has {pattern} {count} times"
    path.write_text(text)


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

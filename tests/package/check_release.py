"""`make check-release`: a release made twice, compared, checked, and installed from its repository.

Both are made by `make release` from clones of the last commit, with a temporary key: in different
folders, with different settings and file times. A .buildinfo has the time of a build, so it, the
.changes and the sums differ; all else has to be the same. If CHANGELOG.md marks the version as not
released yet, the clones have the day of debian/changelog there.

    /usr/bin/python3 -m tests.package.check_release
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests import TOP
from tests.support.keys import key_ring, make_key
from tests.system import trees
from tests.system.host import why_not
from tests.system.machine import Machine
from tests.tools.release import changes, repository

URL = "http://127.0.0.1:8000"
MINUTES = 60.0  # s
RECORDS = (".buildinfo", ".changes", ".asc")  # they have the time of the build, or sums of that
SETTINGS = {
    "here": {"TZ": "UTC", "LANG": "C.UTF-8"},
    "somewhere/else": {"TZ": "NPT-5:45", "LANG": "C", "LC_ALL": "C", "DEB_BUILD_OPTIONS": "nodoc"},
}
UMASKS = {"here": 0o022, "somewhere/else": 0o077}
CLIENT = f"""
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d
install -D -m 644 /srv/public/bat2influx.asc {repository.KEYRING}
install -D -m 644 /srv/public/bat2influx.sources /etc/apt/sources.list.d/bat2influx.sources
sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/bat2influx.sources
systemd-run --quiet --unit=web python3 -m http.server --bind 127.0.0.1 --directory /srv/public 8000
for _ in $(seq 100); do
    python3 -c "import urllib.request as r; r.urlopen('{URL}/bat2influx.asc')" && break
    sleep 0.1
done 2>/dev/null
apt-get -q update
apt-get -q -y install bat2influx
bat2influx --version
bat2influx check --offline
cd /tmp
apt-get -q --download-only source bat2influx
sha256sum --check --strict --ignore-missing /srv/SHA256SUMS
"""


class CheckError(Exception):
    """A step has failed; the text has the reason."""


def run(*command: str | Path, cwd: Path = TOP, **settings: str) -> str:
    """Run a command; return its output. Raises CheckError with the output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = " ".join(map(str, command))
        raise CheckError(f"{words} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def clone(folder: Path) -> Path:
    """Return a clone of the last commit, with a release date for the version."""
    folder.mkdir(parents=True)
    run("git", "clone", "--quiet", TOP, folder)
    debian = changes.first_debian_entry((folder / "debian/changelog").read_text())
    file = folder / "CHANGELOG.md"
    entry = changes.first_entry(file.read_text())
    if debian is not None and entry is not None and entry.when != debian.date:
        heading = f"## {entry.version} ({entry.when})"
        file.write_text(file.read_text().replace(heading, f"## {entry.version} ({debian.date})", 1))
        who = ("-c", "user.name=check-release", "-c", "user.email=check-release@localhost")
        run(
            "git", *who, "commit", "--quiet", "--all", "--message", "The day of release", cwd=folder
        )
    return folder


def release(folder: Path, name: str, key: str) -> Path:
    """Make a release under the settings of that name; return the folder with its files."""
    before = os.umask(UMASKS[name])
    try:
        checkout = clone(folder / name)
        run("make", "release", f"KEY={key}", f"URL={URL}", cwd=checkout, **SETTINGS[name])
    finally:
        os.umask(before)
    (made,) = (each for each in (checkout / "dist").iterdir() if each.name != "apt")
    return made


def compare(one: Path, other: Path) -> str:
    """Compare the files byte by byte; return their sums. Raises CheckError."""
    names = {path.name for path in one.iterdir()}
    if names != {path.name for path in other.iterdir()}:
        raise CheckError(f"{sorted(names)} is not {sorted(path.name for path in other.iterdir())}")
    compared = [each for each in sorted(names) if not each.endswith((*RECORDS, "SHA256SUMS"))]
    for name in compared:
        run("cmp", one / name, other / name)
    (first,), (second,) = (list(each.glob("*.buildinfo")) for each in (one, other))
    if built(first) != built(second):
        raise CheckError(run("diff", "--unified", first, second))
    return run("sha256sum", *compared, cwd=one)


def built(buildinfo: Path) -> str:
    """Return the entries of a .buildinfo about the packages and the build dependencies."""
    text = buildinfo.read_text().partition("\nEnvironment:\n")[0]
    return re.sub(r"(?m)^Build-(?:Date|Path): .*\n", "", text)


def judge(made: Path) -> str:
    """Run lintian on the package and the source package, and check the sums."""
    (listed,) = made.glob("*.changes")
    options = ["--allow-root", "-EvIL", "+pedantic"]
    if "bookworm" in Path("/etc/os-release").read_text():  # its lintian has Policy up to 4.6.2
        options += ["--suppress-tags", "newer-standards-version"]
    said = run("lintian", *options, listed, cwd=made)
    if tags := [line for line in said.splitlines() if line and not line.startswith("N:")]:
        raise CheckError("\n".join(tags))
    run("gpg", "--batch", "--verify", "SHA256SUMS.asc", "SHA256SUMS", cwd=made)
    return run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=made)


def install(made: Path, debian: str) -> str:
    """Install package and source package from the repository, in a machine of that release."""
    with trees.tree(debian) as tree, Machine(tree, debian) as machine:
        machine.copy_in(made.parent / "apt/public", "/srv/public")
        machine.copy_in(made / "SHA256SUMS", "/srv/SHA256SUMS")
        done = machine.run("/bin/sh", "-euc", CLIENT, check=False, timeout=5 * MINUTES)
        if done.returncode != 0:
            raise CheckError(done.stdout + done.stderr)
        return "\n".join(done.stdout.splitlines()[-5:])


def step(name: str, action: Callable[[], str]) -> None:
    """Run a step, and print its output. Raises CheckError."""
    start = time.monotonic()
    said = action()
    print(f"{name}: ok ({time.monotonic() - start:.0f} s)", flush=True)
    for line in said.splitlines():
        print(f"    {line}", flush=True)


def main() -> int:
    """Run all steps; return the exit code."""
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory() as name, key_ring(Path(name)):
        folder, key = Path(name), make_key("check-release")
        made: dict[str, Path] = {}

        def make(where: str) -> str:
            made[where] = release(folder, where, key)
            return "\n".join(sorted(path.name for path in made[where].iterdir()))

        try:
            for where in SETTINGS:
                step(f"make release, {where}", partial(make, where))
            step("Both are the same to the last byte", lambda: compare(*made.values()))
            step("lintian, sums and signature", lambda: judge(made["here"]))
            for debian in trees.RELEASES:
                step(f"From the repository on {debian}", partial(install, made["here"], debian))
        except CheckError as error:
            print(f"FAILED: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

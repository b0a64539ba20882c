"""Make a release of the version in bat2influx/__init__.py.

    /usr/bin/python3 -m tests.tools.release --key FINGERPRINT [--url URL] [--to FOLDER]

FOLDER/VERSION, which must not exist, gets the package, the source package, a bill of materials, the
notes, and signed sums of them all. The package is added to the apt repository in FOLDER/apt.
It needs a clean tree, and entries of this version in both changelogs; else it prints all reasons.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import TOP
from tests.tools.release import changes, ready, repository, sbom, signing


def make(folder: Path, entry: changes.Entry, key: str) -> None:
    """Put all files of the release into `folder`."""
    with (folder / "build.log").open("wb") as log:
        command = [TOP / "debian/build", "--all", folder]
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
            tail = (folder / "build.log").read_text(errors="replace").splitlines()[-20:]
            sys.exit("make release: the package could not be built:\n" + "\n".join(tail))
    (folder / "build.log").unlink()
    (folder / "RELEASE-NOTES.md").write_text(changes.notes(entry))
    made = subprocess.run(
        [TOP / "tests/tools/venv", sbom.LIBRARY], stdout=subprocess.PIPE, text=True, check=True
    )
    python = f"{made.stdout.strip()}/bin/python"
    command = [python, "-B", "-m", "tests.tools.release.sbom", folder]
    bill = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    (folder / f"bat2influx_{entry.version}.cdx.json").write_text(bill)
    sums = folder / "SHA256SUMS"
    sums.write_text(sha256sums(folder))
    for path in folder.iterdir():
        path.chmod(0o644)
    signing.sign(sums, key)


def sha256sums(folder: Path) -> str:
    """Return the sums of all files, as `sha256sum --check` reads them."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if not path.name.startswith("SHA256SUMS")
    )


def main() -> int:
    """Make the release; return the exit code."""
    parser = argparse.ArgumentParser(prog="make release")
    parser.add_argument("--key", required=True)
    parser.add_argument("--url", default="")
    parser.add_argument("--to", type=Path, default=TOP / "dist")
    options = parser.parse_args()
    checkout = ready.look(TOP)
    target: Path = options.to / checkout.version
    wrong = [*ready.objections(checkout), signing.objection(options.key)]
    if target.exists():
        wrong.append(f"{target} exists; remove it, or keep what is in it")
    if any(wrong):
        for each in filter(None, wrong):
            print(f"make release: {each}", file=sys.stderr)
        return os.EX_DATAERR
    assert checkout.entry is not None
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.to, prefix=".release-") as scratch:
        made = Path(scratch) / checkout.version
        made.mkdir(mode=0o755)
        try:
            make(made, checkout.entry, options.key)
            packages = [*made.glob("*.deb"), *made.glob("*.dsc")]
            public = repository.add(options.to / "apt", packages, options.key, options.url)
        except subprocess.CalledProcessError as error:
            sys.exit(f"make release: {error}\n{error.stderr or ''}".rstrip())
        made.rename(target)  # complete, or missing
    print(f"bat2influx {checkout.version}: {target}")
    for path in sorted(target.iterdir()):
        print(f"    {path.name}")
    print(f"The apt repository, for a web server: {public}")
    print(f"Then: git tag --sign v{checkout.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

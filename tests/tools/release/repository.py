"""The apt repository, made by reprepro and signed by the given key.

Rules: a web server serves FOLDER/public, and nothing else: the lists, the packages, the key
and a file for /etc/apt/sources.list.d. FOLDER/conf and FOLDER/db are reprepro's own; they stay, so
that the next release is added to the same repository. There is one suite, `stable`, for every
release of Debian: the package is the same for all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.tools.release.signing import public_key

SUITE = "stable"
COMPONENT = "main"
KEYRING = "/etc/apt/keyrings/bat2influx.asc"
ARCHITECTURES = ("amd64", "arm64", "armhf", "i386", "riscv64", "source")
PRIORITY = ("--section", "net", "--priority", "optional")


def add(folder: Path, files: Iterable[Path], key: str, url: str) -> Path:
    """Add packages (.deb) and source packages (.dsc); return the public folder.

    `url` is the address for clients; "" leaves out the file with the address.
    Raises subprocess.CalledProcessError with reprepro's messages in its `stderr`.
    """
    conf = folder / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "distributions").write_text(_distributions(key))
    for path in files:
        action = {".deb": "includedeb", ".dsc": "includedsc"}[path.suffix]
        _reprepro(folder, *(PRIORITY if action == "includedsc" else ()), action, SUITE, str(path))
    _reprepro(folder, "export", SUITE)
    public = folder / "public"
    (public / Path(KEYRING).name).write_text(public_key(key))
    if url:
        (public / "bat2influx.sources").write_text(sources(url))
    return public


def sources(url: str) -> str:
    """Return the text of a client's /etc/apt/sources.list.d/bat2influx.sources."""
    return (
        f"Types: deb\nURIs: {url}\nSuites: {SUITE}\nComponents: {COMPONENT}\nSigned-By: {KEYRING}\n"
    )


def _distributions(key: str) -> str:
    lines = {
        "Origin": "bat2influx",
        "Label": "bat2influx",
        "Suite": SUITE,
        "Codename": SUITE,
        "Architectures": " ".join(ARCHITECTURES),
        "Components": COMPONENT,
        "Description": "bat2influx for every release of Debian from 12 on",
        "SignWith": key,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def _reprepro(folder: Path, *arguments: str) -> None:
    command = ["reprepro", "--basedir", str(folder), "--outdir", "+b/public", *arguments]
    subprocess.run(command, capture_output=True, text=True, check=True)

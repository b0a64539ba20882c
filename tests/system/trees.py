"""The Debian trees for booting machines: made once by mmdebstrap, stored in the cache.

Rules: a tree is complete or does not exist, and never changes; its name has a hash of its recipe,
so that another recipe makes another tree. A tree that no run has used for a month is deleted. It
contains all dependencies of the package, because the machines have no network. The servers that
Debian enables on installation are disabled; tests start them.

    /usr/bin/python3 -m tests.system.trees bookworm     prints the tree's path
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import cache_dir

RELEASES = ("bookworm", "trixie")
PACKAGES = (
    # a system
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    # dependencies of the package, and its recommendations with their dependencies
    "procps",
    "python3",
    "python3-configobj",
    "python3-influxdb",
    "python3-paho-mqtt",
    "python3-systemd",
    "libnss-mdns",
    "avahi-daemon",
    # for its upgrades
    "unattended-upgrades",
    # its peers
    "mosquitto",
    "influxdb",
    "influxdb-client",
)
HOOKS = (
    'chroot "$1" systemctl --quiet disable mosquitto influxdb avahi-daemon unattended-upgrades',
    # Useless in a machine that lives for a minute, and a load on the others.
    'chroot "$1" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer'
    " e2scrub_reap.service fstrim.timer dpkg-db-backup.timer systemd-pstore.service",
    # As in an installed Debian, with nothing of the machine on which the tree is made.
    'printf "127.0.0.1\\tlocalhost\\n127.0.1.1\\tdebian\\n::1\\tlocalhost\\n" >"$1/etc/hosts"',
    'echo debian >"$1/etc/hostname"',
    'rm -f "$1/etc/resolv.conf" "$1/etc/apt/apt.conf.d/99mmdebstrap"',
    # No update work at its first boot.
    'touch "$1/etc/.updated" "$1/var/.updated"',
)
ARCHIVE = "http://deb.debian.org/debian"
MONTH = 30 * 86400.0  # s


class TreeError(RuntimeError):
    """A tree could not be made."""


@contextmanager
def tree(release: str, more: tuple[str, ...] = (), architecture: str = "") -> Iterator[Path]:
    """Yield the tree of a release, made first if necessary; it stays as long as it is used.

    `more` are additional packages; none of them starts anything at boot. With an `architecture`,
    such as armhf, the tree has that, and the kernel has to be able to run it; it has the release
    as published, because mirrors get updates of some architectures later than those of others, and
    mmdebstrap fails if one is missing.
    """
    name = "-".join(filter(None, [release, architecture, _recipe_hash(release, more)]))
    place = cache_dir() / f"system-{name}"
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = place.with_name(f"{place.name}.lock")
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        while not place.exists():
            fcntl.flock(file, fcntl.LOCK_EX)
            if not place.exists():  # another process may have made it during the wait
                _make(release, more, architecture, place)
            fcntl.flock(file, fcntl.LOCK_SH)
        lock.touch()
        _forget_old_trees(place.parent)
        yield place


def _recipe_hash(release: str, more: tuple[str, ...]) -> str:
    recipe = repr((release, PACKAGES + more, HOOKS))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _make(release: str, more: tuple[str, ...], architecture: str, place: Path) -> None:
    print(f"making {place}, once", file=sys.stderr, flush=True)
    new = place.with_name(f"{place.name}.new")
    _remove(new)
    # The tree has the sources of its release; only their addresses come from this machine.
    settings = place.with_name(f"{place.name}.apt")
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, check=True)
    settings.write_bytes(dump.stdout)
    command = ["mmdebstrap", "--variant=minbase", f"--aptopt={settings}"]
    command.append(f"--include={','.join(PACKAGES + more)}")
    command += [f"--customize-hook={hook}" for hook in HOOKS]
    archive = []
    if architecture:  # mmdebstrap's check for qemu does not work on every system
        command += [f"--architectures={architecture}", "--skip=check/qemu"]
        archive = [ARCHIVE]
    try:
        made = subprocess.run(
            [*command, release, str(new), *archive],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise TreeError(f"mmdebstrap {release} ended with {made.returncode}:\n{made.stdout}")
        new.rename(place)
    finally:
        settings.unlink()
        _remove(new)


def _forget_old_trees(cache: Path) -> None:
    for lock in cache.glob("system-*.lock"):
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # in use
            if lock.stat().st_mtime < time.time() - MONTH:
                _remove(lock.with_suffix(""))
                lock.unlink()


def _remove(place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or RELEASES:
        with tree(wanted) as path:
            print(path)

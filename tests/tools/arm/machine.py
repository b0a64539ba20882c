"""A tree of another processor, with programs running in it, in separate mounts and network.

Rules: writes go to memory; the tree does not change. One folder has the same path inside and
outside, so that a path is valid for a program and for its parent. Nothing is downloaded: there is
no network except loopback.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import TOP
from tests.standins.network.apart import run
from tests.tools.arm.choice import NOT_EMULATED

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "PATH": PATH,
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PYTHONUNBUFFERED": "1",
}
CHECKOUT = "/root/bat2influx"  # where the tests are
INSTALLED = "/usr/lib/python3/dist-packages/bat2influx"


class InsideError(AssertionError):
    """A command that ran inside failed; the text ends with what it printed."""


class Machine:
    """The tree, mounted below `directory`; only between Apart's `set_up` and `close`."""

    def __init__(self, tree: Path, directory: Path) -> None:
        self.directory = directory / "shared"
        self.root = directory / "room/root"
        self._tree = tree

    def mount(self) -> None:
        """Mount it. Raises AssertionError."""
        room = self.root.parent
        room.mkdir()
        self.directory.mkdir(mode=0o755)
        run("mount", "-t", "tmpfs", "-o", "size=80%,mode=755", "tmpfs", room)
        for folder in ("upper", "work", "root"):
            (room / folder).mkdir()
        layers = f"lowerdir={self._tree},upperdir={room}/upper,workdir={room}/work"
        run("mount", "-t", "overlay", "-o", layers, "overlay", self.root)
        run("mount", "--bind", "/proc", self.root / "proc")
        run("mount", "--rbind", "/dev", self.root / "dev")
        run("mount", "-t", "tmpfs", "tmpfs", self.root / "run")
        inside = self.inside(self.directory)
        inside.mkdir(parents=True)
        run("mount", "--bind", self.directory, inside)

    def inside(self, path: str | Path) -> Path:
        """Return the outside path of an absolute path of the tree."""
        return self.root / Path(path).relative_to("/")

    def command(self, *words: str | Path, user: str = "") -> list[str | Path]:
        """Return the command line to run a command inside, as root or a `user`, by exec."""
        start: list[str | Path] = ["chroot", self.root]
        if user:  # set the parent-death signal again: a change of user clears it
            start += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            start += ["--pdeathsig=KILL", "--"]
        return [*start, *words]

    def run(self, *words: str | Path, user: str = "") -> str:
        """Run a command inside to its end and return what it printed. Raises InsideError."""
        done = subprocess.run(
            self.command(*words, user=user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )
        if done.returncode != 0:
            shown = " ".join(map(str, words))
            raise InsideError(f"{shown} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def install(self, package: Path) -> None:
        """Install the package as users do. Raises InsideError."""
        shutil.copy(package, self.directory / "bat2influx.deb")
        deb = self.directory / "bat2influx.deb"
        self.run("apt-get", "-q", "-y", "-o", "APT::Sandbox::User=root", "install", deb)

    def unit_tests(self, paths: Sequence[str]) -> tuple[str, str]:
        """Run these unit tests on the installed package.

        Return pytest's last line, and its whole output, which also goes to unit-tests.log. A
        skipped test counts as failed.
        """
        checkout = self.inside(CHECKOUT)
        if not checkout.exists():
            subprocess.run([TOP / "debian/build", "--copy", checkout], check=True)
            shutil.rmtree(checkout / "bat2influx")
            (checkout / "bat2influx").symlink_to(INSTALLED)
        script = f"cd {CHECKOUT} && BAT2INFLUX_NO_SKIP=1 exec /usr/bin/python3 -m pytest -q"
        script += ' -p no:cacheprovider --hypothesis-profile=emulated -n 2 --dist loadgroup "$@"'
        left_out = [f"--deselect={test}" for test in NOT_EMULATED]
        log = self.directory / "unit-tests.log"
        with log.open("wb") as output:
            subprocess.run(
                self.command("sh", "-c", script, "sh", *left_out, *paths),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                check=False,
            )
        printed = log.read_text(errors="replace")
        return (printed.strip().splitlines() or ["no output"])[-1].strip("= "), printed

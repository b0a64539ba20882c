"""A machine on which bat2influx runs as a container: by podman, from the files in etc/docker.

Rules: what people write into their compose.yml is not touched but for the lines that it has for
that itself. Images and containers lie in memory, and go with the machine. Its podman has no
network of its own and no limits, which not every host of these machines lets it have: the bounds of
compose.yml are left out where there are none to be had.

The base image is the tree of a release with the name of Debian's slim one: all that the package
depends on is in it, since the machines have no network, and apt is told of no server.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests import TOP
from tests.system.machine import ENVIRONMENT, Completed, Row
from tests.system.plant import Plant

PACKAGES = ("podman", "podman-compose", "crun")
FILES = TOP / "etc/docker"
FOLDER = "/battery"  # of the user
INI = f"{FOLDER}/bat2influx.ini"
NAME = "battery_bat2influx_1"  # as podman-compose calls it
SETTINGS = """\
[containers]
netns = "host"
pids_limit = 0
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
# With the shortest interval that this knows as well: two minutes are long for a test.
OVERRIDE = """\
services:
  bat2influx:
    environment: [WATCHDOG_USEC=16000000]
"""
LEFT_OUT = ("./etc/apt/sources.list*", "./usr/bin/influx*", "./usr/share/doc")
MINUTES = 60.0  # s


def with_secrets(text: str) -> str:
    """Return compose.yml with the lines in force that it has for secrets."""
    return re.sub(r"(?m)^( *)#(?=secrets:|  \S+: \{)", r"\1", text)


def without_limits(text: str) -> str:
    """Return compose.yml without its bounds, as it asks for where the kernel has none to give."""
    return re.sub(r"(?m)^ *(mem_limit|memswap_limit|pids_limit): .*\n", "", text)


class Harbour(Plant):
    """A machine with broker, database and stand-in that runs the daemon in a container."""

    def take_base(self, tree: Path, image: str) -> None:
        """Have the Debian in `tree` as a base image."""
        self.write("/etc/containers/containers.conf", SETTINGS)
        self.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/containers")  # it overlays there
        left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        tar = ["tar", "-C", tree, "--one-file-system", *left_out, "-c", "."]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as packed:
            imported = subprocess.run(
                self.entry("podman", "import", "-", image),
                stdin=packed.stdout,
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
                check=False,
            )
        assert imported.returncode == 0, imported.stderr

    def lay_out(self, package: Path, scratch: Path) -> None:
        """Make the user's folder: the files of etc/docker, the package, and secrets in use."""
        folder = scratch / "battery"
        shutil.copytree(FILES, folder)
        shutil.copy(package, folder / "bat2influx.deb")
        compose = folder / "compose.yml"
        text = with_secrets(compose.read_text())
        given = self.read("/sys/fs/cgroup/cgroup.controllers").split()
        compose.write_text(text if {"memory", "pids"} <= {*given} else without_limits(text))
        (folder / "compose.override.yml").write_text(OVERRIDE)
        self.copy_in(folder, FOLDER)

    def secret(self, name: str, text: str) -> None:
        """Write a secret, for the group that the container is in."""
        path = f"{FOLDER}/{name}"
        self.write(path, f"{text}\n", mode="640")
        self.run("chgrp", "500", path)

    # The container

    def compose(self, *arguments: str, check: bool = True) -> Completed:
        """Run what is `docker compose` elsewhere, in the user's folder."""
        command = " ".join(("podman-compose", *arguments))
        script = f"cd {FOLDER} && BUILDAH_FORMAT=docker exec {command}"
        return self.run(script, check=check, timeout=5 * MINUTES)

    def inspect(self, what: str, kind: str = "container") -> Row:
        """Return what podman knows of a container or an image."""
        found: list[Row] = json.loads(self.run("podman", "inspect", "--type", kind, what).stdout)
        return found[0]

    def is_well(self) -> bool:
        """Return what the image's health check says, asked now."""
        code = self.run("podman", "healthcheck", "run", NAME, check=False).returncode
        assert code in {0, 1}, f"the health check ended with {code}"
        return code == 0

    def logs(self) -> str:
        """Return what the container has said."""
        done = self.run("podman", "logs", NAME, check=False)
        return done.stdout + done.stderr

    def process(self) -> dict[str, str]:
        """Return what /proc says of the container's first process."""
        pid = self.inspect(NAME)["State"]["Pid"]
        lines = self.read(f"/proc/{pid}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def inside(self, command: str) -> Completed:
        """Run a shell command in the container."""
        return self.run("podman", "exec", NAME, "/bin/sh", "-c", command, check=False)

    def state(self) -> dict[str, Any]:
        """Return how the container is, as podman has it."""
        state: dict[str, Any] = self.inspect(NAME)["State"]
        return state

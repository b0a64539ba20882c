"""A machine on which bat2influx runs as a container: by podman, from the files in etc/docker.

Rules: only those lines of compose.yml change that the file itself marks for that. Images and
containers are in memory, and end with the machine. Its podman has no separate network and no
limits, because not every host of these machines permits them: where the kernel has no limits, those
of compose.yml are left out.

The base image is the tree of a release with the name of Debian's slim one: it contains all
dependencies of the package, because the machines have no network, and apt has no server.
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
# Also with the shortest watchdog interval: two minutes are long for a test.
OVERRIDE = """\
services:
  bat2influx:
    environment: [WATCHDOG_USEC=16000000]
"""
LEFT_OUT = ("./etc/apt/sources.list*", "./usr/bin/influx*", "./usr/share/doc")
MINUTES = 60.0  # s


def with_secrets(text: str) -> str:
    """Return compose.yml with its lines for secrets uncommented."""
    return re.sub(r"(?m)^( *)#(?=secrets:|  \S+: \{)", r"\1", text)


def without_limits(text: str) -> str:
    """Return compose.yml without its limits, as it advises for kernels without them."""
    return re.sub(r"(?m)^ *(mem_limit|memswap_limit|pids_limit): .*\n", "", text)


class Harbour(Plant):
    """A machine with broker, database and stand-in that runs the daemon in a container."""

    def take_base(self, tree: Path, image: str) -> None:
        """Make a base image of the Debian in `tree`."""
        self.write("/etc/containers/containers.conf", SETTINGS)
        self.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/containers")  # for its overlays
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
        """Run podman-compose, here for `docker compose`, in the user's folder."""
        command = " ".join(("podman-compose", *arguments))
        script = f"cd {FOLDER} && BUILDAH_FORMAT=docker exec {command}"
        return self.run(script, check=check, timeout=5 * MINUTES)

    def inspect(self, what: str, kind: str = "container") -> Row:
        """Return podman's description of a container or an image."""
        found: list[Row] = json.loads(self.run("podman", "inspect", "--type", kind, what).stdout)
        return found[0]

    def is_well(self) -> bool:
        """Run the image's health check now; return its result."""
        code = self.run("podman", "healthcheck", "run", NAME, check=False).returncode
        assert code in {0, 1}, f"the health check ended with {code}"
        return code == 0

    def logs(self) -> str:
        """Return the container's log."""
        done = self.run("podman", "logs", NAME, check=False)
        return done.stdout + done.stderr

    def process(self) -> dict[str, str]:
        """Return the /proc status of the container's first process."""
        pid = self.inspect(NAME)["State"]["Pid"]
        lines = self.read(f"/proc/{pid}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def inside(self, command: str) -> Completed:
        """Run a shell command in the container."""
        return self.run("podman", "exec", NAME, "/bin/sh", "-c", command, check=False)

    def state(self) -> dict[str, Any]:
        """Return the container's state, from podman."""
        state: dict[str, Any] = self.inspect(NAME)["State"]
        return state

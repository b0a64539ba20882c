"""Makes the kernel run programs of another processor, while this is open.

Rules: the recognition patterns are Debian's, from qemu-user-static. Other entries are not changed;
the name of this entry has the id of its process, so that two runs do not share one, and the next
run removes the entry of a killed one. The kernel opens the interpreter at once (flag F), so that
programs also run in a chroot without qemu.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support.part import Part

PROCESSORS = {"armhf": "arm", "arm64": "aarch64"}  # Debian's name, and that of qemu
RECIPES = Path("/usr/lib/binfmt.d")
KERNEL = Path("/proc/sys/fs/binfmt_misc")
OURS = re.compile(r"bat2influx-\w+-([0-9]+)")


class BinfmtError(RuntimeError):
    """The kernel or this system cannot run programs of that processor."""


def entry(recipe: str, name: str) -> str:
    """Return the line that registers a recipe of binfmt.d(5) as `name`, with the flag F.

    Raises BinfmtError when there is no recipe in it.
    """
    for line in recipe.splitlines():
        if line.startswith(":"):
            fields = line[1:].split(":")
            if len(fields) == 7:
                fields[0] = name
                fields[6] = "".join(dict.fromkeys(fields[6] + "F"))
                return ":" + ":".join(fields)
    raise BinfmtError("no recipe for binfmt_misc")


def left_behind(names: list[str], alive: set[int]) -> list[str]:
    """Return the entries among `names` that are of this program and of an ended process."""
    return [name for name in names if (m := OURS.fullmatch(name)) and int(m[1]) not in alive]


class Binfmt(Part):
    """The kernel's entry for one of PROCESSORS, by Debian's name of it; needs root."""

    def __init__(self, architecture: str) -> None:
        self._processor = PROCESSORS[architecture]
        self._entry = KERNEL / f"bat2influx-{self._processor}-{os.getpid()}"

    def set_up(self) -> None:
        """Register. Raises BinfmtError.

        If the file system is not mounted, it is mounted, in the current mount namespace.
        """
        recipe = RECIPES / f"qemu-{self._processor}.conf"
        if not recipe.exists():
            raise BinfmtError(f"no {recipe}: install qemu-user-static")
        if not (KERNEL / "register").exists():
            command = ["mount", "-t", "binfmt_misc", "binfmt_misc", KERNEL]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise BinfmtError(f"binfmt_misc: {done.stderr.strip()}")
        alive = {int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()}
        for name in left_behind([each.name for each in KERNEL.iterdir()], alive):
            with suppress(FileNotFoundError):  # another run has removed it
                (KERNEL / name).write_text("-1")
        try:
            (KERNEL / "register").write_text(entry(recipe.read_text(), self._entry.name))
        except OSError as error:
            raise BinfmtError(f"binfmt_misc: {error.strerror}") from error

    def close(self) -> None:
        """Remove the entry; running programs continue."""
        with suppress(FileNotFoundError):
            self._entry.write_text("-1")

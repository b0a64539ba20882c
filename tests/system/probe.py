"""Runs in place of the daemon, in its full confinement, and prints what it can do there.

One JSON object on stdout: facts, and attempts, each with its result: "done", or the name of the
error. No attempt does harm if it unexpectedly succeeds.
"""

import ctypes
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STATE = Path(os.environ["STATE_DIRECTORY"])
CLONE_NEWUSER = 0x10000000
AF_ALG = 38


def run(*command: str, inherited: tuple[int, ...] = ()) -> None:
    """Start a program; raises the error that prevents it."""
    done = subprocess.run(command, capture_output=True, check=False, pass_fds=inherited)
    if done.returncode != 0:
        raise ChildProcessError(done.stderr.decode())


def by_the_loader() -> None:
    """Run a shell, which is forbidden, through the dynamic loader, which is permitted."""
    loader = next(iter(sorted(Path("/usr/lib").glob("*-linux-gnu*/ld-linux*"))))
    run(str(loader), "/bin/sh", "-c", "exit 0")


def by_a_copy(folder: str) -> Callable[[], None]:
    """Return an attempt to run a copy of the shell in `folder`."""

    def attempt() -> None:
        copy = Path(folder, "copy-of-a-shell")
        shutil.copyfile("/bin/sh", copy)
        copy.chmod(0o700)
        run(str(copy), "-c", "exit 0")

    return attempt


def by_memory() -> None:
    """Run a copy of the shell that is in no file system."""
    descriptor = os.memfd_create("shell", 0)
    os.write(descriptor, Path("/bin/sh").read_bytes())
    run(f"/proc/self/fd/{descriptor}", "-c", "exit 0", inherited=(descriptor,))


def unshare() -> None:
    """Make a user namespace."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def real_time() -> None:
    """Request real-time scheduling."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def set_user_id() -> None:
    """Make a set-user-id file, which other users would run as this user."""
    file = STATE / "set-user-id"
    file.touch()
    file.chmod(0o4755)


def write(path: str) -> Callable[[], None]:
    """Return an attempt to write a file."""
    return lambda: Path(path).open("a").close()


def read(path: str) -> Callable[[], None]:
    """Return an attempt to read a file or a folder."""
    return lambda: os.close(os.open(path, os.O_RDONLY))


ATTEMPTS: dict[str, Callable[[], object]] = {
    "run /bin/sh": lambda: run("/bin/sh", "-c", "exit 0"),
    "run /bin/bash": lambda: run("/bin/bash", "-c", "exit 0"),
    "run /usr/bin/perl": lambda: run("/usr/bin/perl", "-e", "0"),
    "run a shell by the loader": by_the_loader,
    "run a shell from the state directory": by_a_copy(str(STATE)),
    "run a shell from the runtime directory": by_a_copy(os.environ["RUNTIME_DIRECTORY"]),
    "run a shell from /tmp": by_a_copy("/tmp"),
    "run a shell from /dev/shm": by_a_copy("/dev/shm"),
    "run a shell from memory": by_memory,
    "write the configuration": write("/etc/bat2influx/bat2influx.ini"),
    "write /etc": write("/etc/probe"),
    "write /usr": write("/usr/lib/probe"),
    "write /var": write("/var/probe"),
    "write the state directory": write(str(STATE / "probe")),
    "read /etc/shadow": read("/etc/shadow"),
    "read /root": read("/root"),
    "read /home": read("/home/somebody"),
    "read /proc/meminfo": read("/proc/meminfo"),
    "read the configuration": read("/etc/bat2influx/bat2influx.ini"),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "open a kernel crypto socket": lambda: socket.socket(AF_ALG, socket.SOCK_SEQPACKET),
    "open an internet socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "listen on a low port": lambda: socket.create_server(("127.0.0.1", 80)),
    "make a user namespace": unshare,
    "map memory to write and run": lambda: mmap.mmap(
        -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "become root": lambda: os.setuid(0),
    "change the root": lambda: os.chroot("/usr"),
    "make a device node": lambda: os.mknod(STATE / "node", 0o20600, os.makedev(1, 3)),
    "run in real time": real_time,
    "make a set-user-id file": set_user_id,
    "signal process 1": lambda: os.kill(1, 0),
}


def main() -> None:
    """Try everything, and print the results."""
    told: dict[str, object] = {}
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except Exception as error:  # noqa: BLE001 - whatever kept it from it is the answer
            told[name] = type(error).__name__
        else:
            told[name] = "done"
    told["processes"] = [int(each.name) for each in Path("/proc").glob("[0-9]*")]
    told["pid"] = os.getpid()
    told["devices"] = sorted(each.name for each in Path("/dev").iterdir())
    told["modes"] = {"state directory": oct(STATE.stat().st_mode & 0o7777)}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

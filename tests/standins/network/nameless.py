"""The daemon in a separate network with a faulty name server, where no name can be resolved.

    NAMESERVER=silent python3 -m tests.standins.network.nameless --config FILE

`silent`: the server accepts every query and never answers. `none`: no server listens. Rules: the
mount and network namespaces belong to this process alone. It replaces itself by the daemon (exec),
so that its signals reach the daemon. It needs root, or the right to create user namespaces.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n"
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1  # netdevice(7)
UNSHARE = ["unshare", "--mount", "--net", *(["--map-root-user"] if os.geteuid() else [])]


def is_possible() -> bool:
    """Return whether this system permits namespaces."""
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def main() -> None:
    """Enter the namespaces; or, inside them, set them up and run the daemon."""
    if "NAMELESS_INSIDE" not in os.environ:
        os.environ["NAMELESS_INSIDE"] = "1"
        command = [*UNSHARE, sys.executable, "-m", "tests.standins.network.nameless", *sys.argv[1:]]
        os.execvp(command[0], command)
    _set_up(silent=os.environ["NAMESERVER"] == "silent")
    os.execv(sys.executable, [sys.executable, "-m", "bat2influx", *sys.argv[1:]])


def _set_up(*, silent: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write(RESOLV_CONF)
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    Path(file.name).unlink()
    if silent:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 53))
        os.set_inheritable(server.detach(), True)  # the daemon inherits it, and never reads it


if __name__ == "__main__":
    main()

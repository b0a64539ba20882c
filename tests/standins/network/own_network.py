"""A home network of its own, for a process that is to meet real port numbers, names and /etc.

    unshare … python3 -m MODULE     (`command`), in which `set_up` is called first

This machine is 192.168.1.10 on a cable; `give` and `take` another address, such as the device's.
An address that nobody has is answered as in any network: there is no route to that host.

Rules: network and mounts belong to this process and its children alone. /etc consists of links to
the real one, but for what decides on names and for bat2influx/, which is empty; nothing asks a
name server.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.standins.network.nameless import UNSHARE, is_possible
from tests.support.process import SETPRIV

__all__ = ["CONFIG", "DEVICE", "command", "give", "is_possible", "name", "set_up", "take"]

CONFIG = Path("/etc/bat2influx/bat2influx.ini")
DEVICE = "192.168.1.20"
_HOSTS = Path("/etc/hosts")
_LOCAL = "127.0.0.1 localhost\n"
_OWN = {
    "hosts": _LOCAL,
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "resolv.conf": "nameserver 127.0.0.1\n",  # where nobody listens
}
_NETWORK = """
ip link set lo up
ip link add lan0 type veth peer name lan1
ip address add 192.168.1.10/24 dev lan0
ip link set lan0 up
ip link set lan1 up
"""


def command(module: str, *arguments: str | Path) -> list[str | Path]:
    """Return the command that runs a module where `set_up` is harmless.

    It dies with the thread that starts it; entering namespaces would undo what `Process` does.
    """
    dying = [SETPRIV, "--pdeathsig", "KILL", "--"]
    return [*UNSHARE, *dying, sys.executable, "-m", module, *arguments]


def set_up(directory: Path) -> None:
    """Make the network, and an /etc whose files are in `directory`."""
    real, own = directory / "etc.real", directory / "etc"
    real.mkdir()
    own.mkdir()
    _run("mount", "--rbind", "/etc", real)
    # So that who clears `directory` away from in here does not clear away the machine's /etc.
    _run("mount", "-o", "remount,bind,ro", real)
    for each in real.iterdir():
        if each.name not in _OWN and each.name not in {"bat2influx", "credstore"}:
            (own / each.name).symlink_to(each)
    for file, text in _OWN.items():
        (own / file).write_text(text)
    (own / CONFIG.parent.name).mkdir()
    _run("mount", "--bind", own, "/etc")
    _run("sh", "-ec", _NETWORK)


def give(address: str) -> None:
    """Have `address` be here."""
    _run("ip", "address", "replace", f"{address}/24", "dev", "lan0")


def take(address: str) -> None:
    """Have nobody at `address`."""
    shown = subprocess.run(["ip", "address"], capture_output=True, text=True, check=True).stdout
    if f" {address}/" in shown:
        _run("ip", "address", "delete", f"{address}/24", "dev", "lan0")


def name(**addresses: str) -> None:
    """Have these names be known, with _ for their dots, and no other but localhost."""
    known = (f"{address} {each.replace('_', '.')}\n" for each, address in addresses.items())
    _HOSTS.write_text(_LOCAL + "".join(known))


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")

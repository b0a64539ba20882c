"""A separate home network, for a process that needs real port numbers, names and /etc.

    unshare … python3 -m MODULE     (`command`), in which `set_up` is called first

This machine is 192.168.1.10 on a cable; `give` adds another address, such as the device's, `take`
removes it. An unused address fails as in any network: no route to host.

Rules: network and mounts belong to this process and its children alone. /etc consists of links to
the real one, except for the files of name resolution and for bat2influx/, which is empty; no
program queries a name server.
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
    """Return the command that runs a module in new namespaces, where `set_up` is harmless.

    It sets the parent-death signal again, because entering namespaces clears that of `Process`.
    """
    dying = [SETPRIV, "--pdeathsig", "KILL", "--"]
    return [*UNSHARE, *dying, sys.executable, "-m", module, *arguments]


def set_up(directory: Path) -> None:
    """Make the network, and an /etc whose files are in `directory`."""
    real, own = directory / "etc.real", directory / "etc"
    real.mkdir()
    own.mkdir()
    _run("mount", "--rbind", "/etc", real)
    # So that deleting `directory` from inside does not delete the machine's /etc.
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
    """Add `address`."""
    _run("ip", "address", "replace", f"{address}/24", "dev", "lan0")


def take(address: str) -> None:
    """Remove `address`."""
    shown = subprocess.run(["ip", "address"], capture_output=True, text=True, check=True).stdout
    if f" {address}/" in shown:
        _run("ip", "address", "delete", f"{address}/24", "dev", "lan0")


def name(**addresses: str) -> None:
    """Make these names known, with _ for their dots; no other name except localhost is."""
    known = (f"{address} {each.replace('_', '.')}\n" for each, address in addresses.items())
    _HOSTS.write_text(_LOCAL + "".join(known))


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")

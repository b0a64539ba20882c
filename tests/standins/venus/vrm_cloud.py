"""The broker of the VRM cloud, as a real Mosquitto under the same rules.

VENUS, "The VRM cloud broker": the host is mqtt<n>.victronenergy.com, computed from the portal id;
port 8883 with TLS, the certificate from Victron's certificate authority. The user name is an e-mail
address, the password "Token …". The broker accepts a subscription only if all of it lies below
N/<own portal id>/, so never N/# or N/+/…, and a publish only to R/<own portal id>/…. It rejects
each publish of a read-only account: PUBACK 135 with MQTT 5 and QoS 1, otherwise without an error.

    with VrmCloud(directory, "c0619ab1c2d3") as cloud, cloud.runner(Device("c0619ab1c2d3")):
        daemon = Daemon(ini, log, module=MODULE, environment=cloud.client_environment)

That daemon (`python3 -m tests.standins.venus.vrm_cloud ARGUMENT…` is `bat2influx ARGUMENT…`) has a
separate /etc/hosts, in which the cloud's host is a loopback address of this cloud alone; the rest
of its network is this machine's. It needs root, or user namespaces (`is_possible`).

Rules: devices connect to a plain port, `port`, with a separate account.
"""

import base64
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.standins.network.certificates import authority, signed_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.support.process import SETPRIV, PartError
from tests.support.programs import ProgramMissingError, find

MODULE = "tests.standins.venus.vrm_cloud"
PORT = 8883
OWNER, OWNER_TOKEN = "owner@example.com", "0a1b2c3d4e5f"  # of an account with all rights
GUEST, GUEST_TOKEN = "guest@example.com", "f5e4d3c2b1a0"  # of a read-only account
INTEREST_SECONDS = 130.0  # dbus-flashmq: how long values flow after a request
_DEVICES = "devices", "of the devices alone"
_ROUNDS = 101
_HOSTS = "VRM_HOSTS"  # in the environment: the file that becomes /etc/hosts
_UNSHARE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
_MOUNT = 'mount --bind "$0" /etc/hosts && exec "$@"'


class VrmCloud(Mosquitto):
    """The cloud's broker, with files in `directory`; both accounts have all of `portal_ids`.

    These must all belong to one host. `name` is that host, `address` its address, `ca_file` the
    authority, `client_environment` the environment that a process with MODULE needs to find it.
    """

    def __init__(self, directory: Path, *portal_ids: str) -> None:
        super().__init__(directory)
        names = {host_of(portal_id) for portal_id in portal_ids}
        (self.name,) = names
        self.address = ""
        self.portal_ids = portal_ids
        by = authority(directory, name="vrm-authority")
        self.ca_file = by.cert
        self.certificate = signed_certificate(directory, by, name="vrm", names=(self.name,))

    @property
    def client_environment(self) -> dict[str, str]:
        """The variables to add to the environment of a process with MODULE."""
        return {_HOSTS: str(self.directory / "hosts")}

    def runner(
        self, *devices: Device, interest: float = INTEREST_SECONDS, **options: Any
    ) -> VenusRunner:
        """Return a runner for devices at the cloud; `interest` and `options` are VenusRunner's."""
        user, password = _DEVICES
        login = {"username": user, "password": password}
        return VenusRunner("127.0.0.1", self.port, devices, interest=interest, **login, **options)

    def configure(self) -> None:
        """Write the configuration, the accounts, and the file for /etc/hosts."""
        self.address = self.address or _free_address()
        hosts = f"127.0.0.1 localhost\n{self.address} {self.name}\n"
        (self.directory / "hosts").write_text(hosts)
        accounts = self.directory / "accounts.json"
        accounts.touch(mode=0o600)
        accounts.write_text(json.dumps(self._accounts()))
        lines = [
            *(["user root"] if os.geteuid() == 0 else []),
            "persistence false",
            "log_dest stderr",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            "allow_duplicate_messages true",
            "set_tcp_nodelay true",
            "allow_anonymous false",
            f"plugin {_plugin()}",
            f"plugin_opt_config_file {accounts}",
            f"listener {PORT} {self.address}",
            f"certfile {self.certificate.cert}",
            f"keyfile {self.certificate.key}",
            f"listener {self.port} 127.0.0.1",  # the last to listen, for which `start` waits
        ]
        (self.directory / "mosquitto.conf").write_text("\n".join([*lines, ""]))

    def _accounts(self) -> dict[str, Any]:
        """Return the settings of Mosquitto's dynamic security plugin."""
        look = [_allow("subscribePattern", f"N/{each}/#") for each in self.portal_ids]
        ask = [_allow("publishClientSend", f"R/{each}/#") for each in self.portal_ids]
        attach = [
            _allow("publishClientSend", "N/#"),
            *(_allow("subscribePattern", f"{kind}/#") for kind in "RW"),
        ]
        roles = {"look": look, "ask": ask, "attach": attach}
        return {
            "defaultACLAccess": {
                "publishClientSend": False,
                "publishClientReceive": True,
                "subscribe": False,
                "unsubscribe": True,
            },
            "roles": [{"rolename": name, "acls": acls} for name, acls in roles.items()],
            "clients": [
                _client(OWNER, f"Token {OWNER_TOKEN}", "look", "ask"),
                _client(GUEST, f"Token {GUEST_TOKEN}", "look"),
                _client(*_DEVICES, "attach"),
            ],
        }


def host_of(portal_id: str) -> str:
    """Return the cloud's host for a device."""
    return f"mqtt{sum(map(ord, portal_id.lower())) % 128}.victronenergy.com"


def is_possible() -> bool:
    """Return whether this system permits a process a separate /etc/hosts."""
    command = [*_UNSHARE, "sh", "-c", _MOUNT, "/etc/hosts", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _allow(kind: str, topic: str) -> dict[str, Any]:
    return {"acltype": kind, "topic": topic, "allow": True}


def _client(user: str, password: str, *roles: str) -> dict[str, Any]:
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return {
        "username": user,
        "password": base64.b64encode(key).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ROUNDS,
        "roles": [{"rolename": role} for role in roles],
    }


def _plugin() -> Path:
    """Return the plugin of the installed Mosquitto."""
    root = find("mosquitto").path.parents[2]
    for path in root.glob("usr/lib/*-linux-*/mosquitto_dynamic_security.so"):
        return path
    raise ProgramMissingError(f"no mosquitto_dynamic_security.so below {root}usr/lib")


def _free_address() -> str:
    """Return a loopback address where PORT is free; there are millions."""
    for _ in range(100):
        address = (
            f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(2, 255)}"
        )
        with socket.socket() as probe, suppress(OSError):
            probe.bind((address, PORT))
            return address
    raise PartError(f"port {PORT} is taken at every address")


def main(arguments: Sequence[str]) -> None:
    """Run bat2influx with these arguments, with a name entry for the cloud's host."""
    program = [SETPRIV, "--pdeathsig", "KILL", "--", sys.executable, "-m", "bat2influx"]
    command = [*_UNSHARE, "sh", "-c", _MOUNT, os.environ[_HOSTS], *program, *arguments]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

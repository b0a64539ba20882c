"""A real Mosquitto for tests and demo.

Rules: by default it listens on 127.0.0.1 alone. It keeps nothing on disk, and delivers each message
once for every subscription that matches (as the broker of Venus OS does). Without `users` it needs
no login; with `users` it rejects all others. Each start writes the configuration again.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from tests.support import programs
from tests.support.process import Server


class Mosquitto(Server):
    """A Mosquitto whose files are in `directory`, one for each.

    `config` is added to the configuration: global options, options of the one listener (TLS), or
    more listeners. `users` maps names to passwords; a change takes effect at the next start.
    `host` is the address to listen on.
    """

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        config: str = "",
        users: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.host = host
        self.config = config
        self.users = users
        program = programs.find("mosquitto")
        super().__init__(
            "mosquitto",
            [program.path, "-c", directory / "mosquitto.conf"],
            directory / "mosquitto.log",
            port=port,
            environment=program.environment,
        )

    def configure(self) -> None:
        """Write mosquitto.conf and, with `users`, the password file."""
        passwords = self.directory / "mosquitto.passwords"
        passwords.unlink(missing_ok=True)
        lines = [
            "persistence false",
            "log_dest stderr",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            "allow_duplicate_messages true",
            "set_tcp_nodelay true",  # or a reply waits 40 ms for the acknowledgement of the last
            f"allow_anonymous {'true' if self.users is None else 'false'}",
            f"listener {self.port} {self.host}",
        ]
        if os.geteuid() == 0:
            # Else it would become the user "mosquitto", which does not exist without the package
            # and could not read these files.
            lines.insert(0, "user root")
        if self.users is not None:
            passwords.touch(mode=0o600)
            passwords.write_text("".join(_entry(*user) for user in self.users.items()))
            lines.insert(0, f"password_file {passwords}")
        text = "\n".join([*lines, self.config, ""])
        (self.directory / "mosquitto.conf").write_text(text)


def _entry(name: str, password: str) -> str:
    # As mosquitto_passwd writes it: $7$ is PBKDF2 with SHA-512, 101 its number of rounds.
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"{name}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}\n"

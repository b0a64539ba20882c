"""The key that signs a release: given by its fingerprint, in the key ring of GNUPGHOME.

Nothing here creates, moves or stores a key.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

FINGERPRINT = re.compile(r"[0-9A-F]{40}")


def objection(key: str) -> str:
    """Return the error of the fingerprint `key`, "" if it is that of a key that can sign."""
    if not FINGERPRINT.fullmatch(key):
        return (
            "KEY is no fingerprint of 40 digits from 0 to F: make release KEY=FINGERPRINT, as"
            " `gpg --list-secret-keys` shows it (GNUPGHOME names another key ring)"
        )
    if _gpg("--list-secret-keys", key).returncode != 0:
        return f"the key ring has no secret key {key}; GNUPGHOME names another key ring"
    return ""


def public_key(key: str) -> str:
    """Return the public key, in ASCII, for the file that clients trust."""
    return _gpg("--armor", "--export", key, check=True).stdout


def sign(path: Path, key: str) -> Path:
    """Sign a file; return the file with the signature, with .asc added to its name."""
    signature = path.with_name(f"{path.name}.asc")
    wanted = ["--local-user", key, "--armor", "--output", str(signature), "--detach-sign"]
    _gpg(*wanted, str(path), check=True)
    return signature


def _gpg(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    command = ["gpg", "--batch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check)

"""Temporary GnuPG keys, deleted with their key ring."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def key_ring(folder: Path) -> Iterator[Path]:
    """Set GNUPGHOME to an empty key ring in `folder` for a block, and stop gpg's agent after it."""
    ring = folder / "gnupg"
    ring.mkdir(mode=0o700)
    before = os.environ.get("GNUPGHOME")
    os.environ["GNUPGHOME"] = str(ring)
    try:
        yield ring
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
        if before is None:
            del os.environ["GNUPGHOME"]
        else:
            os.environ["GNUPGHOME"] = before


def make_key(name: str) -> str:
    """Make a signing key without a passphrase; return its fingerprint."""
    quiet = ["gpg", "--batch", "--quiet", "--passphrase", ""]
    user = f"{name} <{name.replace(' ', '.')}@localhost>"
    command = [*quiet, "--quick-generate-key", user, "ed25519", "sign", "never"]
    subprocess.run(command, check=True, capture_output=True)
    listed = subprocess.run(
        ["gpg", "--batch", "--with-colons", "--list-secret-keys", user],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

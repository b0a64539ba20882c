"""Safe access to files in directories of another user.

The state directory and the runtime directory belong to the daemon's user, who can put anything
there, also between a check of a file and its opening.

Rules: a command that root runs gives up root's rights permanently before it touches such a
directory: whatever the owner has put there is then used with the owner's own rights. That holds
before the service's first start, too, because a start in the meantime changes the owner of the
directory while a process of root uses it. A file for other programs is opened only if it is
regular, never through a symbolic link, and without waiting.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path
from typing import NamedTuple

MAX_LINKS = 40  # as in path_resolution(7)
_ROOT = 0


class Owner(NamedTuple):
    """A user by numbers and name, and the directory or file that belongs to this user."""

    uid: int
    gid: int
    name: str
    path: Path


class OwnerError(Exception):
    """Root cannot switch to the user `owner`. The text says why."""

    def __init__(self, owner: Owner, error: OSError) -> None:
        super().__init__(
            f"{owner.path} belongs to {owner.name}; root cannot switch to that user here"
            f" ({error.strerror})"
        )
        self.owner = owner


def first_owner(path: Path) -> Owner | None:
    """Return the owner of the first component of `path` that does not belong to root.

    The owner of a directory controls everything in it, so that owners further down do not count.
    None if all existing components belong to root. Raises OSError.
    """
    links, done, left = 0, Path("/"), [*path.absolute().parts[1:]]
    while left:
        step = left.pop(0)
        if step == "..":
            done = done.parent
            continue
        here = done / step
        try:
            found = here.lstat()
        except FileNotFoundError:
            return None
        if found.st_uid != _ROOT:
            return Owner(found.st_uid, found.st_gid, _name(found.st_uid), here)
        if stat.S_ISLNK(found.st_mode):
            if (links := links + 1) > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = here.readlink()
            done = Path("/") if target.is_absolute() else done
            left = [*(part for part in target.parts if part != "/"), *left]
        else:
            done = here
    return None


def owner_to_be(path: Path, user: str) -> Owner | None:
    """Return the user of this name as the future owner of `path`, which belongs to root so far.

    None if `path` belongs to another user, if there is no such user, or if the user is root.
    """
    try:
        entry = pwd.getpwnam(user) if user else None
    except KeyError:
        return None
    if entry is None or entry.pw_uid == _ROOT or first_owner(path):
        return None
    return Owner(entry.pw_uid, entry.pw_gid, entry.pw_name, path)


def become_owner(path: Path, user: str = "") -> Owner | None:
    """If this process is root's and `path` another user's, become that user; return the user.

    If `path` belongs to root, become `user` instead ('' for nobody). This cannot be undone. Raises
    OSError, and OwnerError if root may not switch.
    """
    if os.geteuid() != _ROOT:
        return None
    if (owner := first_owner(path) or owner_to_be(path, user)) is None:
        return None
    try:
        try:
            group = pwd.getpwuid(owner.uid).pw_gid
            os.initgroups(owner.name, group)
        except KeyError:
            group = owner.gid
            os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(owner.uid, owner.uid, owner.uid)
    except OSError as error:
        raise OwnerError(owner, error) from error
    return owner


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a file, at most `most` bytes. Raises OSError, also if not regular."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"

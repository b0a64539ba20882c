"""Which user owns files, and what root does with them."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bat2influx.service.ownership import Owner, first_owner, owner_to_be, read_regular
from tests import TOP
from tests.support.strangers import NOBODY, NOGROUP, needs_root, open_folder

PROGRAM = """
import json, os, sys
from pathlib import Path
from bat2influx.service.ownership import OwnerError, become_owner
try:
    owner = become_owner(Path(sys.argv[1]), *sys.argv[2:])
except OwnerError as error:
    print(f"refused: {error}")
    sys.exit()
print(owner and owner.name, *os.getresuid(), *os.getresgid(), os.getgroups())
if owner:
    for change in (os.setuid, os.seteuid, os.setgid):
        try:
            change(0)
            print("root again")
        except PermissionError:
            pass
    print(*[line for line in open("/proc/self/status") if line.startswith("CapEff")])
"""


def become(path: Path, *before: str, user: str = "") -> str:
    """Return the output of a process of root that becomes the owner of `path`."""
    command = [*before, sys.executable, "-c", PROGRAM, str(path), user]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory of root that every user may pass through."""
    with open_folder() as path:
        yield path


@needs_root
def test_a_path_of_root_has_no_other_owner(folder: Path) -> None:
    """Nor has a path that does not exist yet."""
    assert first_owner(folder) is None
    assert first_owner(folder / "absent/below") is None


@needs_root
def test_the_owner_of_a_directory_owns_its_content(folder: Path) -> None:
    """Because this user may have put files of root there."""
    state = folder / "state"
    (state / "boat").mkdir(parents=True)
    os.chown(state, NOBODY, NOGROUP)
    for path in (state, state / "boat", state / "absent", folder / "absent/../state"):
        owner = first_owner(path)
        assert owner is not None or "absent/.." in str(path)
        if owner:
            assert (owner.uid, owner.gid, owner.path) == (NOBODY, NOGROUP, state)


@needs_root
def test_a_users_link_is_not_followed_and_roots_is(folder: Path) -> None:
    """A link by the daemon's user to a directory of root would lead to root's files."""
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to("elsewhere")
    assert first_owner(folder / "link/x") is None
    os.chown(folder / "elsewhere", NOBODY, NOGROUP)
    owner = first_owner(folder / "link/x")
    assert owner is not None
    assert owner.path == folder / "elsewhere"
    (folder / "theirs").symlink_to("/root")
    os.chown(folder / "theirs", NOBODY, NOGROUP, follow_symlinks=False)
    owner = first_owner(folder / "theirs/x")
    assert owner is not None
    assert owner.path == folder / "theirs"
    (folder / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"):
        first_owner(folder / "round")


@needs_root
def test_root_becomes_the_owner_permanently(folder: Path) -> None:
    """User, group and groups, without capabilities and without a way back."""
    os.chown(folder, NOBODY, NOGROUP)
    first, capabilities = become(folder).splitlines()[:2]
    uids, gids = " ".join([str(NOBODY)] * 3), " ".join([str(NOGROUP)] * 3)
    assert first == f"nobody {uids} {gids} [{NOGROUP}]"
    assert capabilities.split() == ["CapEff:", "0" * 16]


@needs_root
def test_an_owner_without_a_name_has_the_group_of_the_directory(folder: Path) -> None:
    """Such as the user of a container, seen from outside."""
    os.chown(folder, 54_321, 12_345)
    assert become(folder).startswith(f"user 54321 {'54321 ' * 3}{'12345 ' * 3}[]")


@needs_root
def test_root_stays_root_if_all_is_roots(folder: Path) -> None:
    """As with a configuration of root."""
    assert become(folder).startswith("None 0 0 0 0 0 0 ")


@needs_root
def test_root_becomes_the_future_owner(folder: Path) -> None:
    """If the path is root's, or does not exist; a service may start in the meantime."""
    for path in (folder, folder / "absent"):
        assert owner_to_be(path, "nobody") == Owner(NOBODY, NOGROUP, "nobody", path)
        assert become(path, user="nobody").startswith(f"nobody {NOBODY} ")
        for user in ("", "root", "no-such-user"):
            assert owner_to_be(path, user) is None
            assert become(path, user=user).startswith("None 0 0 0 ")
    os.chown(folder, 54_321, 12_345)
    assert owner_to_be(folder / "absent", "nobody") is None
    assert become(folder / "absent", user="nobody").startswith("user 54321 ")


@needs_root
def test_root_without_capabilities_is_an_error(folder: Path) -> None:
    """As in a container without capabilities."""
    os.chown(folder, NOBODY, NOGROUP)
    told = become(folder, "setpriv", "--bounding-set=-all", "--inh-caps=-all")
    what = "; root cannot switch to that user here (Operation not permitted)"
    assert told == f"refused: {folder} belongs to nobody{what}\n"


@needs_root
def test_other_users_stay_themselves(folder: Path) -> None:
    """A user's own commands keep the user."""
    os.chown(folder, 54_321, 12_345)
    told = become(folder, "setpriv", "--reuid=65534", "--clear-groups")
    assert told.startswith("None 65534 65534 65534 ")


def test_a_regular_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    """And no further."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 1000) == b"x" * 100
    assert read_regular(path, 10) == b"x" * 10
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent", 10)


def listen(path: Path) -> None:
    """Leave a socket at `path`; its name is relative, because a long one would not fit."""
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{short}/s")
        shutil.move(f"{short}/s", path)


@pytest.mark.parametrize(
    ("put", "code"),
    [
        (os.mkfifo, errno.EINVAL),
        (Path.mkdir, errno.EINVAL),
        (listen, errno.ENXIO),
        (lambda path: path.symlink_to("/etc/hostname"), errno.ELOOP),
        (lambda path: path.symlink_to("/dev/zero"), errno.ELOOP),
    ],
)
def test_other_files_are_not_read_and_nothing_blocks(
    tmp_path: Path, put: Callable[[Path], None], code: int
) -> None:
    """Opening a FIFO without a writer takes no time."""
    path = tmp_path / "file"
    put(path)
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(OSError) as caught:
        read_regular(path, 10)
    assert caught.value.errno == code
    assert len([*Path("/proc/self/fd").iterdir()]) == before

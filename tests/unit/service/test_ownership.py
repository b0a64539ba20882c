"""Whose files they are, and what root does with them."""

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
    """Return what a process of root's says that becomes the owner of `path`."""
    command = [*before, sys.executable, "-c", PROGRAM, str(path), user]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory of root's that everybody may pass through."""
    with open_folder() as path:
        yield path


@needs_root
def test_what_is_roots_all_the_way_has_no_other_owner(folder: Path) -> None:
    """Nor has what does not exist yet."""
    assert first_owner(folder) is None
    assert first_owner(folder / "absent/below") is None


@needs_root
def test_whoever_owns_a_directory_owns_what_is_below(folder: Path) -> None:
    """For this user may have put there what seems to be root's."""
    state = folder / "state"
    (state / "boat").mkdir(parents=True)
    os.chown(state, NOBODY, NOGROUP)
    for path in (state, state / "boat", state / "absent", folder / "absent/../state"):
        owner = first_owner(path)
        assert owner is not None or "absent/.." in str(path)
        if owner:
            assert (owner.uid, owner.gid, owner.path) == (NOBODY, NOGROUP, state)


@needs_root
def test_a_link_is_its_owners_and_roots_own_is_followed(folder: Path) -> None:
    """A link by the daemon's user to a directory of root's would be a way to root's files."""
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
def test_root_becomes_the_owner_for_good(folder: Path) -> None:
    """User, group and groups, with no capability and no way back."""
    os.chown(folder, NOBODY, NOGROUP)
    first, capabilities = become(folder).splitlines()[:2]
    uids, gids = " ".join([str(NOBODY)] * 3), " ".join([str(NOGROUP)] * 3)
    assert first == f"nobody {uids} {gids} [{NOGROUP}]"
    assert capabilities.split() == ["CapEff:", "0" * 16]


@needs_root
def test_an_owner_without_a_name_has_the_group_of_the_directory(folder: Path) -> None:
    """As the user of a container has outside of it."""
    os.chown(folder, 54_321, 12_345)
    assert become(folder).startswith(f"user 54321 {'54321 ' * 3}{'12345 ' * 3}[]")


@needs_root
def test_root_stays_what_it_is_where_all_is_roots(folder: Path) -> None:
    """As with a configuration of root's own."""
    assert become(folder).startswith("None 0 0 0 0 0 0 ")


@needs_root
def test_before_the_first_owner_root_becomes_the_one_to_be(folder: Path) -> None:
    """Where the path is root's all the way, or is not there; a service may begin meanwhile."""
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
def test_root_without_the_right_to_do_so_is_refused(folder: Path) -> None:
    """As in a container that has no capability."""
    os.chown(folder, NOBODY, NOGROUP)
    told = become(folder, "setpriv", "--bounding-set=-all", "--inh-caps=-all")
    what = "; root cannot switch to that user here (Operation not permitted)"
    assert told == f"refused: {folder} belongs to nobody{what}\n"


@needs_root
def test_nobody_else_becomes_anybody(folder: Path) -> None:
    """A user's own commands stay the user's."""
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
    """Leave a socket at `path`; its name is relative, for a long one would not fit."""
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
def test_nothing_else_is_read_and_nobody_waits(
    tmp_path: Path, put: Callable[[Path], None], code: int
) -> None:
    """Opening a FIFO that nobody writes to takes no time."""
    path = tmp_path / "file"
    put(path)
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(OSError) as caught:
        read_regular(path, 10)
    assert caught.value.errno == code
    assert len([*Path("/proc/self/fd").iterdir()]) == before

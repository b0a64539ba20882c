"""Leaves a chroot with all its mounts: its root becomes that of the mount namespace.

    own_root.py FOLDER COMMAND...

The COMMAND then finds all files at the same paths, and is in no chroot. Only for a private mount
namespace: all other mounts are removed from it. The new root is assembled in FOLDER.
"""

import ctypes
import os
import sys

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC = 0x1000, 0x4000
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library. Raises OSError."""
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    """Do it, and run the command in place of this process."""
    folder, *command = sys.argv[1:]
    call("mount", b"/", folder.encode(), None, MS_BIND | MS_REC, None)
    root = os.open(folder, os.O_PATH)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    call("setns", namespace, CLONE_NEWNS)  # the same namespace; but root is its root from now on
    os.fchdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)  # the former root
    os.chdir("/")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()

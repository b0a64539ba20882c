"""What a command does when somebody does not listen any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests import TOP

A_PEER_GOES_AWAY = """
import socket, sys
from bat2influx import cli
from bat2influx.commands import health

def tell(config, environment):
    ours, theirs = socket.socketpair()
    theirs.close()
    try:
        ours.send(b"x")
    except BrokenPipeError:
        print("told")
    return 69

health.tell = tell
sys.exit(cli.main(["health"]))
"""


def test_found_a_peer_that_goes_away_ended_a_command_without_a_word() -> None:
    """It is an error like any other; the signal for it is not the end."""
    command = [sys.executable, "-c", A_PEER_GOES_AWAY]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (69, "told\n", "")


def test_a_command_whose_output_nobody_wants_ends_as_others_do() -> None:
    """Of SIGPIPE, as `cat` and `ls` would, without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    ini = TOP / "etc/bat2influx.ini"
    command = [sys.executable, "-m", "bat2influx", "--config", ini, "check", "--offline"]
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(command, cwd=TOP, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")

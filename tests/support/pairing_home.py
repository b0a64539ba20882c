"""A network in which a device is paired, with the real names, ports and paths in /etc.

    python3 -m tests.support.pairing_home DIRECTORY     (by own_network.command)

runs `bat2influx pair --write` some times, and prints a line of JSON for each: its name, how it
ended, what it printed, and the files below /etc afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests import TOP
from tests.standins.network import own_network
from tests.standins.network.certificates import device_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.own_network import CONFIG, DEVICE
from tests.standins.venus.door import Door
from tests.standins.venus.login import Profile
from tests.standins.venus.pairing import PairingPage

BOAT = CONFIG.with_name("boat.ini")
NAMED = "[Battery house]\naddress = 192.168.1.99\n\n[Battery boat]  # mine\naddress = venus.local\n"
STORE, UNITS = Path("/etc/credstore"), Path("/etc/systemd/system")


def run(what: str, *arguments: str, config: Path = CONFIG) -> None:
    """Run the command, and print its result."""
    command = [sys.executable, "-m", "bat2influx", "--config", str(config), "pair", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP)
    places = (*CONFIG.parent.glob("*"), *STORE.glob("*"), *UNITS.glob("bat2influx*/*"))
    files = {str(path): (f"{path.stat().st_mode & 0o7777:o}", path.read_text()) for path in places}
    result = done.returncode, done.stdout, done.stderr, files
    print(json.dumps([what, *result]), flush=True)


def main(directory: Path) -> None:
    """Set up the network, and pair."""
    own_network.set_up(directory)
    own_network.give(DEVICE)
    own_network.name(venus_local=DEVICE)
    (directory / "etc/systemd").unlink()  # a link to the real one
    UNITS.mkdir(parents=True)
    os.umask(0o077)
    own = device_certificate(directory)
    tokens: dict[str, str] = {}
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(directory / "mosquitto"))
        options = {"certificate": own, "tokens": tokens, "host": DEVICE}
        door = Door(Profile.OFF, broker.port, ports=(1883, 8883), refusal_delay=(0, 0), **options)
        stack.enter_context(door)
        page = PairingPage(tokens, own, door=door, host=DEVICE, port=443)
        stack.enter_context(page)
        page.press()
        shutil.copy(TOP / "etc/bat2influx.ini", CONFIG)
        CONFIG.chmod(0o640)
        run("first", "--write")
        run("again", "--write")
        run("confirmed", "--write", "--yes")
        run("instance", "venus.local", "--write", config=BOAT)
        CONFIG.write_text(NAMED)
        run("named", "venus.local", "--write")
        CONFIG.write_text("[Battery]\n")
        shutil.rmtree(STORE)
        STORE.write_text("no directory")
        run("no room", "--write")
        print(json.dumps(tokens), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

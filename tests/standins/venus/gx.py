"""A Venus device's front door and its page for pairing, before a broker, as a program.

    /usr/bin/python3 -m tests.standins.venus.gx DIRECTORY [--host HOST] [--press-at NUMBER]

DIRECTORY has its certificate, device.pem and device.key. MQTT is off until a client is paired;
request NUMBER switches pairing mode on. SIGUSR1 removes all tokens.
"""

import argparse
import signal
import sys
from itertools import count
from pathlib import Path

from tests.standins.network.certificates import Certificate
from tests.standins.venus.door import Door
from tests.standins.venus.login import Profile
from tests.standins.venus.pairing import PairingPage


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--broker-port", type=int, default=1883)
    parser.add_argument("--press-at", type=int, default=2)
    options = parser.parse_args()
    own = Certificate(options.directory / "device.pem", options.directory / "device.key", "")
    tokens: dict[str, str] = {}
    signals = {signal.SIGTERM, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before there is a thread
    with (
        Door(
            Profile.OFF,
            options.broker_port,
            certificate=own,
            tokens=tokens,
            host=options.host,
            ports=(1883, 8883),
        ) as door,
        PairingPage(tokens, own, door=door, host=options.host, port=443) as page,
    ):
        numbers = count(1)
        page.on_request = lambda: page.press() if next(numbers) == options.press_at else None
        print("ready", flush=True)
        while signal.sigwait(signals) == signal.SIGUSR1:
            for token in list(tokens):
                page.remove(token)


if __name__ == "__main__":
    sys.exit(main())

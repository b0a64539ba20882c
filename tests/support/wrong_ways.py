"""Wrong set-ups on the way to a device: name, port, TLS, login.

Rules: `steps` names all lines of `check` in their order, with ! for a fault and ? for a note, so
that the steps before a fault are known to be in order.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tests.standins.network import own_network
from tests.standins.network.certificates import EXPIRED, NOT_YET
from tests.standins.network.own_network import DEVICE
from tests.standins.venus.device import Device
from tests.standins.venus.login import Profile
from tests.support.wrong_home import PASSWORD, PORTAL, TOKEN, Home

Make = Callable[[Home], object]
BATTERY = "CREATE DATABASE battery"
STORED = "InfluxDB, database"
OPEN = "file, name, port"
NO_PORT, NO_MQTT = f"file, name, port!, {STORED}", f"{OPEN}, MQTT!, {STORED}"
NO_TLS, NO_LOGIN = f"{OPEN}, TLS!, {STORED}", f"{OPEN}, login!, {STORED}"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
OLD_TLS = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1


@dataclass(frozen=True)
class Setup:
    """A wrong set-up: its file, and the parts that `make` adds to the home.

    In `ini`, `{directory}` stands for Home.directory; None is no file. `logged` and `status` are
    patterns for the daemon's messages where these are not those of `check` (Home.measure).
    """

    what: str
    ini: str | None
    steps: str
    make: Make
    code: int = os.EX_UNAVAILABLE
    logged: str = ""
    status: str = ""


def ini(section: str, *lines: str) -> str:
    """Return a file of one section."""
    return "\n".join([f"[{section}]", *lines, ""])


def battery(*lines: str) -> str:
    """Return a file with these lines on the device."""
    return ini("Battery", *lines)


def tls(*lines: str) -> str:
    """Return a file with TLS, the password, and `lines` about the trusted certificate."""
    return battery("tls = yes", LOGIN, *lines)


def stored(*makes: Make) -> Make:
    """Start a database without fault, and run `makes`."""

    def make(home: Home) -> None:
        home.database(BATTERY)
        for each in makes:
            each(home)

    return make


def door(profile: Profile = Profile.UNSECURED, *devices: Device, **more: object) -> Make:
    """Start a device's door, as in Home.door."""
    return lambda home: home.door(profile, *devices, **more)


def server(port: int, answer: bytes | None) -> Make:
    """Start another server on a port of the device."""
    return lambda home: home.server(DEVICE, port, answer)


def plain(*devices: Device) -> Make:
    """Open only the port without TLS, as before Venus OS 3.50; no login is needed."""
    return lambda home: home.broker(*devices, config=f"listener 1883 {DEVICE}")


LOGIN = f'password = "{PASSWORD}"'
CA, OTHER_CA = (f"ca_file = {{directory}}/{name}.pem" for name in ("device", "other"))
OTHER_PIN = "fingerprint = " + ":".join(["5C"] * 32)
UNSECURED, WEAK, SECURED = Profile.UNSECURED, Profile.WEAK, Profile.SECURED
PAIRED = 'the security profile is "Paired devices only"'

CONNECTION = (
    Setup(
        "the device's name cannot be resolved",
        battery(),
        f"file, name!, {STORED}",
        stored(lambda _: own_network.name()),
    ),
    Setup("the device is off", battery(), NO_PORT, stored(lambda _: own_network.take(DEVICE))),
    Setup(
        "the device's address is in another network",
        battery("address = 10.0.0.20"),
        f"file, port!, {STORED}",
        stored(),
    ),
    Setup(
        "a firewall is in between",
        battery(),
        NO_PORT,
        stored(lambda home: home.void(DEVICE, 1883)),
    ),
    Setup("MQTT is switched off on the device", battery(), NO_PORT, stored(door(Profile.OFF))),
    Setup(
        "`port` is that of a web server",
        battery("port = 80"),
        NO_MQTT,
        stored(server(80, BAD_REQUEST)),
    ),
    Setup("`port` is that of Modbus", battery("port = 502"), NO_MQTT, stored(server(502, None))),
)

TLS = (
    Setup(
        'the security profile is "Secured", and the file has no `tls = yes`',
        battery(LOGIN),
        NO_PORT,
        stored(door(SECURED)),
    ),
    Setup("`port = 8883` without `tls = yes`", battery("port = 8883"), NO_TLS, stored(door(WEAK))),
    Setup(
        "`tls = yes` with `port = 1883`",
        tls("port = 1883", OTHER_PIN),
        NO_TLS,
        stored(door(WEAK)),
    ),
    Setup(
        "`tls = yes`, and the device has no TLS (before Venus OS 3.50)",
        tls(OTHER_PIN),
        NO_PORT,
        stored(plain(Device(PORTAL))),
    ),
    Setup("`tls = yes`, without `fingerprint` or `ca_file`", tls(), NO_TLS, stored(door(SECURED))),
    Setup(
        "the device has another certificate than the pinned one",
        tls(OTHER_PIN),
        NO_TLS,
        stored(door(SECURED)),
    ),
    Setup(
        "`ca_file` is that of another device",
        tls(OTHER_CA),
        NO_TLS,
        stored(door(SECURED), lambda home: home.certificate("other")),
    ),
    Setup(
        "`ca_file` is right, and `address` is an IP address",
        tls(CA, f"address = {DEVICE}"),
        f"file, port, TLS!, {STORED}",
        stored(door(SECURED)),
    ),
    Setup("the certificate has expired", tls(CA), NO_TLS, stored(door(SECURED, days=EXPIRED))),
    Setup(
        "the certificate is not valid yet, or a clock is wrong",
        tls(CA),
        NO_TLS,
        stored(door(SECURED, days=NOT_YET)),
    ),
    Setup(
        "the device supports TLS 1.1 and nothing newer",
        tls(OTHER_PIN),
        NO_TLS,
        stored(door(SECURED, tls_versions=OLD_TLS)),
    ),
)

LOGIN_REFUSED = (
    Setup("the password is missing", battery(), NO_LOGIN, stored(door(WEAK))),
    Setup("the password is wrong", battery("password = open"), NO_LOGIN, stored(door(WEAK))),
    Setup(
        f"{PAIRED}, and the file has the device's password",
        tls(CA),
        f"{OPEN}, TLS, login!, {STORED}",
        stored(door(Profile.PAIRED)),
    ),
    Setup(
        f"{PAIRED}, and the token's password is wrong",
        battery("tls = yes", CA, f"user = {TOKEN}", "password = open"),
        f"{OPEN}, TLS, login!, {STORED}",
        stored(door(Profile.PAIRED)),
    ),
)

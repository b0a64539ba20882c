"""Wrong set-ups that users may have, by group, and how each is made.

    python3 -m tests.support.wrong_setups GROUP WHAT DIRECTORY     (by own_network.command)

prints the messages about it, as JSON. The groups on the way to the device are in `wrong_ways`.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from tests.standins.network.own_network import CONFIG
from tests.standins.venus.device import Device
from tests.support import wrong_ways
from tests.support.wrong_home import OTHER_PORTAL, PASSWORD, PORTAL, Home
from tests.support.wrong_ways import (
    BATTERY,
    LOGIN,
    OPEN,
    STORED,
    UNSECURED,
    Make,
    Setup,
    battery,
    door,
    ini,
    plain,
    stored,
)

IN = f"{OPEN}, login"
KNOWN = f"{IN}, portal id"
NINE = "Voltage, Current, Power, Soc, I, V, P, S, F"
READ = f"{KNOWN}, instance, {NINE}"
NO_SERVICE = f"{KNOWN}, instance, instance!, {NINE}, {STORED}"
NOT_FOUND = (  # and disconnects, as announced: else the next request could meet the disconnect
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\nConnection: close\r\n\r\n"
    b"<h1>404 Not Found</h1>"
)

fields, influx = partial(ini, "Fields"), partial(ini, "Influx")


def device(*services: str) -> Device:
    """Return a device with these services."""
    return Device(PORTAL, services or ("vebus", "system"))


def silent() -> Device:
    """Return a device that sends nothing; the broker has its portal id as a retained message."""
    made = device()
    made.silence()
    return made


def locked(*statements: str) -> Make:
    """Start a device, and a database that requires a login."""
    user = f"CREATE USER reader WITH PASSWORD '{PASSWORD}'"

    def make(home: Home) -> None:
        home.door()
        home.database(user, *statements, auth=True)

    return make


def web_server(answer: bytes | None) -> Make:
    """Start a device, and no InfluxDB on its port."""

    def make(home: Home) -> None:
        home.door()
        home.server("127.0.0.1", 8086, answer)

    return make


def integer(home: Home) -> None:
    """Start a database with a field of whole numbers."""
    home.door()
    home.database(BATTERY).write("dc Voltage=52i", "battery")


THE_DEVICE = (
    Setup(
        "there is a broker, and no device behind it",
        battery(),
        f"{IN}, portal id!, {STORED}",
        stored(plain()),
    ),
    Setup(
        "several devices are behind the broker",
        battery(),
        f"{IN}, choice!, {STORED}",
        stored(door(UNSECURED, device(), Device(OTHER_PORTAL))),
        os.EX_CONFIG,
    ),
    Setup(
        "`serial` is that of another device",
        battery(f"serial = {OTHER_PORTAL}"),
        f"{IN}, portal id!, {STORED}",
        stored(door()),
    ),
    Setup(
        "the device hangs",
        battery(),
        f"{KNOWN}, device!, {STORED}",
        stored(door(UNSECURED, silent())),
    ),
    Setup(
        "the inverter is off, or not connected to the device",
        battery(),
        f"{KNOWN}, instance!, {STORED}",
        stored(door(UNSECURED, device("system"))),
    ),
    Setup(
        "`instance` is wrong",
        battery("instance = 276"),
        f"{KNOWN}, instance!, {STORED}",
        stored(door()),
    ),
    Setup(
        "there are several inverters",
        battery(),
        f"{KNOWN}, choice!, {STORED}",
        stored(door(UNSECURED, device("vebus/275", "vebus/288", "system"))),
        os.EX_CONFIG,
    ),
)

THE_FIELDS = (
    Setup(
        "the device has no such path",
        fields("Pv = vebus/Dc/0/Volts"),
        f"{READ}, Pv!, {STORED}",
        stored(door()),
    ),
    Setup(
        "the device has no such service",
        fields("Pv = solarcharger/Yield/Power"),
        NO_SERVICE,
        stored(door()),
    ),
    Setup(
        "the service has another instance",
        fields("Pv = solarcharger/288/Yield/Power"),
        NO_SERVICE,
        stored(door(UNSECURED, device("vebus", "system", "solarcharger/279"))),
    ),
    Setup(
        "a phase or sensor does not exist",
        fields("P3 = vebus/Ac/ActiveIn/L3/P"),
        f"{READ}, P3?, {STORED}",
        stored(door()),
        os.EX_OK,
    ),
    Setup(
        "a path holds text, and no number",
        fields("Name = vebus/ProductName"),
        f"{READ}, Name!, {STORED}",
        stored(door()),
    ),
)

THE_DATABASE = (
    Setup("it is not running", influx(), f"{READ}, InfluxDB!", door()),
    Setup(
        "its name cannot be resolved", influx("address = influx.home"), f"{READ}, InfluxDB!", door()
    ),
    Setup("its host is off", influx("address = 192.168.1.30"), f"{READ}, InfluxDB!", door()),
    Setup("it hangs", influx(), f"{READ}, InfluxDB!", web_server(None)),
    Setup("another server is on its port", influx(), f"{READ}, InfluxDB!", web_server(NOT_FOUND)),
    Setup("it requires a login", influx(), f"{READ}, InfluxDB, login!", locked(BATTERY)),
    Setup(
        "`user` or `password` is wrong",
        influx("user = reader", "password = open"),
        f"{READ}, InfluxDB, login!",
        locked(BATTERY),
    ),
    Setup(
        "the user may not write",
        influx("user = reader", LOGIN),
        f"{READ}, InfluxDB, right!",
        locked(BATTERY, "GRANT READ ON battery TO reader"),
    ),
    Setup(
        "there is no such database, and the user may not create it",
        influx("user = reader", LOGIN),
        f"{READ}, InfluxDB, database!",
        locked(),
    ),
    Setup(
        "there is no such retention policy",
        influx("retention_policy = month"),
        f"{READ}, InfluxDB, database!",
        stored(door()),
    ),
    Setup(
        "somebody has stored a field as whole numbers",
        influx(),
        f"{READ}, {STORED}",
        integer,
        os.EX_OK,
        logged="rejected by the database",
        status=r"\d rejected",
    ),
)


def bad(what: str, file: str | None) -> Setup:
    """Return a set-up whose only error is in its file."""
    return Setup(what, file, "", lambda _: None, os.EX_CONFIG)


THE_FILE = (
    bad("the file does not exist", None),
    bad("a misspelt key", battery("adress = venus.local")),
    bad("a misspelt section", "[Batery]\n"),
    bad("a key in the wrong section", battery("db = bat")),
    bad("a value that is not allowed", battery("interval = often")),
    bad("a port in `address`", battery("address = venus.local:1883")),
    bad("a secret with # or a comma, without quotes", battery("password = open#sesame")),
    bad("a secret with `\"`, `'` and #", battery("password = open\"'#sesame")),
    bad("a comment that begins with ;", battery("address = venus.home ; mine")),
    bad("a retention policy behind the database", influx("db = home/autogen")),
    bad("a token without its value", influx("token = Bearer")),
    bad("`ca_file` does not exist", battery("tls = yes", f"ca_file = {CONFIG.parent}/venus.pem")),
    bad("it is that of the original script", "[Battery]\naddress: venus.home\n[Influx]\ndb: bat\n"),
)

SETUPS: dict[str, tuple[Setup, ...]] = {
    "The connection": wrong_ways.CONNECTION,
    "TLS": wrong_ways.TLS,
    "The login": wrong_ways.LOGIN_REFUSED,
    "The device": THE_DEVICE,
    "The fields": THE_FIELDS,
    "The database": THE_DATABASE,
    "The file": THE_FILE,
}


def main() -> None:
    """Make one set-up, and print the messages about it."""
    group, what, directory = sys.argv[1:]
    setup = next(each for each in SETUPS[group] if each.what == what)
    with Home(Path(directory)) as home:
        setup.make(home)
        said = home.measure(setup.ini, logged=setup.logged, status=setup.status)
    print(said.to_json())


if __name__ == "__main__":
    main()

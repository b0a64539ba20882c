"""The checks of single values in the ini file, by the names in config.spec.

A check takes the value from ConfigObj, a string, or a list if it has commas, and the arguments in
the spec, as strings. It returns the value in its type, or raises ValidateError with what it
"must be", in words for people. A check gets the empty string only as a default.
"""

from __future__ import annotations

import ipaddress
import re

from configobj.validate import ValidateError

from bat2influx.config.inifile import Value, nearest, visible
from bat2influx.config.tokens import token
from bat2influx.printable import plain
from bat2influx.venus.presets import PRESETS, Chosen, services_of
from bat2influx.venus.protocol import Field, is_portal_id, parse_field

_UNITS = {"": 1, "K": 10**3, "KI": 2**10, "M": 10**6, "MI": 2**20, "G": 10**9, "GI": 2**30}
_KIND = re.compile("[a-z][a-z0-9_]*")  # a service
_DECIMAL = re.compile(r"([0-9]{1,9}\.?[0-9]{0,20}|\.[0-9]{1,20})(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_PATH_PART = re.compile(r"[\w.~:@!$&'()*+;=-]+", re.ASCII)  # RFC 3986, without escapes
_WITH_MORE = re.compile(  # scheme://[address]:port/path, of which all but the address is optional
    r"(?:[a-z0-9+]+://)?(?:\[([^]]+)\]|([^\[:/]+))(?::([0-9]+))?(?:/.*)?", re.IGNORECASE
)
_WITH_PORT = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?")


def is_name(text: str) -> bool:
    """Tell whether line protocol and InfluxQL both have an unambiguous way to write a name."""
    return (
        text.isprintable()
        and "\\" not in text
        and text == text.strip()
        and text[:1] != "#"  # in line protocol the line would be a comment
        and bool(text.strip("."))  # InfluxDB rejects '.' and '..' as databases
    )


def is_key(text: str) -> bool:
    """Tell whether a field or a tag can have the name: InfluxDB reserves `time` and `_…`."""
    return is_name(text) and text != "time" and text[0] != "_"


def yes_no(value: Value) -> bool:
    """yes or no."""
    if value not in ("yes", "no"):
        raise ValidateError("must be yes or no")
    return value == "yes"


def choice(value: Value, *options: str) -> str:
    """One of the options."""
    if isinstance(value, str) and value in options:
        return value
    near = nearest(value, options) if isinstance(value, str) else None
    hint = f"; did you mean {near}?" if near else ""
    raise ValidateError(f"must be {' or '.join(options)}{hint}")


def some(value: Value, *options: str) -> tuple[str, ...]:
    """Any of the options, in their order, each once."""
    items = [value] if isinstance(value, str) else value
    for item in items:
        if item not in options:
            near = nearest(item, options)
            hint = f"; did you mean {near}?" if near else ""
            raise ValidateError(f"must be a list of {', '.join(options)}{hint}")
    return tuple(option for option in options if option in items)


def presets(value: Value) -> tuple[str, ...]:
    """Names of presets, each with or without /INSTANCE, in their order."""
    items = [value] if isinstance(value, str) else value
    some([item.partition("/")[0] for item in items], *PRESETS)
    taken: dict[Chosen, None] = {}
    for item in items:
        preset, slash, given = item.partition("/")
        instance = _instance(given) if slash else None
        if slash and instance is None:
            what = f"must be {preset}/ and an instance from 0 to 65535, as in {preset}/512"
            raise ValidateError(what)
        if slash and services_of(preset) == ("system",):
            raise ValidateError(f"must be {preset} without an instance, because there is only one")
        taken[Chosen(preset, instance)] = None
    for preset in dict.fromkeys(each.preset for each in taken):
        if Chosen(preset, None) in taken and sum(each.preset == preset for each in taken) > 1:
            raise ValidateError(f"must be {preset} with instances or without one, not both")
    order = [*PRESETS]
    return tuple(map(str, sorted(taken, key=lambda each: (order.index(each[0]), each[1] or 0))))


def _instance(text: str) -> int | None:
    number = int(text) if re.fullmatch("[0-9]{1,5}", text) else -1
    return number if 0 <= number <= 65_535 else None


HOW = ("one", "tag", "name")  # to distinguish several instances of a service


def instances(value: Value) -> tuple[tuple[str, str], ...]:
    """How several instances are distinguished, as (kind, how); kind '' is every other one."""
    made: dict[str, str] = {}
    for item in [value] if isinstance(value, str) else value:
        kind, slash, given = item.rpartition("/")
        how = given.strip()
        known = how in HOW and (not slash or _KIND.fullmatch(kind))
        if not known or kind in made:
            near = nearest(how, HOW) if how not in HOW else None
            hint = f"; did you mean {near}?" if near else ""
            what = f"must be {' or '.join(HOW)}, or for a kind alone as in battery/tag"
            raise ValidateError(f"{what}, each once{hint}")
        made[kind] = how
    return (("", made.pop("", "one")), *made.items())


def whole(value: Value, low: str, high: str) -> int:
    """A whole number, in digits."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        number = int(value)
        if int(low) <= number <= int(high):
            return number
    raise ValidateError(f"must be a whole number from {low} to {high}")


def seconds(value: Value, low: str, high: str) -> float:
    """A time, in digits: `1,5` is a list, and `float` would also accept `nan` and `1_5`."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = float(value)
        if float(low) <= number <= float(high):
            return number
    raise ValidateError(f"must be a number of seconds from {low} to {high}, such as 0.5")


def size(value: Value) -> int:
    """Bytes: KB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024, no unit is a byte."""
    match = re.fullmatch(r"([0-9]{1,15})\s*((?:[KMG]I?)?)B?", str(value).upper())
    number = int(match[1]) * _UNITS[match[2]] if match else 0
    if 10**6 <= number <= 10**12:
        return number
    raise ValidateError("must be a size from 1MB to 1000GB, such as 256MB or 64MiB")


def text(value: Value) -> str:
    """Any text."""
    if isinstance(value, str) and value.isprintable():
        return value
    raise ValidateError('must be printable, and in quotes if it holds a comma: "…"')


def serial(value: Value) -> str:
    """A portal id, which becomes a part of topics; `*` stands for every one."""
    if isinstance(value, str) and (value in ("", "*") or is_portal_id(value)):
        return value
    what = "up to 64 letters, digits, - and _, as in c0619ab12345"
    raise ValidateError(f"must be a portal id: {what}")


def group(value: Value) -> str:
    """The name of a group of subscribers, which becomes a part of a topic filter."""
    if not value or (not {*"/+#"} & {*text(value)} and value == str(value).strip()):
        return str(value)
    raise ValidateError("must be a name without /, + and #, as in store")


def url_path(value: Value) -> str:
    """The path before /write in a server's addresses; begins with a slash, ends without one."""
    parts = [part for part in str(value).split("/") if part]
    if "://" in str(value) or any(not _PATH_PART.fullmatch(part) for part in parts):
        raise ValidateError(
            "must be what stands between port and /write in the server's addresses, as in"
            " insert/0/influx; without ? and #, and without the host"
        )
    return "".join(f"/{part}" for part in parts)


def prefix(value: Value) -> str:
    """The prefix before N/ in a bridge's topics, with a slash at its end."""
    parts = str(value).removesuffix("/").split("/")
    if not value:
        return ""
    if text(value)[0] == "$" or not all(parts) or {*"+#"} & {*value}:
        raise ValidateError(
            "must be the beginning of topics, as in boat or home/boat; without + and #, with"
            " neither a slash nor $ in front"
        )
    if parts[-1] in {"N", "R", "W"}:
        raise ValidateError(f"must be what stands in front of {parts[-1]}/, without that itself")
    return "/".join((*parts, ""))


def fingerprint(value: Value) -> str:
    """The SHA-256 of a certificate, as openssl and browsers show it; colons may be left out."""
    digits = re.sub("[: ]", "", value) if isinstance(value, str) else ""
    if not value or re.fullmatch("[0-9A-Fa-f]{64}", digits):
        return bytes.fromhex(digits).hex(":").upper()
    raise ValidateError(
        "must be a SHA-256 fingerprint, 64 hexadecimal digits, with or without colons; the command"
        " 'bat2influx pin HOST' prints it"
    )


def path(value: Value) -> str:
    """A file, as an absolute path."""
    if not value or text(value).startswith("/"):
        return str(value)
    raise ValidateError("must be a path from the root, as in /etc/bat2influx/ca.pem")


def name(value: Value, barred: str) -> str:
    """A name in InfluxDB, without the characters in `barred`."""
    if isinstance(value, str) and (not value or (is_name(value) and not {*value} & {*barred})):
        return value
    if "/" in barred and (two := _database_and_policy(value, barred)):
        raise ValidateError(
            f"must be one name; write db = {two[0]} and retention_policy = {two[1]}"
        )
    characters = " and ".join(("\\", *barred))
    raise ValidateError(
        f"must be a printable name without {characters}, without spaces around it or # in front,"
        " and in quotes if it holds a comma"
    )


def _database_and_policy(value: Value, barred: str) -> list[str] | None:
    """Return the two names in database/policy, as the file has to have them, or None."""
    if not isinstance(value, str) or visible(value) != value:
        return None
    names = [part.strip() for part in value.split("/")]  # the name of a bucket of InfluxDB 2, too
    usable = all(part and is_name(part) and not {*part} & {*barred, '"'} for part in names)
    quoted = [f'"{part}"' if re.search("[#,;']", part) else part for part in names]
    return quoted if usable and len(names) == 2 else None


def tags(value: Value) -> tuple[tuple[str, str], ...]:
    """name:value, … as pairs."""
    pairs: dict[str, str] = {}
    for item in [value] if isinstance(value, str) else value:
        key, _, meaning = (part.strip() for part in item.partition(":"))
        if not is_key(key) or not is_name(meaning) or key in pairs:
            raise ValidateError(
                "must be name:value, …, as in site:home, room:cellar; each name once, printable,"
                " without \\ or _ in front, and not time"
            )
        pairs[key] = meaning
    return tuple(pairs.items())


def field(value: Value) -> Field:
    """service[/instance]/path, as a field without its name yet."""
    problem = "must be service[/instance]/path, as in vebus/Dc/0/Voltage"
    try:
        if isinstance(value, str):
            return parse_field("", value)
    except ValueError as error:
        if visible(value) == value:
            problem = str(error)
    raise ValidateError(problem)


def host(value: Value) -> str:
    """A host name, an IPv4 or an IPv6 address; brackets around it are removed."""
    given = str(value)
    address = given[1:-1] if given[:1] + given[-1:] == "[]" else given
    if isinstance(value, str) and _is_host(address):
        return address
    instead = ""
    parts = _WITH_MORE.fullmatch(given)
    if parts and visible(given) == given and _is_host(found := parts[1] or parts[2]):
        port = f" and port = {parts[3]}" if parts[3] else ""
        instead = f"; write address = {found}{port}"
    raise ValidateError(f"must be a host name or an IP address alone{instead}")


def host_and_port(text: str) -> tuple[str, int | None]:
    """Read HOST, HOST:PORT, an IPv6 address, or [one]:PORT of a command line.

    Raises ValueError, with a text for people.
    """
    match = _WITH_PORT.fullmatch(text)
    address, port = (match[1] or match[2], match[3]) if match else (text, None)
    if port and not 0 < int(port) < 65_536:
        raise ValueError(f"{plain(text)}: a port must be from 1 to 65535")
    try:
        return host(address), int(port) if port else None
    except ValidateError as error:
        raise ValueError(f"{plain(text)}: {error}") from None


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        number = labels[-1].isdigit()  # 192.168.1, 300.1.1.1
        return len(text) <= 253 and not number and all(map(_LABEL.fullmatch, labels))
    return text.isprintable() and " " not in text  # after the % of fe80::1%eth0 anything is allowed


CHECKS = {
    "yes_no": yes_no,
    "choice": choice,
    "some": some,
    "presets": presets,
    "instances": instances,
    "whole": whole,
    "seconds": seconds,
    "size": size,
    "text": text,
    "secret": str,
    "token": token,
    "serial": serial,
    "group": group,
    "prefix": prefix,
    "url_path": url_path,
    "fingerprint": fingerprint,
    "path": path,
    "name": name,
    "tags": tags,
    "field": field,
    "host": host,
}

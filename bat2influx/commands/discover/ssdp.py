"""The messages of SSDP, by which a GX device is found in its network, as values in and values out.

The sources are the UPnP Device Architecture 1.0, sections 1.2 (search and answer) and 2.1
(description), and for what a GX device says the description file in Victron's meta-victronenergy.

Rules: all input is untrusted, so no content raises an error; invalid input gives None. No socket:
lan_search.py has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError, XMLParser

from bat2influx.printable import plain
from bat2influx.venus.protocol import is_portal_id

GROUP, SSDP_PORT = "239.255.255.250", 1900
TYPE = "urn:schemas-upnp-org:device:Basic:1"
MAX_WAIT = 1  # s, the MX of a search: a device answers after a random part of it
MAX_DESCRIPTION = 64 * 1024  # bytes; that of a GX device has 1300

_GX = "uuid:com.victronenergy.ccgx"
_STATUS = re.compile(r"HTTP/1\.[01] 200(?: |$)")
_WANTED = ("friendlyName", "modelName", "X_VrmPortalId", "X_MqttOnLan")


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """A GX device's answer to a search; `address` is its source address."""

    address: str
    location: str


@dataclass(frozen=True, slots=True)
class DescriptionUrl:
    """Where a description is, in the parts of its URL: http://host:port/path."""

    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Description:
    """A device's description of itself; '' and None stand for what it lacks.

    `portal` is the portal id; `mqtt` tells whether MQTT is switched on.
    """

    name: str = ""
    model: str = ""
    portal: str = ""
    mqtt: bool | None = None


def search_request() -> bytes:
    """Return the M-SEARCH request of section 1.2.2, for the type of device that a GX device is."""
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {GROUP}:{SSDP_PORT}",
        'MAN: "ssdp:discover"',
        f"MX: {MAX_WAIT}",
        f"ST: {TYPE}",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def parse_response(datagram: bytes, address: str) -> SearchResponse | None:
    """Return the answer in a datagram from `address`; None if it is not from a GX device."""
    status, *lines = datagram.decode("latin-1").splitlines() or [""]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    if not _STATUS.match(status) or not headers.get("usn", "").startswith(_GX):
        return None
    return SearchResponse(address, headers.get("location", ""))


def description_url(answer: SearchResponse) -> DescriptionUrl | None:
    """Return where the description is, if it is at the address that answered, else None.

    An answer must not make this program send a request to another machine.
    """
    try:
        url = urlsplit(answer.location)
        host, port = url.hostname, url.port or 80
    except ValueError:  # brackets that do not match, or an invalid port
        return None
    if url.scheme != "http" or host != answer.address or "@" in url.netloc:
        return None
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    return DescriptionUrl(host, port, path) if path.isascii() and path.isprintable() else None


def describe(xml: bytes) -> Description | None:
    """Return the content of a description, whatever its namespaces; None if it is not valid XML.

    A document type is rejected, too: a description has none, and its entities could fill the
    memory.
    """
    target = _DescriptionBuilder()
    parser = XMLParser(target=target)
    try:
        parser.feed(xml)
        parser.close()
    except (ParseError, ValueError, LookupError):  # the latter two for its encoding, or a doctype
        return None
    found = target.found
    portal = found.get("X_VrmPortalId", "")
    return Description(
        name=plain(found.get("friendlyName", "")),
        model=plain(found.get("modelName", "")),
        portal=portal if is_portal_id(portal) else "",
        mqtt={"1": True, "0": False}.get(found.get("X_MqttOnLan", "")),
    )


class _DescriptionBuilder:
    """Takes the parser's events and keeps the first text of each wanted element; no tree."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._open = ""
        self._text: list[str] = []

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._open, self._text = tag.rpartition("}")[2], []

    def data(self, text: str) -> None:
        if self._open in _WANTED:
            self._text.append(text)

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        if name == self._open and name in _WANTED:
            self.found.setdefault(name, "".join(self._text).strip())
        self._open = ""

    def doctype(self, *_: str | None) -> None:
        raise ValueError("a document type")

    def close(self) -> None:
        pass

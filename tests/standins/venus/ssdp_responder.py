"""A stand-in for the SSDP service of a GX device, with its possible faults.

It follows the UPnP Device Architecture 1.0, sections 1.2.2 and 1.2.3: it answers a search for its
type to the sender's address, after a random part of the search's MX; it serves the description
over HTTP. Names and elements are those of a GX device. As a separate process:

    python3 -m tests.standins.venus.ssdp_responder --address 192.0.2.20 --fault drip

Rules: it answers from and for one address; several responders can run on one machine. A fault stays
for the responder's life. It prints one line when it is ready.
"""

import argparse
import random
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

from tests.support.part import Part

GROUP, PORT = "239.255.255.250", 1900
TYPE = "urn:schemas-upnp-org:device:Basic:1"
DRIP_SECONDS = 0.2
FAULTS = {
    "elsewhere": "LOCATION is on another machine",
    "garbage": "random bytes and half a header come with each answer",
    "duplicates": "each answer comes three times",
    "other vendor": "the USN is that of another vendor",
    "hang": "the description never comes",
    "drip": "the description comes byte by byte, without end",
    "huge": "the description has 16 MB",
    "malformed": "the description ends in the middle",
    "redirect": "the description is a redirect",
    "missing": "there is no description",
    "hostile": "texts in the description have control characters for terminals and files",
}
_HOSTILE = "\u009b31m\u202eCerbo\nserial = 0\n[Influx]\u2028# \u0085 \" ' , \\"
_XML = """<?xml version="1.0" encoding="utf-8"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">
  <specVersion><major>1</major><minor>0</minor></specVersion>
  <device>
    <deviceType>{type}</deviceType>
    <friendlyName>{name}</friendlyName>
    <manufacturer>Victron Energy</manufacturer>
    <modelName>{model}</modelName>
    <UDN>{udn}</UDN>
    <v:X_VrmPortalId xmlns:v="urn:schemas-victronenergy-com:venusinfo-1">{portal}</v:X_VrmPortalId>
    <v:X_MqttOnLan xmlns:v="urn:schemas-victronenergy-com:venusinfo-1">{mqtt}</v:X_MqttOnLan>
  </device>
</root>
"""


def description(
    portal: str = "c0619ab1c2d3", *, name: str = "", model: str = "Cerbo GX", mqtt: bool = True
) -> bytes:
    """Return the description of a GX device."""
    return _XML.format(
        type=TYPE,
        name=escape(name or f"{model} ({portal})"),
        model=escape(model),
        udn=udn(portal),
        portal=portal,
        mqtt=int(mqtt),
    ).encode()


def udn(portal: str, vendor: str = "com.victronenergy.ccgx") -> str:
    """Return the unique device name: the portal id in pairs, as in C0:61:9A:B1:C2:D3."""
    pairs = (portal[at : at + 2] for at in range(0, len(portal), 2))
    return f"uuid:{vendor}.{':'.join(pairs).upper()}"


class DescriptionServer(Part):
    """Serves a description at `url`, with or without a fault, in a block as a context manager."""

    def __init__(self, address: str, xml: bytes, fault: str = "") -> None:
        self.requests: list[str] = []
        self._stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                outer._serve(self, xml, fault)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://{address}:{self.port}/device.xml"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _serve(self, handler: BaseHTTPRequestHandler, xml: bytes, fault: str) -> None:
        if fault == "hang":
            self._stopping.wait()
            return
        if fault == "huge":
            xml = xml.replace(b"<device>", b"<device>" + b" " * 2**24)
        if fault == "malformed":
            xml = xml[: len(xml) // 2]
        handler.send_response({"redirect": 302, "missing": 404}.get(fault, 200))
        if fault == "redirect":
            handler.send_header("Location", f"http://127.0.0.1:{self.port}/other.xml")
        handler.send_header("Content-Type", "text/xml")
        handler.send_header("Content-Length", str(len(xml) + (10**9 if fault == "drip" else 0)))
        handler.end_headers()
        try:
            handler.wfile.write(xml)
            while fault == "drip" and not self._stopping.wait(DRIP_SECONDS):
                handler.wfile.write(b" ")
        except OSError:  # the client has disconnected
            pass

    def set_up(self) -> None:
        """Serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and end hanging requests."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Responder:
    """Answers searches to `address`, with `location`."""

    def __init__(self, address: str, location: str, portal: str, fault: str = "") -> None:
        self._fault = fault
        self._location = location
        vendor = "com.example.lamp" if fault == "other vendor" else "com.victronenergy.ccgx"
        self._udn = udn(portal, vendor)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((GROUP, PORT))
        membership = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(address))
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._from = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._from.bind((address, 0))

    def run(self) -> None:
        """Answer searches for ever."""
        while True:
            datagram, sender = self._socket.recvfrom(65_536)
            for delay, answer in self._answers(datagram):
                time.sleep(delay)
                self._from.sendto(answer, sender)

    def _answers(self, datagram: bytes) -> list[tuple[float, bytes]]:
        first, *lines = datagram.decode("latin-1").split("\r\n")
        headers = {
            name.upper(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        if first != "M-SEARCH * HTTP/1.1" or headers.get("MAN") != '"ssdp:discover"':
            return []
        if not headers.get("MX", "").isdigit() or not datagram.endswith(b"\r\n\r\n"):
            return []
        targets = ("upnp:rootdevice", self._udn, TYPE)
        wanted = headers.get("ST")
        matching = targets if wanted == "ssdp:all" else [st for st in targets if st == wanted]
        out = []
        for target in matching:
            out.append((random.uniform(0.0, min(int(headers["MX"]), 120)), self._answer(target)))
            if self._fault == "duplicates":
                out += [(0.0, out[-1][1])] * 2
            if self._fault == "garbage":
                out += [(0.0, bytes(range(256))), (0.0, b""), (0.0, out[-1][1][:70])]
        return out

    def _answer(self, target: str) -> bytes:
        usn = self._udn if target == self._udn else f"{self._udn}::{target}"
        lines = (
            "HTTP/1.1 200 OK",
            f"Location: {self._location}",
            "Ext: ",
            f"USN: {usn}",
            "Server: Linux/5.10 UPnP/1.0 GUPnP/1.2.7",
            "Cache-Control: max-age=1800",
            f"ST: {target}",
            "Date: Sun, 22 Nov 2026 12:00:00 GMT",
            "Content-Length: 0",
        )
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(prog="ssdp_responder", description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="IPv4 address to answer from")
    parser.add_argument("--portal-id", default="c0619ab1c2d3")
    parser.add_argument("--name", default="", help="friendlyName of the description")
    parser.add_argument("--mqtt-off", action="store_true", help="X_MqttOnLan is 0")
    parser.add_argument("--fault", default="", choices=["", *FAULTS])
    options = parser.parse_args()
    name = _HOSTILE if options.fault == "hostile" else options.name
    xml = description(options.portal_id, name=name, mqtt=not options.mqtt_off)
    with DescriptionServer(options.address, xml, options.fault) as server:
        host = "192.0.2.99" if options.fault == "elsewhere" else options.address
        location = f"http://{host}:{server.port}/device.xml"
        responder = Responder(options.address, location, options.portal_id, options.fault)
        print("ready", flush=True)
        responder.run()


if __name__ == "__main__":
    sys.exit(main())

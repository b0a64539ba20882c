"""The command line of the Venus stand-in; see mqtt.py.

Rules: one line of JSON on stdout when the devices are ready, and with --log one for each
request. Lines of JSON on the input are operations (faults.apply), for all devices or with
"portal_id" for one; a bad one is named on the error output and changes nothing.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.faults import apply
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.large import large
from tests.standins.venus.log import Request
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.values import INSTANCES
from tests.support.process import PartError
from tests.support.programs import ProgramMissingError

LOG_LIMIT = 1000  # requests and publishes recorded of each device


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or, with --end-at-eof, the end of the input."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        devices = _devices(options)
    except ValueError as error:
        parser.error(str(error))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(os.EX_OK))
    try:
        _run(options, devices)
    except (PartError, ProgramMissingError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return os.EX_UNAVAILABLE
    return os.EX_OK


def _run(options: argparse.Namespace, devices: Sequence[Device]) -> None:
    by_portal_id = {device.portal_id: device for device in devices}
    with ExitStack() as stack:
        host, port = options.host, options.port
        if options.broker:
            host, port = stack.enter_context(_broker(port))
        if options.log:
            for device in devices:
                device.log.on_request = _print_request
        login = {"username": options.user, "password": options.password}
        stack.enter_context(VenusRunner(host, port, devices, **login))
        _print({"ready": True, "host": host, "port": port, "portal_ids": list(by_portal_id)})
        for line in _lines(end_at_eof=options.end_at_eof):
            try:
                operation = json.loads(line)
                chosen = operation.pop("portal_id", None)
                for device in devices if chosen is None else [by_portal_id[chosen]]:
                    apply(device, operation)
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                text = line.decode(errors="replace")
                print(f"not done: {text}: {error}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests.standins.venus.mqtt",
        description="A stand-in for a Victron GX device on MQTT.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="of the MQTT broker")
    add("--port", type=int, default=1883, help="of the MQTT broker; with --broker, 0: a free one")
    add("--user", help="to log in at the broker")
    add("--password", help="to log in at the broker")
    add("--broker", action="store_true", help="start a Mosquitto on 127.0.0.1")
    add("--portal-id", default="c0619ab1c2d3", help="of the first device")
    add("--devices", type=int, default=1, help="how many; their portal ids count up in hex")
    add("--services", default="vebus,system", help=f"of {', '.join(INSTANCES)}; or like vebus/288")
    add("--instance", type=int, default=INSTANCES["vebus"], help="device instance of vebus")
    add("--large", action="store_true", help="two inverters, three phases, BMS, meter, sun")
    known = ", ".join(each.value for each in Firmware)
    add("--firmware", type=Firmware, default=Firmware.CURRENT.value, help=f"one of {known}")
    add("--seed", type=int, default=0, help="another seed gives other noise on the values")
    add("--day", type=float, default=86400.0, help="seconds that a day of the battery takes")
    add("--counted", action="store_true", help="numbers that never repeat, not plausible ones")
    by_reads = "numbers that count the reads of each value"
    add("--counted-by-reads", dest="counted", action="store_const", const="reads", help=by_reads)
    add("--log", action="store_true", help="print each request as a line of JSON")
    add("--end-at-eof", action="store_true", help="end at the end of the input")
    return parser


def _devices(options: argparse.Namespace) -> list[Device]:
    services = [
        f"vebus/{options.instance}" if name == "vebus" else name
        for name in options.services.split(",")
    ]
    make = large if options.large else partial(Device, services=services)
    return [
        make(
            _following(options.portal_id, number) if number else options.portal_id,
            seed=options.seed + number,
            day=options.day,
            counted=options.counted,
            log_limit=LOG_LIMIT,
            firmware=options.firmware,
        )
        for number in range(options.devices)
    ]


def _following(portal_id: str, number: int) -> str:
    return f"{int(portal_id, 16) + number:0{len(portal_id)}x}"


@contextmanager
def _broker(port: int) -> Iterator[tuple[str, int]]:
    with (
        tempfile.TemporaryDirectory(prefix="venus-") as directory,
        # A thousand live devices publish more at once than its queue holds by default.
        Mosquitto(Path(directory), port=port, config="max_queued_messages 0") as mosquitto,
    ):
        yield "127.0.0.1", mosquitto.port


def _lines(*, end_at_eof: bool) -> Iterator[bytes]:
    """Yield the lines of the input, for ever unless --end-at-eof is set."""
    rest = b""
    while read := os.read(sys.stdin.fileno(), 65536) if sys.stdin is not None else b"":
        *lines, rest = (rest + read).split(b"\n")
        yield from (line for line in lines if line.strip())
    while not end_at_eof:
        signal.pause()


def _print_request(request: Request) -> None:
    _print(
        {
            "time": request.time,
            "topic": request.topic,
            "payload": request.payload.decode(errors="replace"),
            "qos": request.qos,
        }
    )


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)

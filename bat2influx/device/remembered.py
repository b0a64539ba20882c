"""Discovered properties of devices, kept in the state directory for the next start.

Format: `devices.json`, UTF-8:

    {"format": 1, "devices": {"venus.local:1883": {"portal": "c0619ab1c2d3",
                                                   "instances": {"vebus": 275}}}}

with `"old": true` after the instances if the firmware is from before Venus OS 3.20. A key is the
address and port in the configuration, preceded by the section's name and @ if it has one. The file
is written completely under another name and then renamed, and only when something has changed.

Recovery: the file contains nothing that cannot be discovered again. So a fault of the file is
logged once, and the file is written again after the next discovery. An entry that is not as
described is ignored, and the others are used. Sizes: a file of more than MAX_FILE bytes is ignored
completely; a file that would be longer loses the entries with the oldest discovery.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bat2influx.printable import plain
from bat2influx.safe_json import parse
from bat2influx.service.journal import event
from bat2influx.service.ownership import read_regular
from bat2influx.venus.protocol import is_portal_id

if TYPE_CHECKING:
    from bat2influx.config.settings import Battery

log = logging.getLogger(__name__)

FORMAT = 1
MAX_FILE = 256 * 1024  # bytes
MAX_NAMED = 3  # invalid entries in a message


class DeviceRecord(NamedTuple):
    """What was discovered of a device: its portal id, the instances of services, and its age.

    `old` is whether the firmware is from before Venus OS 3.20.
    """

    portal: str
    instances: Mapping[str, int] = MappingProxyType({})
    old: bool = False


def key_of(battery: Battery) -> str:
    """Return the key of a device in the file."""
    named = f"{battery.name}@" if battery.name else ""
    return f"{named}{battery.address}:{battery.port}"


class RememberedDevices:
    """The file; owned by the main thread, and written by a separate thread: an SD card is slow.

    A change during a write is written next, in its latest form.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "devices.json"
        self._lock = threading.Lock()
        self._text: str | None = None  # to be written next
        self._writer: threading.Thread | None = None
        self._devices = self._read()

    def recall(self, key: str) -> DeviceRecord | None:
        """Return what is known of a device, if anything."""
        return self._devices.get(key)

    def keep(self, key: str, found: DeviceRecord) -> None:
        """Keep `found` for the next start."""
        if self._devices.get(key) == found:
            return
        self._devices.pop(key, None)
        self._devices[key] = found  # the latest is the last
        while len(text := _written(self._devices)) >= MAX_FILE and len(self._devices) > 1:
            del self._devices[next(iter(self._devices))]
        with self._lock:
            self._text = text
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="devices", daemon=True)
                self._writer.start()

    def flush(self, seconds: float) -> None:
        """Wait until everything is written, for `seconds` at most."""
        if writer := self._writer:
            writer.join(seconds)

    def _write(self) -> None:
        while True:
            with self._lock:
                text, self._text = self._text, None
                if text is None:
                    self._writer = None
                    return
            self._replace(text)

    def _replace(self, text: str) -> None:
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.write_text(f"{text}\n", encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            self._warn(f"cannot be written: {error.strerror}")

    def _read(self) -> dict[str, DeviceRecord]:
        try:
            data = read_regular(self._path, MAX_FILE + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._warn(f"cannot be read: {error.strerror}")
            return {}
        try:
            found, odd = understood(parse(data) if len(data) <= MAX_FILE else None)
        except ValueError:
            self._warn("is damaged or has another version")
            return {}
        if odd:
            named = ", ".join(plain(key) for key in odd[:MAX_NAMED])
            more = f" and {len(odd) - MAX_NAMED} more" if len(odd) > MAX_NAMED else ""
            self._warn(f"has invalid entries, which are ignored ({named}{more})")
        return found

    def _warn(self, what: str) -> None:
        text = "%s %s; the devices are discovered again at each start"
        log.warning(text, self._path, what, extra=event("memory"))


def _written(devices: Mapping[str, DeviceRecord]) -> str:
    content = {
        key: {"portal": each.portal, "instances": dict(each.instances)}
        | ({"old": True} if each.old else {})
        for key, each in devices.items()
    }
    return json.dumps({"format": FORMAT, "devices": content}, indent=1)


def understood(content: Any) -> tuple[dict[str, DeviceRecord], list[str]]:
    """Return the devices in the file, and the keys of invalid entries.

    Raises ValueError if the whole file is invalid.
    """
    devices = content.get("devices") if isinstance(content, dict) else None
    if not isinstance(devices, dict) or content.get("format") != FORMAT:
        raise ValueError
    found = {key: record for key, each in devices.items() if (record := _found(each))}
    return found, [key for key in devices if key not in found]


def _found(each: Any) -> DeviceRecord | None:
    """Return what an entry describes; None if it is invalid."""
    if not isinstance(each, dict):
        return None
    portal, instances, old = each.get("portal"), each.get("instances"), each.get("old", False)
    if not (isinstance(portal, str) and is_portal_id(portal) and isinstance(instances, dict)):
        return None
    if not all(type(number) is int and number >= 0 for number in instances.values()):
        return None
    return DeviceRecord(portal, dict(instances), old is True)

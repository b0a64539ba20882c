"""What was found out about devices, kept in the state directory for the next start.

Format: `devices.json`, UTF-8:

    {"format": 1, "devices": {"venus.local:1883": {"portal": "c0619ab1c2d3",
                                                   "instances": {"vebus": 275}}}}

with `"old": true` behind the instances where the firmware is from before Venus OS 3.20. A key is
the address and port in the configuration, with the section's name and @ in front where it has one.
The file is written whole beside itself and then renamed, and only when something has
changed. Recovery: it holds nothing that cannot be found again, so that what is wrong with it is
told once, and it is written anew after the next discovery.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bat2influx.safe_json import parse
from bat2influx.service.journal import event
from bat2influx.venus.protocol import is_portal_id

if TYPE_CHECKING:
    from bat2influx.config.settings import Battery

log = logging.getLogger(__name__)

FORMAT = 1
MAX_FILE = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What was found of a device: its portal id, the instances of services, and its age.

    `old` is whether the firmware is from before Venus OS 3.20.
    """

    portal: str
    instances: Mapping[str, int] = field(default_factory=dict)
    old: bool = False


def key_of(battery: Battery) -> str:
    """Return the key of what is known of a device."""
    named = f"{battery.name}@" if battery.name else ""
    return f"{named}{battery.address}:{battery.port}"


class RememberedDevices:
    """The file; owned by the main thread, and written by one of its own: an SD card takes its time.

    What is to be written while that is under way is written next, in its latest form.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "devices.json"
        self._lock = threading.Lock()
        self._text: str | None = None  # to be written
        self._writer: threading.Thread | None = None
        self._devices = self._read()

    def recall(self, key: str) -> DeviceRecord | None:
        """Return what is known of a device, if anything."""
        return self._devices.get(key)

    def keep(self, key: str, found: DeviceRecord) -> None:
        """Have `found` known at the next start."""
        if self._devices.get(key) == found:
            return
        self._devices[key] = found
        devices = {
            name: {"portal": each.portal, "instances": dict(each.instances)}
            | ({"old": True} if each.old else {})
            for name, each in sorted(self._devices.items())
        }
        with self._lock:
            self._text = json.dumps({"format": FORMAT, "devices": devices}, indent=1)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="devices", daemon=True)
                self._writer.start()

    def flush(self, seconds: float) -> None:
        """Wait until all is written, for so long at the most."""
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
            self._tell(f"cannot be written: {error.strerror}")

    def _read(self) -> dict[str, DeviceRecord]:
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_FILE)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._tell(f"cannot be read: {error.strerror}")
            return {}
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            return _understood(parse(data))
        self._tell("is damaged, or of another version")
        return {}

    def _tell(self, what: str) -> None:
        text = "%s %s; what it is for will be found out anew at each start"
        log.warning(text, self._path, what, extra=event("memory"))


def _understood(content: Any) -> dict[str, DeviceRecord]:
    """Return what the file says. Raises one of several errors when it is not as described."""
    if content["format"] != FORMAT:
        raise ValueError
    return {key: _found(each) for key, each in content["devices"].items()}


def _found(each: Any) -> DeviceRecord:
    portal, instances, old = each["portal"], each["instances"], each.get("old", False)
    if not (isinstance(portal, str) and is_portal_id(portal)):
        raise ValueError
    if not all(type(number) is int and number >= 0 for number in instances.values()):
        raise ValueError
    return DeviceRecord(portal, dict(instances), old is True)

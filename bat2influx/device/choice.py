"""Choices that only a user can make, as lines for the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from bat2influx.printable import MAX_NAMED, some
from bat2influx.venus.presets import preset_of
from bat2influx.venus.protocol import Field


class UndecidedError(Exception):
    """There are several devices or instances; the text lists them as lines for the ini file."""


class Choice:
    """Words the choices for one device, of the section `[Battery NAME]` in the file `config`."""

    def __init__(self, config: str, name: str) -> None:
        self._config = config
        self._battery = f"[Battery {name}]" if name else "[Battery]"
        self._fields = f"[Fields] or [Fields {name}]" if name else "[Fields]"

    def of_devices(self, host: str, portals: Sequence[str]) -> UndecidedError:
        """Return the error for several devices behind one broker."""
        first = f"several devices at {host}: put one of these lines under {self._battery} in"
        lines = [f"serial = {portal}" for portal in portals[:MAX_NAMED]]
        if len(portals) > MAX_NAMED:
            lines.append(f"# and {len(portals) - MAX_NAMED:,} others")
        return UndecidedError("\n".join([f"{first} {self._config}", *lines]))

    def of_instances(
        self, portal: str, instances: Sequence[int], fields: Sequence[Field]
    ) -> UndecidedError:
        """Return the error for several instances of the service of all `fields`."""
        service = fields[0].service
        numbers = some(instances, " and ")
        instances = instances[:MAX_NAMED]
        first = f"device {portal} has several instances of {service} ({numbers}):"
        own = [field for field in fields if field.instance is None and not field.optional]
        all_of_them = [
            f"or, to read all of them, this line under {self._fields}:",
            "instances = tag",
        ]
        if service == "vebus":
            where = f"put one of these lines under {self._battery}"
            lines = [f"instance = {instance}" for instance in instances]
        elif own:
            where = f"choose one of these lines for each name under {self._fields}"
            lines = [
                f"{field.name} = {service}/{instance}/{field.path}"
                for field in own
                for instance in instances
            ]
        else:
            where = f"put one of these lines under {self._fields}"
            lines, all_of_them = ["instances = tag", "instances = name"], []
            if preset := preset_of(fields[0].name):
                one = f"presets = {preset}/{instances[0]}"
                all_of_them = ["or, to read one, write its instance after the preset, as in", one]
        return UndecidedError(
            "\n".join([f"{first} {where} in {self._config}", *lines, *all_of_them])
        )

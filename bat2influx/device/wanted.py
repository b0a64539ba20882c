"""What the configuration wants of one device, and what it leaves to the discovery.

Rules: immutable values only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from bat2influx.config.settings import Battery
from bat2influx.device.plan import SYSTEM
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field


class Wanted:
    """The configuration of one device, as far as the discovery needs it.

    `portal` ('': none) and `vebus`, an instance, are configured. All instances of the services in
    `several` are wanted. `listed` is whether the broker lists its portal ids, `name` is that of the
    section, `[Battery NAME]`. The instance of `system` is always 0 and needs no discovery.
    """

    def __init__(
        self,
        fields: tuple[Field, ...],
        *,
        portal: str = "",
        vebus: int | None = None,
        several: Collection[str] = (),
        listed: bool = True,
        name: str = "",
    ) -> None:
        self.fields = fields
        self.portal = portal
        self.vebus = vebus
        self.several = several
        self.listed = listed
        self.name = name

    @classmethod
    def of(cls, battery: Battery) -> Wanted:
        """Return what a section of the configuration wants."""
        return cls(
            battery.fields,
            portal=battery.serial,
            vebus=battery.instance,
            several=battery.several,
            listed=not battery.vrm,
            name=battery.name,
        )

    @cached_property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        """The configured instances, by service."""
        return {} if self.vebus is None else {"vebus": (self.vebus,)}

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The required services whose instance is to be discovered."""
        return protocol.services_to_find(f for f in self.fields if not f.optional)

    @cached_property
    def left_open(self) -> frozenset[str]:
        """The services whose instance is to be discovered, required or optional."""
        return frozenset(protocol.services_to_find(self.fields))

    @cached_property
    def optional(self) -> tuple[tuple[str, str], ...]:
        """The optional fields, as (service, path)."""
        return tuple((f.service, f.path) for f in self.fields if f.optional)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The services of the optional fields."""
        return frozenset(service for service, _ in self.optional) - {SYSTEM}

    @property
    def more(self) -> bool:
        """Whether a device may have more than what is required."""
        return bool(self.left_open.intersection(self.several) or self.optional)

    def first_instances(self, known: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """Return the instances to start with: the configured ones, then those `known` before."""
        return {s: (n,) for s, n in known.items() if s not in self.several} | dict(self.given)

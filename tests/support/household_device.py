"""A house as a Venus device publishes it: the stand-in's services, with the house's values.

Rules: a value that the house does not have at a moment is null, as with the stand-in's own values.
So the daemon's values continue those that were written before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.venus.device import Device
from tests.standins.venus.values import Snapshot, Source, Value
from tests.support.household import Household
from tests.support.household_fields import Values, values
from tests.support.household_weather import DAY

INSTANCES = {"vebus": 275, "system": 0, "battery": 512, "grid": 30, "solarcharger": 288}
OTHERS = 20  # the instance of any other service
ALL = tuple(PRESETS)


def device(portal_id: str, house: Household, end: int, presets: Iterable[str] = ALL) -> Device:
    """Return a device with the services that the house has of these presets, and the nine.

    `end` is the time of the first request: the fields are those that it had in the day before.
    """
    said = {name for back in range(0, DAY, DAY // 12) for name in values(house, end - back)}
    fields = [(each.name, each.service, each.path) for name in presets for each in PRESETS[name]]
    fields = [each for each in fields if each[0] in said]
    fields += [(each.name, each.service, each.path) for each in DEFAULT_FIELDS]
    now = lru_cache(maxsize=4)(lambda time: values(house, time))
    services: dict[str, dict[str, Source]] = {"system": {"/Serial": portal_id}}
    for name, service, path in fields:
        services.setdefault(service, {})[f"/{path}"] = _source(now, name)
    return Device(
        portal_id,
        {
            f"{service}/{INSTANCES.get(service, OTHERS)}": {"/ProductId": 1, "/Connected": 1, **own}
            for service, own in services.items()
        },
    )


def _source(now: Callable[[float], Values], name: str) -> Source:
    def source(snapshot: Snapshot) -> Value:
        return now(snapshot.time).get(name)

    return source

"""Example lines for a device without an inverter, by the services that it has.

The nine default fields are those of `vebus`. A shunt with solar chargers, or an RS inverter, has no
vebus: VENUS, "Presence". The list of the other services is enough for some lines that would work.

Rules: pure. A service that is in no table here is untrusted text; the caller has checked that it is
a service name. The number of named services is limited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# The most wanted value of each kind, as a name and a path.
EXAMPLES: Mapping[str, tuple[str, str]] = {
    "battery": ("Soc", "Soc"),
    "solarcharger": ("Pv", "Yield/Power"),
    "multi": ("Output", "Ac/Out/L1/P"),
    "acsystem": ("System", "Ac/Out/L1/P"),
    "inverter": ("Inverter", "Ac/Out/L1/P"),
    "grid": ("Grid", "Ac/Power"),
    "pvinverter": ("PvInverter", "Ac/Power"),
    "genset": ("Genset", "Ac/Power"),
    "tank": ("Tank", "Level"),
    "temperature": ("Temperature", "Temperature"),
}
# Services of the GX device itself, which measure nothing.
BACKGROUND_SERVICES = frozenset(
    {"adc", "ble", "fronius", "hub4", "logger", "modbusclient", "modbustcp", "mqtt", "platform"}
    | {"qwacs", "settings", "shelly", "vecan", "venusplatform"}
)
MAX_KINDS = 6  # kinds that are named
MAX_INSTANCES = 4  # instances that are named of each kind
MAX_LINES = 3

_ORDER = {service: number for number, service in enumerate(EXAMPLES)}


def measuring(places: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the instances by service, of services that measure something; known ones first."""
    found: dict[str, set[int]] = {}
    for service, instance in places:
        if service not in BACKGROUND_SERVICES and service != "system":  # system has totals
            found.setdefault(service, set()).add(instance)
    kinds = sorted(found, key=lambda service: (_ORDER.get(service, 99), service))
    return {service: sorted(found[service]) for service in kinds}


def named(places: Iterable[tuple[str, int]]) -> str:
    """Return the services that measure something, as text; '' if there are none.

    For example "battery 512, solarcharger 288 and 289".
    """
    parts = [f"{kind} {_listed(own)}" for kind, own in measuring(places).items()]
    return ", ".join((*parts[:MAX_KINDS], *(("…",) if len(parts) > MAX_KINDS else ())))


def _listed(instances: list[int]) -> str:
    if len(instances) > MAX_INSTANCES:
        return ", ".join(map(str, instances[:MAX_INSTANCES])) + " and others"
    *first, last = map(str, instances)
    return f"{', '.join(first)} and {last}" if first else last


def example_lines(places: Iterable[tuple[str, int]]) -> list[str]:
    """Return up to three lines for [Fields] that read these services, one per kind."""
    return [
        f"{EXAMPLES[kind][0]} = {kind}/{instances[0]}/{EXAMPLES[kind][1]}"
        for kind, instances in measuring(places).items()
        if kind in EXAMPLES
    ][:MAX_LINES]

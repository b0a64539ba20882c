"""What could be read of a device that has no inverter, by the services that it has.

The nine fields are of `vebus`. A shunt with solar chargers, or an RS inverter, has none: VENUS,
"Presence". Which of the other services are there is enough to name some lines that would do.

Rules: pure. A service is a stranger's text where it is in no table here, and has been checked to be
one by who hands it in. What is named is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Of each kind the value that its owner wants first, as a name and a path.
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
# What belongs to the GX device itself, and not to what it measures.
BACKGROUND_SERVICES = frozenset(
    {"adc", "ble", "fronius", "hub4", "logger", "modbusclient", "modbustcp", "mqtt", "platform"}
    | {"qwacs", "settings", "shelly", "vecan", "venusplatform"}
)
MOST_KINDS = 6  # that are named, and
MOST_INSTANCES = 4  # of each of them
MOST_LINES = 3

_ORDER = {service: number for number, service in enumerate(EXAMPLES)}


def measuring(places: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the instances by service, of those that measure something; what is known first."""
    found: dict[str, set[int]] = {}
    for service, instance in places:
        if service not in BACKGROUND_SERVICES and service != "system":  # which sums up the others
            found.setdefault(service, set()).add(instance)
    kinds = sorted(found, key=lambda service: (_ORDER.get(service, 99), service))
    return {service: sorted(found[service]) for service in kinds}


def named(places: Iterable[tuple[str, int]]) -> str:
    """Return the services that measure something, for people; '' where there are none.

    As in "battery 512, solarcharger 288 and 289".
    """
    parts = [f"{kind} {_listed(own)}" for kind, own in measuring(places).items()]
    return ", ".join((*parts[:MOST_KINDS], *(("…",) if len(parts) > MOST_KINDS else ())))


def _listed(instances: list[int]) -> str:
    if len(instances) > MOST_INSTANCES:
        return ", ".join(map(str, instances[:MOST_INSTANCES])) + " and others"
    *first, last = map(str, instances)
    return f"{', '.join(first)} and {last}" if first else last


def example_lines(places: Iterable[tuple[str, int]]) -> list[str]:
    """Return some lines for [Fields] that read these services, one of each kind, at most three."""
    return [
        f"{EXAMPLES[kind][0]} = {kind}/{instances[0]}/{EXAMPLES[kind][1]}"
        for kind, instances in measuring(places).items()
        if kind in EXAMPLES
    ][:MOST_LINES]

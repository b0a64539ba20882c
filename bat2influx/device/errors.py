"""Troubles of a device and its fields, with their texts for users.

Each text names the problem, the place and what to do. No text contains a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bat2influx.failure import Trouble
from bat2influx.printable import MAX_NAMED, some, span
from bat2influx.venus import examples

RETRYING = "retrying automatically"


def no_portal(host: str, config: str) -> Trouble:
    """There is no retained Serial, so the portal id is not known."""
    return Trouble(
        "portal",
        f"no device has published its portal id at {host}. Check that this is the device's address;"
        f" if the device is bridged to this broker, set serial in {config}",
    )


def other_prefix(host: str, prefix: str, there: Sequence[str], config: str) -> Trouble:
    """There is no device under the configured `prefix` ('': none), but under others."""
    where = f"under the prefix {prefix.removesuffix('/')}" if prefix else "without a prefix"
    shown = [each.removesuffix("/") for each in there if each]
    some = "" in there
    if shown and some:
        what = f"devices have topics without a prefix and under the prefix {', '.join(shown)}"
        how = f"Leave topic_prefix in {config} empty, or set it to one of these"
    elif len(shown) > 1:
        what = f"devices have topics under the prefixes {', '.join(shown)}"
        how = f"Set topic_prefix in {config} to one of them"
    elif shown:
        what = f"a device has topics under the prefix {shown[0]}"
        how = f"Set topic_prefix = {shown[0]} in {config}"
    else:
        what, how = "a device has topics without a prefix", f"Remove topic_prefix from {config}"
    return Trouble(
        "portal: prefix", f"no device has published its portal id at {host} {where}; {what}. {how}"
    )


def wrong_portal(host: str, portal: str, there: Sequence[str], config: str) -> Trouble:
    """Other devices are behind this broker; the expected one is not."""
    found, it = "the device there has the portal id", "this portal id"
    if len(there) > 1:
        found, it = "the devices there have the portal ids", "one of them"
    return Trouble(
        "wrong portal",
        f"no device {portal} at {host}: {found} {some(there)}. Set serial in {config} to {it}, or"
        " leave serial empty",
    )


def wrong_instance(
    host: str, service: str, instance: int, there: Sequence[int], config: str
) -> Trouble:
    """The device has the service under other instances."""
    numbers = some(there, " and ")
    key = "instance" if service == "vebus" else "the instance under [Fields]"
    return Trouble(
        f"wrong instance: {service} {instance}",
        f"the device at {host} has no {service} {instance}, but {service} {numbers}. Correct {key}"
        f" in {config}, or remove it",
    )


def choice_left(service: str, lines: str) -> Trouble:
    """A service without a configured instance has several instances; the others are read."""
    return Trouble(
        f"undecided: {service}",
        " ".join(lines.split("\n")),
        effect="the other fields are read",
    )


def fields_missing(
    host: str,
    services: Sequence[str],
    unanswered: Sequence[str],
    stopped: Sequence[str] = (),
    *,
    left: Mapping[str, str] | None = None,
    hanging: Mapping[str, str] | None = None,
    never_answered: Mapping[str, str] | None = None,
) -> Trouble:
    """The device responds, but does not answer every request.

    `services` do not exist on the device. `left` services ("vebus 275") have left, `hanging` ones
    no longer respond; both map to since when. `never_answered` services have never answered; they
    map to the requested fields. `unanswered` paths were never answered, `stopped` paths were
    answered before.
    """
    parts, causes = [], []
    if services:
        causes.append(_cause("has no", services))
        parts.append(f"has no {some(services)} (check that it is connected and switched on)")
    if left:
        causes.append(_cause("no longer has", left))
        named = some([f"{name} ({since})" for name, since in left.items()])
        parts.append(f"no longer has {named} (check that it is connected and switched on)")
    if hanging:
        causes.append(_cause("no answer from", hanging))
        named = some([f"{name} is not responding ({s})" for name, s in hanging.items()])
        parts.append(f"responds, but {named} (restart the device if this lasts)")
    if never_answered:
        causes.append(_cause("never an answer from", never_answered))
        named = some([f"{name} for {fields}" for name, fields in never_answered.items()])
        parts.append(f"has no answer from {named} (restart the device, or correct the paths)")
    if unanswered:
        causes.append(_cause("does not answer for", unanswered))
        parts.append(
            f"does not answer for {some(unanswered)}: no such path (correct the path, or remove the"
            " field)"
        )
    if stopped:
        causes.append(_cause("no longer answers for", stopped))
        parts.append(
            f"no longer answers for {some(stopped)} (check this phase or sensor, or remove the"
            " field)"
        )
    what = " and ".join(parts)
    return Trouble(
        f"missing: {' and '.join(causes)}",
        f"the device at {host} {what}",
        effect=RETRYING,
    )


def _cause(kind: str, names: Collection[str]) -> str:
    """Return a part of a cause: with more names than a text shows, the kind alone.

    Otherwise a device with a thousand services could cause a new cause every second.
    """
    return f"{kind} {', '.join(names) if len(names) <= MAX_NAMED else 'many'}"


def fields_null(host: str, names: Sequence[str]) -> Trouble:
    """The device has answered with null, and never with a number."""
    return Trouble(
        _cause("no value:", names),
        f"the device at {host} has no value (null) for {some(names)}. Check this phase or sensor,"
        " or remove the field from [Fields]",
    )


def fields_not_numeric(host: str, names: Sequence[str], kind: str) -> Trouble:
    """The device has answered, and never with a number; `kind` is what the answer holds."""
    return Trouble(
        _cause("no number:", names),
        f"the device at {host} has {kind} for {some(names)}, not a number. Remove the field from"
        " [Fields]",
    )


def no_vebus(host: str, places: Collection[tuple[str, int]]) -> Trouble:
    """The device has no inverter, which has the nine default fields; `places` are its services.

    They are (service, instance), and at least one of them measures something.
    """
    lines = ["defaults = no", *examples.example_lines(places)]
    return Trouble(
        "missing: has no vebus, but others",
        f"the device at {host} has no vebus (check that it is connected and switched on); it has"
        f" {examples.named(places)}. To read these, write lines under [Fields], such as"
        f" {', '.join(lines)}; 'bat2influx discover {host}' prints all lines",
        effect=RETRYING,
    )


def device_not_responding(host: str, portal: str, seconds: float, *, given: bool) -> Trouble:
    """The broker responds, but the device behind it has sent no message for `seconds`.

    `given` is whether the portal id is configured.
    """
    how = "Check that it is on and connected"
    if given:
        how += ", and that serial is right"
    else:
        how += ", and restart it; if its topics are bridged, check that the bridge forwards R/#"
    what = f"device {portal} at {host} does not respond (no message for {span(seconds)})"
    return Trouble("silent", f"{what}. {how}")


def questions_unanswered(host: str, portal: str, prefix: str = "", *, values: bool) -> Trouble:
    """A bridge forwards what a device publishes, but not the requests to the device.

    With `values`, notifications arrive; otherwise the broker only retains the serial number.
    """
    if values:
        what, how = f"device {portal} at {host} sends values, but", "Check"
    else:
        what = f"the broker at {host} retains the serial number of device {portal}, but the device"
        how = "Check that the device is on and"
    how += f" that the bridge forwards {prefix}R/# to the device"
    return Trouble("unanswered", f"{what} does not answer requests. {how}")

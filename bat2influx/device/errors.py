"""What can be wrong with a device and its fields, in the words that people read.

Every text says what is wrong, where, and what to do. No text ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bat2influx.failure import Trouble
from bat2influx.printable import MOST_NAMED, some
from bat2influx.venus import examples


def no_portal(host: str, config: str) -> Trouble:
    """No retained Serial, so that the portal id is not known."""
    return Trouble(
        "portal",
        f"no device has said its portal id at {host}; is that the device? Where it is a broker that"
        f" a device is bridged to, set serial in {config}",
    )


def other_prefix(host: str, prefix: str, there: Sequence[str], config: str) -> Trouble:
    """No device below the configured `prefix`, '' for none, and some below others."""
    where = f"under the prefix {prefix.removesuffix('/')}" if prefix else "without a prefix"
    shown = [each.removesuffix("/") for each in there if each]
    some = "" in there
    if shown and some:
        what = f"a device's topics are there without a prefix, and under {', '.join(shown)}"
        how = f"leave topic_prefix in {config} empty, or set it to one of them"
    elif len(shown) > 1:
        what = f"devices' topics are under the prefixes {', '.join(shown)}"
        how = f"set topic_prefix in {config} to one of them"
    elif shown:
        what = f"a device's topics are under the prefix {shown[0]}"
        how = f"set topic_prefix = {shown[0]} in {config}"
    else:
        what, how = "a device's topics are there without one", f"take topic_prefix out of {config}"
    return Trouble(
        "portal: prefix", f"no device has said its portal id at {host} {where}; {what}: {how}"
    )


def wrong_portal(host: str, portal: str, there: Sequence[str], config: str) -> Trouble:
    """Other devices are behind this broker, and the configured one is not."""
    found = "has the portal id" if len(there) == 1 else "is not among the portal ids"
    return Trouble(
        "wrong portal",
        f"no device {portal} at {host}: what is there {found} {some(there)}; set serial in"
        f" {config} to it, or leave it empty",
    )


def wrong_instance(
    host: str, service: str, instance: int, there: Sequence[int], config: str
) -> Trouble:
    """The device has the service under other instances."""
    numbers = some(there, " and ")
    key = "instance" if service == "vebus" else "the instance under [Fields]"
    return Trouble(
        f"wrong instance: {service} {instance}",
        f"the device at {host} has no {service} {instance}, but {service} {numbers}; correct {key}"
        f" in {config}, or leave it out",
    )


def choice_left(service: str, lines: str) -> Trouble:
    """One that the configuration leaves open has turned up several times while all is read."""
    return Trouble(
        f"undecided: {service}",
        " ".join(lines.split("\n")),
        meanwhile="the other fields are read",
    )


def fields_missing(
    host: str,
    services: Sequence[str],
    silent: Sequence[str],
    stopped: Sequence[str] = (),
    *,
    left: Mapping[str, str] | None = None,
    hanging: Mapping[str, str] | None = None,
    mute: Mapping[str, str] | None = None,
) -> Trouble:
    """The device answers, but not for everything.

    `services` are not on it; `left` and `hanging` ones were there ("vebus 275") and have left or do
    not respond, with since when; `mute` ones have never answered, with the fields that they were
    asked for. `silent` paths have never been answered, `stopped` ones have.
    """
    parts, causes = [], []
    if services:
        causes.append(_cause("has no", services))
        parts.append(f"has no {some(services)} (is that connected, and switched on?)")
    if left:
        causes.append(_cause("no longer has", left))
        named = some([f"{name} ({since})" for name, since in left.items()])
        parts.append(f"no longer has {named} (is that switched off, or unplugged?)")
    if hanging:
        causes.append(_cause("no answer from", hanging))
        named = some([f"{name} is not responding ({s})" for name, s in hanging.items()])
        parts.append(f"answers, but {named} (restart the device if that lasts)")
    if mute:
        causes.append(_cause("never an answer from", mute))
        named = some([f"{name} for {fields}" for name, fields in mute.items()])
        parts.append(
            f"has no answer from {named} (does that hang, or is it asked for wrong paths?)"
        )
    if silent:
        causes.append(_cause("does not answer for", silent))
        parts.append(
            f"does not answer for {some(silent)}, and so has no such path (correct it, or take it"
            " out)"
        )
    if stopped:
        causes.append(_cause("no longer answers for", stopped))
        parts.append(
            f"no longer answers for {some(stopped)} (is that phase or sensor still there? Else"
            " take it out)"
        )
    what = " and ".join(parts)
    return Trouble(
        f"missing: {' and '.join(causes)}",
        f"the device at {host} {what}",
        meanwhile="asking again now and then",
    )


def _cause(kind: str, names: Collection[str]) -> str:
    """Return the part of a cause: of more names than are shown, the kind alone.

    A device that has a thousand services could else make up a cause a second.
    """
    return f"{kind} {', '.join(names) if len(names) <= MOST_NAMED else 'many'}"


def fields_void(host: str, names: Sequence[str]) -> Trouble:
    """Answered with null, and never yet with a number."""
    return Trouble(
        _cause("no value:", names),
        f"the device at {host} has no value (null) for {some(names)}; is that phase or sensor"
        " there? Else take it out of [Fields]",
    )


def fields_odd(host: str, names: Sequence[str], kind: str) -> Trouble:
    """Answered, and never with a number."""
    return Trouble(
        _cause("no number:", names),
        f"the device at {host} has {kind} for {some(names)}, and no number; take it out of"
        " [Fields]",
    )


def no_vebus(host: str, places: Collection[tuple[str, int]]) -> Trouble:
    """The device has no inverter, which the nine fields are of; `places` are its services.

    They are (service, instance), and at least one of them measures something.
    """
    lines = ["defaults = no", *examples.example_lines(places)]
    return Trouble(
        "missing: has no vebus, but others",
        f"the device at {host} has no vebus (is that connected, and switched on?); it has"
        f" {examples.named(places)}. To read what it has, write under [Fields] such lines as"
        f" {', '.join(lines)}; 'bat2influx discover {host}' prints all",
        meanwhile="asking again now and then",
    )


def device_silent(host: str, portal: str, *, given: bool) -> Trouble:
    """The broker is there and the device behind it says nothing; `given`: by its configured id."""
    restart = "is it on? Then restart it; where a bridge brings its topics, does that forward R/#?"
    how = "is it on, and is serial right?" if given else restart
    return Trouble("silent", f"device {portal} at {host} is silent; {how}")


def questions_unanswered(host: str, portal: str, prefix: str = "", *, values: bool) -> Trouble:
    """A bridge forwards what a device publishes, and not the requests to it.

    With `values`, notifications arrive; else the broker only retains the device's serial number.
    """
    if values:
        what, how = f"values of device {portal} arrive at {host}", "does the bridge forward R/#?"
    else:
        what = f"the broker at {host} keeps the serial number of device {portal}"
        how = "is the device on, and does the bridge forward R/#?"
    below = f" Here that is {prefix}R/#" if prefix else ""
    return Trouble("unanswered", f"{what}, questions are not answered: {how}{below}")

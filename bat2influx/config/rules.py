"""The checks of several settings together: names that clash, fleets, login and trust.

Each check yields (line, problem). A valid value has the type of config.spec; an invalid one is
still the text of the file, and its own check reports it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bat2influx.config.credentials import credential_of
from bat2influx.config.fields import (
    fields_in,
    fields_section,
    instances_in,
    names_problems,
    own_fields,
    presets_problems,
)
from bat2influx.config.inifile import Index, nearest, visible
from bat2influx.net.tls import Tls, context, is_ssl_error
from bat2influx.venus import vrm

SITE = "site"  # the tag that distinguishes named devices


def device_tags(
    config: Any, devices: Collection[str], sections: Collection[str]
) -> tuple[str, ...]:
    """Return the parts of a value's origin that are tags, with the fields in `sections`."""
    given = config["Influx"]["device_tags"]
    tags = given if isinstance(given, tuple) else ()
    fleet = any(is_fleet(config[device]) for device in devices)
    several = fleet or any("tag" in instances_in(config[section]).values() for section in sections)
    if fleet and "portal" not in tags:
        tags = ("portal", *tags)
    return (*tags, "instance") if several and "instance" not in tags else tags


def unused_fields_sections(index: Index, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield sections of fields that belong to no device."""
    for section, line in index.sections.items():
        kind, _, name = section.partition(" ")
        if kind == "Fields" and name and f"Battery {name}" not in devices:
            near = nearest(name, [each.partition(" ")[2] for each in devices if " " in each])
            hint = (
                f"; did you mean [Fields {near}]?" if near else "; add it, or remove this section"
            )
            yield line, f"[{section}]: there is no [Battery {name}]{hint}"
    in_use = {fields_section(index, device) for device in devices}
    given = any(entry.value for (section, _), entry in index.entries.items() if section == "Fields")
    if given and "Fields" not in in_use:
        what = "is not used, because each device has its own section; remove this one"
        yield index.sections["Fields"], f"[Fields]: {what}"


def same_credential(index: Index, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield devices with the same credential: a space in a name is _ in its credential."""
    first: dict[str, str] = {}
    for device in devices:
        name = device.partition(" ")[2]
        other = first.setdefault(credential_of(name), device)
        if other != device:
            what = (
                f"has the same credential as [{other}], {credential_of(name)}; rename one of them"
            )
            yield index.sections[device], f"[{device}]: {what}"


def clashing(index: Index, config: Any, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield problems of the names of fields and tags, each alone and together."""
    sections = [name for name in index.sections if name.split()[0] == "Fields"] or ["Fields"]
    tags = {*device_tags(config, devices, {fields_section(index, device) for device in devices})}
    tags |= {SITE} if any(" " in device for device in devices) else set()
    names = set()
    for section in sections:
        yield from names_problems(index, section, config[section], tags)
        single = [each for each in devices if fields_section(index, each) == section]
        if not single or not all(is_fleet(config[device]) for device in single):
            yield from presets_problems(index, section, config[section])
        names |= own_fields(index, section).keys() | {
            each.name for each in fields_in(config[section])
        }
    pairs = config["Influx"]["tags"]
    given = {name for name, _ in pairs} if isinstance(pairs, tuple) else set()
    if both := given & names:
        line = index.entries["Influx", "tags"].line
        yield line, f"[Influx] tags: {min(both)} is also a field; rename one of them"
    elif both := given & tags:
        line = index.entries["Influx", "tags"].line
        what = "the tag of [Battery NAME]" if min(both) == SITE else "one of the device's tags"
        yield line, f"[Influx] tags: {min(both)} is also {what}; rename this one"
    own_name = config["Influx"]["self_measurement"]
    if own_name and own_name == config["Influx"]["measurement"]:
        line = index.entries["Influx", "self_measurement"].line
        what = "is also the measurement of the values; choose another name"
        yield line, f"[Influx] self_measurement = {visible(own_name)}: {what}"


ALL = "*"


def is_fleet(values: Any) -> bool:
    """Tell whether a [Battery] stands for all devices behind its broker."""
    return bool(values["serial"] == ALL)


def groups(index: Index, config: Any, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield problems of fleets, and of groups that share the work of a fleet."""
    for section in devices:
        values = config[section]
        if is_fleet(values):
            yield from _fleet(index, section, config)
        elif values["share_group"]:
            line = index.entries[section, "share_group"].line
            what = f"is used with serial = {ALL} only; write that, or leave it empty"
            yield line, f"[{section}] share_group = {visible(values['share_group'])}: {what}"


def _fleet(index: Index, section: str, config: Any) -> Iterator[tuple[int, str]]:
    values = config[section]
    label = f"[{section}] serial = {ALL}"
    line = index.entries[section, "serial"].line
    address = values["address"]
    if isinstance(address, str) and address.casefold() == vrm.ADDRESS:
        yield line, f"{label}: the VRM cloud has single devices only; write a portal id"
    elif values["mode"] == "poll":
        yield line, f"{label}: all devices cannot be polled; write mode = notify, too"
    if values["instance"] is not None and (section, "instance") in index.entries:
        where = index.entries[section, "instance"].line
        what = f"is for one device; with serial = {ALL} leave it empty"
        yield where, f"[{section}] instance = {values['instance']}: {what}"
    own = f"Fields {section.partition(' ')[2]}"
    fields = own if own in index.sections else "Fields"
    how = index.entries.get((fields, "instances"))
    if how and how.value and {*instances_in(config[fields]).values()} != {"tag"}:
        what = f"with serial = {ALL} each value has its instance as a tag; leave it empty"
        yield how.line, f"[{fields}] instances = {visible(how.value)}: {what}"
    if values["share_group"] and config["Influx"]["timestamps"] == "tick":
        where = index.entries["Influx", "timestamps"].line
        what = "cannot be used with share_group, because each daemon receives some values only"
        yield where, f"[Influx] timestamps = tick: {what}; leave it empty"


def clocks(index: Index, config: Any, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield devices whose clock stamps cannot follow: those of a fleet, and a second one."""
    first = ""
    for section in devices:
        values = config[section]
        if values["clock"] != "device":
            continue
        line = index.entries[section, "clock"].line
        if is_fleet(values):
            what = "each device of a fleet has its own clock; leave it empty"
            yield line, f"[{section}] clock = device: {what}"
        elif first:
            what = f"[{first}] has it already, for one device at most; leave one of the two empty"
            yield line, f"[{section}] clock = device: {what}"
        first = first or section


TRUST = ("ca_file", "fingerprint", "verify_host", "client_cert", "client_key")


def is_vrm(values: Any) -> bool:
    """Tell whether a [Battery] uses the VRM cloud."""
    address = values["address"]
    return isinstance(address, str) and address.casefold() == vrm.ADDRESS


def login_problems(
    index: Index, config: Any, devices: Collection[str], *, secrets: bool
) -> Iterator[tuple[int, str]]:
    """Set TLS for the cloud; yield what a login lacks, or what is not allowed in it.

    With `secrets` all credentials have been read, so that an absent password is missing.
    """
    for section in devices:
        values = config[section]
        if is_vrm(values):
            yield from _incomplete(index, section, values, secrets=secrets)
            values["tls"] = True
        elif {*"+#"} & {*values["user"]}:  # VENUS: a device rejects wildcards in it
            line = index.entries[section, "user"].line
            what = "must be without + and #, which a device rejects"
            yield line, f"[{section}] user = {visible(values['user'])}: {what}"


def _incomplete(
    index: Index, section: str, values: Any, *, secrets: bool
) -> Iterator[tuple[int, str]]:
    line = index.entries[section, "address"].line
    missing = [] if values["serial"] else ["serial (the portal id)"]
    user = index.entries.get((section, "user"))
    if not user or not user.value:
        missing.append("user (the e-mail address of an account)")
    elif "@" not in user.value:
        what = "must be the e-mail address of a VRM account, with address = vrm"
        yield user.line, f"[{section}] user = {visible(user.value)}: {what}"
    if secrets and not vrm.password_of(values["password"]):
        missing.append("password (an access token of the account)")
    if missing:
        *most, last = missing
        what = " and ".join((", ".join(most), last)) if most else last
        yield line, f"[{section}] address = {visible(values['address'])}: write {what}, too"
    for key, harmless, fault in (
        ("tls", ("", "yes"), "the VRM cloud requires TLS; leave it out, or write yes"),
        ("topic_prefix", ("",), "is for a bridge, and the VRM cloud has none; leave it empty"),
    ):
        entry = index.entries.get((section, key))
        if entry and entry.value not in harmless:
            yield entry.line, f"[{section}] {key} = {visible(entry.value)}: {fault}"


def trust_problems(index: Index, config: Any) -> Iterator[tuple[int, str]]:
    """Yield problems of the TLS settings of a peer: not in use, contradictory, unreadable."""
    for section in index.sections:
        if section.split()[0] not in ("Battery", "Influx"):
            continue
        values = config[section]
        given = {
            key: index.entries[section, key].line
            for key in TRUST
            if (section, key) in index.entries and values[key] != values.default_values[key]
        }
        if any(isinstance(values[key], list) for key in given):
            continue  # one has a comma, which its own check reports; check the others afterwards
        for key, line in given.items():
            label = index.label(section, key)
            shown = f"{label} = {visible(values[key])}" if isinstance(values[key], str) else label
            if values["tls"] is False:
                yield line, f"{label}: is used with tls = yes only; write that, too"
            elif key == "ca_file":
                if "fingerprint" in given:
                    yield line, f"{label}: fingerprint is set, too; keep one of the two"
                elif fault := _trust_fault(Tls(ca_file=values[key]), "holds no certificate in PEM"):
                    yield line, f"{shown}: {fault}"
            elif key == "verify_host" and not {"ca_file", "fingerprint"} & given.keys():
                what = "would accept any certificate; write ca_file or fingerprint, too"
                yield line, f"{label} = no: {what}"
            elif key == "client_cert":
                own = Tls(client_cert=values[key], client_key=values["client_key"])
                if fault := _trust_fault(
                    own, "and client_key are not a certificate and its key in PEM"
                ):
                    yield line, f"{shown}: {fault}"
            elif key == "client_key" and "client_cert" not in given:
                yield line, f"{label}: is used with client_cert only; write that, too"


def _trust_fault(tls: Tls, otherwise: str) -> str | None:
    try:
        context(tls)
    except OSError as error:
        return otherwise if is_ssl_error(error) else f"cannot be read: {error.strerror}"
    return None

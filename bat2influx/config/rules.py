"""What settings must be to each other: names that must not clash, fleets, login and trust.

Each check yields (line, problem). The values are those of config.spec where they could be read, and
what stands in the file where they could not; that is then told for itself.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from bat2influx.config.checks import is_key
from bat2influx.config.inifile import Entry, Index, Value, nearest, visible
from bat2influx.net.tls import Tls, context
from bat2influx.venus import vrm
from bat2influx.venus.presets import chosen, fields_of, preset_of, services_of
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS, PATHS

SITE = "site"  # the tag that tells named devices apart


def fields_section(index: Index, device: str) -> str:
    """Return the section with the fields of a device, which is one of its own or [Fields]."""
    own = f"Fields {device.partition(' ')[2]}"
    return own if own in index.sections else "Fields"


def fields_in(section: Any) -> tuple[Field, ...]:
    """Return the fields of a section: the nine, those of presets, and its own.

    A field of a preset that names its instance has it behind its name where `instances` says so,
    as the same field has where the device tells the instance.
    """
    own = ((key, section[key]) for key in section if isinstance(section[key], Field))
    return (
        *(DEFAULT_FIELDS if section["defaults"] else ()),
        *(_as_told_apart(field, section) for field in fields_of(_presets(section))),
        *(replace(field, name=key) for key, field in own),
    )


def _as_told_apart(field: Field, section: Any) -> Field:
    if field.instance is None or how_of(section, field.service) != "name":
        return field
    return replace(field, name=f"{field.name}_{field.instance}")


def instances_in(section: Any) -> dict[str, str]:
    """Return how several instances are told apart, by service; '' is every other one."""
    given = section["instances"]
    return dict(given) if isinstance(given, tuple) else {"": "one"}


def how_of(section: Any, service: str) -> str:
    """Return how several instances of a service are told apart: one, tag or name."""
    given = instances_in(section)
    return given.get(service, given[""])


def _presets(section: Any) -> tuple[str, ...]:
    presets = section["presets"]
    return presets if isinstance(presets, tuple) else ()


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


def homeless(index: Index, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield which fields belong to no device."""
    for section, line in index.sections.items():
        kind, _, name = section.partition(" ")
        if kind == "Fields" and name and f"Battery {name}" not in devices:
            near = nearest(name, [each.partition(" ")[2] for each in devices if " " in each])
            hint = f"; did you mean [Fields {near}]?" if near else ", whose fields they would be"
            yield line, f"[{section}]: there is no [Battery {name}]{hint}"
    in_use = {fields_section(index, device) for device in devices}
    given = any(entry.value for (section, _), entry in index.entries.items() if section == "Fields")
    if given and "Fields" not in in_use:
        what = "each device has a section of its own; remove this one"
        yield index.sections["Fields"], f"[Fields]: {what}"


def same_credential(index: Index, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield which devices would have one credential: a blank in a name is _ in its own."""
    first: dict[str, str] = {}
    for device in devices:
        name = device.partition(" ")[2]
        other = first.setdefault(credential_of(name), device)
        if other != device:
            what = f"has the credential of [{other}], {credential_of(name)}; rename one of them"
            yield index.sections[device], f"[{device}]: {what}"


def credential_of(name: str) -> str:
    """Return the name of the credential with the password of `[Battery NAME]`, or `[Battery]`.

    A blank in it would keep systemd 257 from starting the service.
    """
    return f"mqtt-password-{name.replace(' ', '_')}" if name else "mqtt-password"


def clashing(index: Index, config: Any, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with the names of fields and tags, each alone and beside the others."""
    sections = [name for name in index.sections if name.split()[0] == "Fields"] or ["Fields"]
    tags = {*device_tags(config, devices, {fields_section(index, device) for device in devices})}
    tags |= {SITE} if any(" " in device for device in devices) else set()
    names = set()
    for section in sections:
        yield from _fields_problems(index, section, config[section], tags)
        single = [each for each in devices if fields_section(index, each) == section]
        if not single or not all(is_fleet(config[device]) for device in single):
            yield from _presets_problems(index, section, config[section])
        names |= _own(index, section).keys() | {each.name for each in fields_in(config[section])}
    pairs = config["Influx"]["tags"]
    given = {name for name, _ in pairs} if isinstance(pairs, tuple) else set()
    if both := given & names:
        line = index.entries["Influx", "tags"].line
        yield line, f"[Influx] tags: {min(both)} is a field too; rename one of them"
    elif both := given & tags:
        line = index.entries["Influx", "tags"].line
        what = "the tag of [Battery NAME]" if min(both) == SITE else "one of the device's tags"
        yield line, f"[Influx] tags: {min(both)} is {what}; rename yours"
    own_name = config["Influx"]["self_measurement"]
    if own_name and own_name == config["Influx"]["measurement"]:
        line = index.entries["Influx", "self_measurement"].line
        what = "is the measurement of the values, too; name another one"
        yield line, f"[Influx] self_measurement = {visible(own_name)}: {what}"


def _own(index: Index, section: str) -> dict[str, Entry]:
    """Return the fields that are written out in a section, even if they are none."""
    keys = index.keys(section) or ()
    return {
        key: entry
        for (place, key), entry in index.entries.items()
        if place == section and key not in keys
    }


def _fields_problems(
    index: Index, section: str, values: Any, tags: Collection[str]
) -> Iterator[tuple[int, str]]:
    own = _own(index, section)
    for name, (line, value) in own.items():
        if fault := _fault(name, value, values, tags):
            yield line, f"{index.label(section, name)}: {fault}"
    if values["defaults"] is False and not own and not values["presets"]:
        what = "leaves no field; write NAME = vebus/Soc or so, or presets"
        yield index.entries[section, "defaults"].line, f"[{section}] defaults = no: {what}"


def _presets_problems(index: Index, section: str, values: Any) -> Iterator[tuple[int, str]]:
    """Yield where two instances of a preset would have the same names, and unknown kinds."""
    by_preset: dict[str, list[str]] = {}
    for text in _presets(values):
        by_preset.setdefault(chosen(text).preset, []).append(text)
    for preset, texts in by_preset.items():
        alike = [each for each in services_of(preset) if how_of(values, each) == "one"]
        if len(texts) > 1 and alike:
            how = ", ".join(f"{service}/tag" for service in alike)
            what = f"would have the same names; write instances = {how}, too, or name for tag"
            line = index.entries[section, "presets"].line
            yield line, f"[{section}] presets: {' and '.join(texts)} {what}"
    given = {str(each.value).partition("/")[0] for each in _own(index, section).values()}
    for kind in instances_in(values):
        if kind and kind not in PATHS and kind not in given:
            near = nearest(kind, (*PATHS, *given))
            hint = f"; did you mean {near}?" if near else ""
            line = index.entries[section, "instances"].line
            yield line, f"[{section}] instances: no field is of the service {kind}{hint}"


def _fault(name: str, value: Value, values: Any, tags: Collection[str]) -> str | None:
    """Return what is wrong with a field's name, or with its lack of a value."""
    preset = preset_of(name)
    presets = {chosen(text).preset for text in _presets(values)}
    if not value:
        return "is empty; write service[/instance]/path, or remove the line"
    if values["defaults"] and name in {field.name for field in DEFAULT_FIELDS}:
        return "is one of the nine; rename it, or write defaults = no"
    if preset in presets:
        return f"is a field of the preset {preset}; rename it, or leave the preset out"
    if name in tags:
        return "is a tag of each value; rename it"
    if not is_key(name):
        return "must be printable, without \\ or _ in front, and not time"
    stem, _, number = name.rpartition("_")
    if stem in _told_apart(values) and number.isdecimal():
        return f"is what {stem} of instance {number} is called; rename it"
    return None


def _told_apart(values: Any) -> set[str]:
    """Return the names that an instance is put behind, with `instances = name`."""
    of_presets = {chosen(text).preset for text in _presets(values)}
    own = (field for field in fields_in(values) if not field.optional)
    return {
        field.name
        for field in (*own, *fields_of(of_presets))
        if field.instance is None
        and field.service != "system"
        and how_of(values, field.service) == "name"
    }


ALL = "*"


def is_fleet(values: Any) -> bool:
    """Tell whether a [Battery] is all devices behind its broker."""
    return bool(values["serial"] == ALL)


def groups(index: Index, config: Any, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with fleets, and with groups that share the work of one."""
    for section in devices:
        values = config[section]
        if is_fleet(values):
            yield from _fleet(index, section, config)
        elif values["share_group"]:
            line = index.entries[section, "share_group"].line
            what = f"counts with serial = {ALL} only; write that, or leave it empty"
            yield line, f"[{section}] share_group = {visible(values['share_group'])}: {what}"


def _fleet(index: Index, section: str, config: Any) -> Iterator[tuple[int, str]]:
    values = config[section]
    label = f"[{section}] serial = {ALL}"
    line = index.entries[section, "serial"].line
    address = values["address"]
    if isinstance(address, str) and address.casefold() == vrm.ADDRESS:
        yield line, f"{label}: the cloud gives out single devices only; write a portal id"
    elif values["mode"] == "poll":
        yield line, f"{label}: so many devices are not asked each second; write mode = notify, too"
    if values["instance"] is not None and (section, "instance") in index.entries:
        where = index.entries[section, "instance"].line
        what = f"is one device's; with serial = {ALL} leave it empty"
        yield where, f"[{section}] instance = {values['instance']}: {what}"
    own = f"Fields {section.partition(' ')[2]}"
    fields = own if own in index.sections else "Fields"
    how = index.entries.get((fields, "instances"))
    if how and how.value and {*instances_in(config[fields]).values()} != {"tag"}:
        what = f"with serial = {ALL} each value has its instance as a tag; leave it empty"
        yield how.line, f"[{fields}] instances = {visible(how.value)}: {what}"
    if values["share_group"] and config["Influx"]["timestamps"] == "tick":
        where = index.entries["Influx", "timestamps"].line
        what = "a row would hold what one daemon of several has heard last; with share_group"
        yield where, f"[Influx] timestamps = tick: {what} leave it empty"


TRUST = ("ca_file", "fingerprint", "verify_host", "client_cert", "client_key")


def is_vrm(values: Any) -> bool:
    """Tell whether a [Battery] is reached by the VRM cloud."""
    address = values["address"]
    return isinstance(address, str) and address.casefold() == vrm.ADDRESS


def login_problems(
    index: Index, config: Any, devices: Collection[str], *, secrets: bool
) -> Iterator[tuple[int, str]]:
    """Have TLS wherever the cloud is meant; yield what a login lacks, or what is not allowed in it.

    With `secrets` all that there are have been seen, so that one that is not there is missing.
    """
    for section in devices:
        values = config[section]
        if is_vrm(values):
            yield from _incomplete(index, section, values, secrets=secrets)
            values["tls"] = True
        elif {*"+#"} & {*values["user"]}:  # VENUS: a device refuses the wildcards in it
            line = index.entries[section, "user"].line
            what = "must be without + and #, which a device refuses"
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
        what = "must be the e-mail address of an account, for address = vrm"
        yield user.line, f"[{section}] user = {visible(user.value)}: {what}"
    if secrets and not vrm.password_of(values["password"]):
        missing.append("password (an access token of the account)")
    if missing:
        *most, last = missing
        what = " and ".join((", ".join(most), last)) if most else last
        yield line, f"[{section}] address = {visible(values['address'])}: write {what}, too"
    for key, harmless, fault in (
        ("tls", ("", "yes"), "the cloud speaks nothing else; leave it out, or write yes"),
        ("topic_prefix", ("",), "is a bridge's; the cloud has none, leave it empty"),
    ):
        entry = index.entries.get((section, key))
        if entry and entry.value not in harmless:
            yield entry.line, f"[{section}] {key} = {visible(entry.value)}: {fault}"


def trust_problems(index: Index, config: Any) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with the trust in a peer: not in use, contradictory, unreadable."""
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
            continue  # a comma stood in one, which is told; whatever it belongs with has to wait
        for key, line in given.items():
            label = index.label(section, key)
            shown = f"{label} = {visible(values[key])}" if isinstance(values[key], str) else label
            if values["tls"] is False:
                yield line, f"{label}: counts with tls = yes only; write that, too"
            elif key == "ca_file":
                if "fingerprint" in given:
                    yield line, f"{label}: the fingerprint trusts one certificate; keep one of both"
                elif fault := _trust_fault(Tls(ca_file=values[key]), "holds no certificate in PEM"):
                    yield line, f"{shown}: {fault}"
            elif key == "verify_host" and not {"ca_file", "fingerprint"} & given.keys():
                what = "would trust everybody's certificate; write ca_file or fingerprint, too"
                yield line, f"{label} = no: {what}"
            elif key == "client_cert":
                own = Tls(client_cert=values[key], client_key=values["client_key"])
                if fault := _trust_fault(
                    own, "and client_key are no certificate and its key in PEM"
                ):
                    yield line, f"{shown}: {fault}"
            elif key == "client_key" and "client_cert" not in given:
                yield line, f"{label}: counts with client_cert only; write that, too"


def _trust_fault(tls: Tls, otherwise: str) -> str | None:
    try:
        context(tls)
    except ssl.SSLError:
        return otherwise
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None

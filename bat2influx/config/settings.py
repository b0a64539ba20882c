"""The ini file, and the credentials beside it, as immutable values.

Rules: all problems are reported together, in the order of the file, each with its line, the value
and what is allowed; a secret is in no message and in no exception. An empty value is the default.

config.spec has the keys, what each allows and its default, in ConfigObj's notation; the checks it
names are in checks.py. The checks of several settings together are in rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from configobj import ConfigObj, flatten_errors
from configobj.validate import Validator

from bat2influx.config import inifile, legacy
from bat2influx.config.checks import CHECKS
from bat2influx.config.credentials import (
    CREDENTIALS,
    TOKEN,
    Credentials,
    credential_hint,
    file_of,
    take_credentials,
)
from bat2influx.config.fields import fields_in, fields_section, instances_in
from bat2influx.config.inifile import PER_DEVICE, SECRETS, ConfigError, Index, Value, visible
from bat2influx.config.rules import (
    ALL,
    TRUST,
    clashing,
    clocks,
    device_tags,
    groups,
    is_fleet,
    is_vrm,
    login_problems,
    same_credential,
    trust_problems,
    unused_fields_sections,
)
from bat2influx.config.tokens import bare, remark
from bat2influx.net.tls import Tls
from bat2influx.printable import without
from bat2influx.venus import vrm
from bat2influx.venus.protocol import Field, is_portal_id

__all__ = [
    "CREDENTIALS",
    "Battery",
    "ConfigError",
    "Influx",
    "Settings",
    "known_defaults",
    "known_names",
    "load",
]

SPEC = Path(__file__).with_name("config.spec")
_DEFAULT = re.compile(r'default="?(?!None|list)([^",)]*)')  # in a line of it


How = Literal["one", "tag", "name"]  # "one": a person has to choose


class Battery(NamedTuple):
    """A Venus device and how it is read; `name` is NAME of `[Battery NAME]`, '' for `[Battery]`.

    `serial` is the portal id ('': discovered through the broker), `instance` that of vebus (None:
    discovered). `interval` (0.2 to 30) and `soc_interval` (0.2 to 3600, of paths ending in `/Soc`)
    are in seconds. `tls` is None without TLS. `topic_prefix` has a slash at its end, or is ''.
    `instances` is how several instances of a service are distinguished, for fields that name none,
    and `kinds` has exceptions for single services: call `instances_of`. With `vrm` the device is
    reached through the VRM cloud, and `address` is the host derived from the portal id.

    A `fleet` is all devices behind a broker. With a `share_group`, '' for none, each of its
    messages goes to one of the daemons with that group. `max_memory` bounds the state of its
    devices, in bytes.

    With `clock` "device", for one device at most and no fleet, timestamps follow the device's
    clock until this machine's is synchronised.
    """

    name: str
    address: str
    port: int
    user: str
    password: str
    serial: str
    instance: int | None
    interval: float
    soc_interval: float
    fields: tuple[Field, ...]
    tls: Tls | None
    mode: Literal["poll", "notify"] = "poll"
    topic_prefix: str = ""
    instances: How = "one"
    kinds: tuple[tuple[str, How], ...] = ()
    vrm: bool = False
    share_group: str = ""
    max_memory: int = 24_000_000
    clock: Literal["own", "device"] = "own"

    def __repr__(self) -> str:
        return without(["password"], self)

    @property
    def section(self) -> str:
        """Its section of the file."""
        return f"[Battery {self.name}]" if self.name else "[Battery]"

    @property
    def fleet(self) -> bool:
        """Whether it stands for all devices behind the broker."""
        return self.serial == ALL

    def instances_of(self, service: str) -> How:
        """Return how several instances of a service are distinguished."""
        return dict(self.kinds).get(service, self.instances)

    @property
    def several(self) -> frozenset[str]:
        """The services of which all instances are read, for fields that name none."""
        fields = (f for f in self.fields if f.instance is None and f.service != "system")
        return frozenset(f.service for f in fields if self.instances_of(f.service) != "one")


class Influx(NamedTuple):
    """The database, and the common settings of all points; '' is none, or the server's default.

    `path` precedes /write, with a slash in front of it and none at its end, or is ''. `tls` is None
    without TLS. With `use_environment`, proxy variables and ~/.netrc are used. `device_tags` are
    parts of a value's origin: of portal, service, instance, in that order.
    """

    address: str
    port: int
    tls: Tls | None
    user: str
    password: str
    token: str
    use_environment: bool
    db: str
    measurement: str
    retention_policy: str
    timestamps: Literal["arrival", "tick"]
    tags: tuple[tuple[str, str], ...]
    self_measurement: str = ""  # about the daemon
    device_tags: tuple[str, ...] = ()
    path: str = ""

    def __repr__(self) -> str:
        return without(["password", "token"], self)


class Settings(NamedTuple):
    """The whole configuration; `path` is the file, `max_size` bounds the spool, in bytes.

    `textfile` is whether the daemon writes a file for the node exporter. `notes` say what was
    ignored around a token, and where.
    """

    path: Path
    batteries: tuple[Battery, ...]
    influx: Influx
    max_size: int
    textfile: bool = False
    notes: tuple[str, ...] = ()


def load(path: Path, *, credentials: Credentials | None = None) -> Settings:
    """Read the ini file; passwords in `credentials` win over those in the file.

    `credentials` is the service's directory of them, or has their files by name. Without such a
    directory the credentials of the service are unknown; then a password that is not in the file is
    no problem. Raises ConfigError, with every problem, and nothing else:
    MissingFileError if there is no file.
    """
    try:
        text = inifile.read_text(path)
    except FileNotFoundError:
        raise inifile.MissingFileError([f"{path}: there is no such file"]) from None
    return settings_in(text, path, credentials=credentials)


def settings_in(text: str, path: Path, *, credentials: Credentials | None = None) -> Settings:
    """Return the settings in the text of the ini file `path`, as `load` does; nothing is read."""
    spec = _spec()
    names = _names(spec)
    index = Index(text, names, free=("Fields",))
    if answer := legacy.changes(index, path):
        raise ConfigError([answer])
    devices = [name for name in index.sections if name.split()[0] == "Battery"] or ["Battery"]
    for name in index.sections:
        if name.split()[0] in PER_DEVICE:
            spec[name] = spec[name.split()[0]]
    config = ConfigObj(_without_empty(index), configspec=spec, interpolation=False)
    refused = [*_refused(index, config)]
    unread = [*take_credentials(config, devices, credentials)] if credentials else []
    known = isinstance(credentials, Path) and not unread
    problems = dict(index.problems)
    for line, problem in (
        *refused,
        *login_problems(index, config, devices, secrets=known),
        *unused_fields_sections(index, devices),
        *same_credential(index, devices),
        *groups(index, config, devices),
        *clocks(index, config, devices),
        *clashing(index, config, devices),
        *trust_problems(index, config),
    ):
        problems.setdefault(line, problem)
    for line, way in _both_quotes(index, path):
        problems[line] += way
    messages = [f"{path}, line {line}: {problem}" for line, problem in sorted(problems.items())]
    messages += unread
    if config["Influx"]["token"] and config["Influx"]["user"]:
        line = index.entries["Influx", "user"].line
        messages.append(
            f"{path}, line {line}: [Influx] user: token is set, too; keep one of the two"
        )
    if messages:
        raise ConfigError(messages)
    fields = {name: fields_section(index, name) for name in devices}
    return Settings(
        path=path,
        batteries=tuple(_battery(name, config[name], config[fields[name]]) for name in devices),
        influx=_influx(config["Influx"], device_tags(config, devices, fields.values())),
        max_size=config["Spool"]["max_size"],
        textfile=config["Metrics"]["textfile"],
        notes=(*_notes(index, path, config["Influx"]["token"], credentials or {}),),
    )


def known_names() -> dict[str, list[str]]:
    """Return the keys of each section, as `inifile.Index` takes them."""
    return _names(_spec())


def known_defaults() -> dict[str, dict[str, str]]:
    """Return the default of each key in the notation of a file, '' for none or a derived one."""
    spec = _spec()
    return {
        section: {
            key: "" if (found := _DEFAULT.search(spec[section][key])) is None else found[1]
            for key in spec[section].scalars
        }
        for section in spec.sections
    }


def one_of_fleet(settings: Settings, portal: str) -> Settings:
    """Return the settings with one device in place of a fleet, '' where there is none.

    Raises ValueError, with a text for people, if a fleet needs `portal`, or there is no fleet.
    """
    fleet = next((battery for battery in settings.batteries if battery.fleet), None)
    if fleet and not is_portal_id(portal):
        host = fleet.address
        what = f"serial = {ALL} is every device behind {host}; give the portal id of one"
        raise ValueError(f"{what}, as in c0619ab12345 (bat2influx discover {host} lists some)")
    if portal and not fleet:
        raise ValueError(
            f"a portal id is used with serial = {ALL} only, which {settings.path} does not have"
        )
    return settings._replace(
        batteries=tuple(
            battery._replace(serial=portal, share_group="") if battery.fleet else battery
            for battery in settings.batteries
        ),
    )


def _spec() -> Any:
    return ConfigObj(str(SPEC), file_error=True, interpolation=False, _inspec=True)


def _names(spec: Any) -> dict[str, list[str]]:
    names = {section: [*spec[section].scalars] for section in spec.sections}
    names["Fields"].remove("__many__")  # ConfigObj's mark for keys of any name
    return names


def _without_empty(index: Index) -> dict[str, dict[str, Value]]:
    values: dict[str, dict[str, Value]] = {}
    for (section, key), entry in index.entries.items():
        if entry.value:
            values.setdefault(section, {})[key] = entry.value
    return values


def _refused(index: Index, config: Any) -> Iterator[tuple[int, str]]:
    """Validate the values, which also converts their types; yield the problems."""
    result = config.validate(Validator(CHECKS), preserve_errors=True)
    faults = {(sections[0], key): fault for sections, key, fault in flatten_errors(config, result)}
    for (section, key), (line, value) in index.entries.items():
        label = index.label(section, key)
        shown = label if key in SECRETS else f"{label} = {visible(value)}"
        fault = faults.get((section, key))
        if fault:
            yield line, f"{shown}: {fault}"


def _both_quotes(index: Index, path: Path) -> Iterator[tuple[int, str]]:
    """Yield where to write a secret that the syntax of the file at `path` cannot represent."""
    for line, (section, key) in index.both_quotes.items():
        where = credential_hint(path, section, key)
        what = "leave it empty here, and write it as the only line of"
        yield line, f"""; if it holds both " and ', {what} {where}"""


def _notes(index: Index, path: Path, token: str, credentials: Credentials) -> Iterator[str]:
    """Yield what was ignored around a token, with its place."""
    if note := remark(token):
        entry = index.entries.get(("Influx", "token"))
        if entry and entry.value == token:
            yield f"{path}, line {entry.line}: [Influx] token: {note}"
        else:
            yield f"{file_of(credentials, TOKEN)}: {note}"


def _battery(section: str, values: Any, fields: Any) -> Battery:
    cloud = is_vrm(values)
    instance_modes: Any = {"": "tag"} if is_fleet(values) else instances_in(fields)
    return Battery(
        name=section.partition(" ")[2],
        address=vrm.host_of(values["serial"]) if cloud else values["address"],
        port=values["port"] or (vrm.PORT if cloud else 8883 if values["tls"] else 1883),
        user=values["user"],
        password=vrm.password_of(values["password"]) if cloud else values["password"],
        serial=values["serial"],
        instance=values["instance"],
        interval=values["interval"],
        soc_interval=values["soc_interval"],
        fields=fields_in(fields),
        tls=_tls(values) if values["tls"] else None,
        mode=values["mode"],
        topic_prefix=values["topic_prefix"],
        instances=instance_modes.pop(""),
        kinds=tuple(instance_modes.items()),
        vrm=cloud,
        share_group=values["share_group"],
        max_memory=values["max_memory"],
        clock=values["clock"],
    )


def _influx(values: Any, tags: tuple[str, ...]) -> Influx:
    own = {name: values[name] for name in Influx._fields}
    tls = _tls(values) if values["tls"] else None
    token = bare(values["token"]).token
    return Influx(**{**own, "tls": tls, "token": token, "device_tags": tags})


def _tls(values: Any) -> Tls:
    return Tls(**{key: values[key] for key in TRUST if key in values})

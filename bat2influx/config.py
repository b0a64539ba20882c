"""The ini file, and the credentials beside it, as frozen dataclasses.

Rules: every problem is told at once, in the order of the file, with its line, what was found and
what is allowed; a secret is in no message and in no exception. An empty value is the default. A
key whose feature is still to come is refused rather than ignored.

Which keys there are, what each allows and its default stand in config.spec, in ConfigObj's
notation; the checks it names are in values.py.
"""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from configobj import ConfigObj, flatten_errors
from configobj.validate import Validator

from bat2influx import inifile
from bat2influx.inifile import SECRETS, ConfigError, Index, Value, visible
from bat2influx.tls import Tls, context
from bat2influx.values import CHECKS, is_key
from bat2influx.venus import DEFAULT_FIELDS, Field

__all__ = ["Battery", "ConfigError", "Influx", "Settings", "load"]

SPEC = Path(__file__).with_name("config.spec")
CREDENTIALS = {
    "mqtt-password": ("Battery", "password"),
    "influx-password": ("Influx", "password"),
    "influx-token": ("Influx", "token"),
}
TRUST = ("ca_file", "fingerprint", "verify_host", "client_cert", "client_key")
# Known, and refused while nothing comes of them. A feature that arrives takes its line away.
NOT_YET = {
    "[Battery NAME]",
    "[Battery] mode",
    "[Battery] topic_prefix",
    "[Battery] share_group",
}


@dataclass(frozen=True, slots=True)
class Battery:
    """A Venus device and how it is read; `name` is NAME of `[Battery NAME]`, '' for `[Battery]`.

    `serial` is the portal id ('': found through the broker), `instance` that of vebus (None:
    found). `interval` (0.2 to 30) and `soc_interval` (0.2 to 3600, of paths ending in `/Soc`)
    are in seconds. `tls` is None where TLS is not spoken.
    """

    name: str
    address: str
    port: int
    user: str
    password: str = dataclasses.field(repr=False)
    serial: str
    instance: int | None
    interval: float
    soc_interval: float
    fields: tuple[Field, ...]
    tls: Tls | None


@dataclass(frozen=True, slots=True)
class Influx:
    """The database, and what all points have in common; '' is none, or the server's default.

    `tls` is None where TLS is not spoken. With `use_environment`, proxy variables and ~/.netrc
    count.
    """

    address: str
    port: int
    tls: Tls | None
    user: str
    password: str = dataclasses.field(repr=False)
    token: str = dataclasses.field(repr=False)
    use_environment: bool
    db: str
    measurement: str
    retention_policy: str
    timestamps: Literal["arrival", "tick"]
    tags: tuple[tuple[str, str], ...]
    self_measurement: str = ""  # about the daemon


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be configured; `path` is the file, `max_size` bounds the spool, in bytes.

    `textfile` is whether the node exporter gets a file.
    """

    path: Path
    batteries: tuple[Battery, ...]
    influx: Influx
    max_size: int
    textfile: bool = False


def load(path: Path, *, credentials: Path | None = None) -> Settings:
    """Read the ini file; passwords in the directory `credentials` win over those in the file.

    Raises ConfigError, with every problem, and nothing else.
    """
    try:
        text = inifile.read(path)
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file"]) from None
    spec = ConfigObj(str(SPEC), file_error=True, interpolation=False, _inspec=True)
    names = {section: [*spec[section].scalars] for section in spec.sections}
    names["Fields"].remove("__many__")  # ConfigObj's mark for keys of any name
    index = Index(text, names, free=("Fields",))
    if original := index.original(path):
        raise ConfigError([original])
    devices = [name for name in index.sections if name.split()[0] == "Battery"] or ["Battery"]
    for name in devices:
        spec[name] = spec["Battery"]
    config = ConfigObj(_without_empty(index), configspec=spec, interpolation=False)
    problems = dict(index.problems)
    found = *_refused(index, config), *_clashing(index, config), *_distrusted(index, config)
    for line, problem in found:
        problems.setdefault(line, problem)
    messages = [f"{path}, line {line}: {problem}" for line, problem in sorted(problems.items())]
    messages += _take_credentials(config, credentials) if credentials else ()
    if config["Influx"]["token"] and config["Influx"]["user"]:
        line = index.entries["Influx", "user"].line
        messages.append(f"{path}, line {line}: [Influx] user: there is a token; keep one of both")
    if messages:
        raise ConfigError(messages)
    fields = _fields(config["Fields"])
    return Settings(
        path=path,
        batteries=tuple(_battery(name, config[name], fields) for name in devices),
        influx=_influx(config["Influx"]),
        max_size=config["Spool"]["max_size"],
        textfile=config["Metrics"]["textfile"],
    )


def _without_empty(index: Index) -> dict[str, dict[str, Value]]:
    values: dict[str, dict[str, Value]] = {}
    for (section, key), entry in index.entries.items():
        if entry.value:
            values.setdefault(section, {})[key] = entry.value
    return values


def _refused(index: Index, config: Any) -> Iterator[tuple[int, str]]:
    """Validate the values, which gives them their types; yield what is not allowed."""
    result = config.validate(Validator(CHECKS), preserve_errors=True)
    faults = {(sections[0], key): fault for sections, key, fault in flatten_errors(config, result)}
    for section, line in index.sections.items():
        if " " in section and "[Battery NAME]" in NOT_YET:
            yield line, f"[{section}]: more devices are not in this version yet; use [Battery]"
    for (section, key), (line, value) in index.entries.items():
        label = index.label(section, key)
        shown = label if key in SECRETS else f"{label} = {visible(value)}"
        fault = faults.get((section, key))
        if f"[{section.split()[0]}] {key}" in NOT_YET:
            if fault or config[section][key] != config[section].default_values[key]:
                yield line, f"{shown}: is not in this version yet; leave it empty"
        elif fault:
            yield line, f"{shown}: {fault}"


def _clashing(index: Index, config: Any) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with the names of fields and tags, each alone and beside the others."""
    own = {key: entry for (section, key), entry in index.entries.items() if section == "Fields"}
    defaults = own.pop("defaults", None)
    nine = {field.name for field in DEFAULT_FIELDS if config["Fields"]["defaults"]}
    for name, (line, value) in own.items():
        label = index.label("Fields", name)
        if not value:
            yield line, f"{label}: is empty; write service[/instance]/path, or remove the line"
        elif name in nine:
            yield line, f"{label}: is one of the nine; rename it, or write defaults = no"
        elif not is_key(name):
            yield line, f"{label}: must be printable, without \\ or _ in front, and not time"
    if defaults and not own and not nine:
        yield defaults.line, "[Fields] defaults = no: leaves no field; write NAME = vebus/Soc or so"
    own_name = config["Influx"]["self_measurement"]
    if own_name and own_name == config["Influx"]["measurement"]:
        line = index.entries["Influx", "self_measurement"].line
        what = "is the measurement of the values, too; name another one"
        yield line, f"[Influx] self_measurement = {visible(own_name)}: {what}"
    pairs = config["Influx"]["tags"]
    names = {name for name, _ in pairs} if isinstance(pairs, tuple) else set()
    if both := names & {*nine, *own}:
        line = index.entries["Influx", "tags"].line
        yield line, f"[Influx] tags: {min(both)} is a field too; rename one of them"


def _distrusted(index: Index, config: Any) -> Iterator[tuple[int, str]]:
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
        for key, line in given.items():
            label = index.label(section, key)
            shown = f"{label} = {visible(values[key])}" if isinstance(values[key], str) else label
            if values["tls"] is False:
                yield line, f"{label}: counts with tls = yes only; write that, too"
            elif key == "ca_file":
                if "fingerprint" in given:
                    yield line, f"{label}: the fingerprint trusts one certificate; keep one of both"
                elif fault := _fault(Tls(ca_file=values[key]), "holds no certificate in PEM"):
                    yield line, f"{shown}: {fault}"
            elif key == "verify_host" and not {"ca_file", "fingerprint"} & given.keys():
                what = "would trust everybody's certificate; write ca_file or fingerprint, too"
                yield line, f"{label} = no: {what}"
            elif key == "client_cert":
                own = Tls(client_cert=values[key], client_key=values["client_key"])
                if fault := _fault(own, "and client_key are no certificate and its key in PEM"):
                    yield line, f"{shown}: {fault}"
            elif key == "client_key" and "client_cert" not in given:
                yield line, f"{label}: counts with client_cert only; write that, too"


def _fault(tls: Tls, otherwise: str) -> str | None:
    try:
        context(tls)
    except ssl.SSLError:
        return otherwise
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


def _take_credentials(config: Any, directory: Path) -> Iterator[str]:
    """Let the files in systemd's credentials directory replace secrets; yield their problems."""
    for name, (section, key) in CREDENTIALS.items():
        path = directory / name
        try:
            secret = inifile.read(path).removesuffix("\n").removesuffix("\r")
        except FileNotFoundError:
            continue
        except ConfigError as error:
            yield from error.problems
            continue
        if not secret:
            continue  # as systemd sets it where there is no file
        if "\n" in secret:
            yield f"{path}: holds more than one line; a credential is one line"
        else:
            config[section][key] = secret


def _fields(section: Any) -> tuple[Field, ...]:
    own = (dataclasses.replace(section[key], name=key) for key in section if key != "defaults")
    return (*(DEFAULT_FIELDS if section["defaults"] else ()), *own)


def _battery(section: str, values: Any, fields: tuple[Field, ...]) -> Battery:
    return Battery(
        name=section.partition(" ")[2],
        address=values["address"],
        port=values["port"] or (8883 if values["tls"] else 1883),
        user=values["user"],
        password=values["password"],
        serial=values["serial"],
        instance=values["instance"],
        interval=values["interval"],
        soc_interval=values["soc_interval"],
        fields=fields,
        tls=_tls(values) if values["tls"] else None,
    )


def _influx(values: Any) -> Influx:
    own = {part.name: values[part.name] for part in dataclasses.fields(Influx)}
    return Influx(**{**own, "tls": _tls(values) if values["tls"] else None})


def _tls(values: Any) -> Tls:
    return Tls(**{key: values[key] for key in TRUST if key in values})

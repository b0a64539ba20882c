"""Trust and login: checks of settings that belong together, and of what the VRM cloud wants.

Each yields (line, problem). The values are those of config.spec where they could be read, and what
stands in the file where they could not; that is then told for itself.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterator
from typing import Any

from bat2influx import vrm
from bat2influx.inifile import Index, visible
from bat2influx.tls import Tls, context

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

"""`bat2influx discover`: finds Venus devices and prints lines for the ini file.

Rules: stdout has only the result, which is a valid file; progress and problems are on stderr. The
lines of the first of several devices are active, those of the others are commented out.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bat2influx.commands import configuration, json_lines
from bat2influx.commands.credentials import unreadable_secrets
from bat2influx.commands.discover import lan_search
from bat2influx.commands.discover.device_lines import JsonDevices
from bat2influx.commands.discover.inquiry import Inquiry, InquiryResult, Target
from bat2influx.commands.discover.lan_search import FoundDevice
from bat2influx.commands.discover.writing import Writing
from bat2influx.commands.ini_edit import is_at, is_missing
from bat2influx.commands.output import complain, say
from bat2influx.config import checks
from bat2influx.config.settings import Battery, ConfigError, Settings
from bat2influx.net import resolver

RESOLVING = 5.0  # s, for the address in the ini file
MAX_DEVICES = 16

_NO_DEVICES = """\
no Venus device has answered the search. Possible reasons:
- the device is off, or in another network or VLAN, which the search does not reach;
- a firewall on this machine blocks the answers: allow UDP from the device to high ports;
- the device has the security profile "Paired devices only", and answers no search.
If you know its name or address, run: bat2influx discover HOST
and for a login under that profile: bat2influx pair HOST"""

EXAMPLES = """\
examples:
  bat2influx discover                      search the local networks
  bat2influx discover venus.local          ask one device
  bat2influx discover --write venus.local  put its lines into the file"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "host", metavar="HOST[:PORT]", nargs="?", help="ask this device only (default: search)"
    )
    parser.add_argument("--all", action="store_true", help="list the device's settings as well")
    parser.add_argument("--write", action="store_true", help="put the lines into the file")
    parser.add_argument("--yes", action="store_true", help="replace existing values")
    parser.add_argument("--json", action="store_true", help=json_lines.OPTION)
    parser.set_defaults(function=_run)


def _run(options: argparse.Namespace) -> int:
    if options.json and options.write:
        complain("bat2influx discover: --json cannot be combined with --write")
        return os.EX_USAGE
    load_it = partial(configuration.read, options.config)
    writing = Writing(options.config, confirmed=options.yes) if options.write else None
    return discover(
        options.host,
        everything=options.all,
        config=options.config,
        load=load_it,
        writing=writing,
        as_json=JsonDevices() if options.json else None,
    )


def discover(
    host: str | None,
    *,
    everything: bool,
    config: Path,
    load: Callable[[], Settings],
    writing: Writing | None = None,
    as_json: JsonDevices | None = None,
) -> int:
    """Look for devices, or at `host`, as in HOST[:PORT]; print them, and return the exit code.

    `load` reads the ini file `config`, and may raise ConfigError: then the search continues without
    the file. `everything` lists configuration and housekeeping, too. With `writing` the lines of
    the only device are written into the file, and the changes are printed. With `as_json` objects
    are printed.
    """
    try:
        target = None if host is None else Target(*checks.host_and_port(host))
    except ValueError as error:
        complain(f"bat2influx discover: {error}")
        return os.EX_USAGE
    if writing and not is_missing(config):
        try:
            load()
        except ConfigError as error:
            configuration.complain(error.problems)
            return os.EX_CONFIG
    words = ["discover", *([str(target)] if target else []), *(["--write"] if writing else [])]
    batteries = _batteries(load, " ".join(words))
    problems_of = as_json.problems_of if as_json else lambda _: complain
    targets = [target] if target else _named(_search(problems_of(None)), batteries)
    outcomes = []
    for each in targets:
        complain(f"connecting to {each}")
        own = own_of(each, batteries)
        report = problems_of(each.host)
        inquiry = Inquiry(each, own, config=str(config), everything=everything, say=report)
        outcomes.append(inquiry.make())
    if writing:
        pairs = zip(targets, outcomes, strict=True)
        found = [(each.host, block) for each, outcome in pairs for block in outcome.blocks]
        return writing.write(found, batteries) if found else os.EX_UNAVAILABLE
    reached = any(outcome.reached for outcome in outcomes)
    code = os.EX_OK if reached else os.EX_UNAVAILABLE
    ordered = sorted(outcomes, key=lambda outcome: not outcome.reached)
    if as_json:
        as_json.end([outcome.records for outcome in ordered], code)
    else:
        _print(ordered)
    return code


def own_of(target: Target, batteries: Sequence[Battery]) -> Battery | None:
    """Return the section of the ini file with this host as its address, and with this port."""
    for battery in batteries:
        if is_at(battery, target.host) and target.port in (None, battery.port):
            return battery
    return None


def _batteries(load: Callable[[], Settings], command: str) -> tuple[Battery, ...]:
    """Return the file's devices; `command` is this one, to be run with the service's secrets."""
    try:
        settings = load()
    except ConfigError as error:
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        complain(f"{first.splitlines()[0]}{more}; continuing without the file")
        return ()
    for hint in unreadable_secrets(settings, os.environ, command=command, peers=("mqtt",)):
        complain(f"note: {hint}")
    return settings.batteries


def _search(report: Callable[[str], None]) -> Sequence[FoundDevice]:
    out_of = lan_search.interfaces()
    if not out_of:
        report("no network interface is up; the search is not possible")
        return ()
    complain(f"searching on {', '.join(map(str, out_of))} for {lan_search.LISTENING:g} s")
    found = lan_search.find_devices(out_of, report)
    if not found:
        report(_NO_DEVICES)
    if len(found) > MAX_DEVICES:
        report(f"{len(found)} devices have answered; only {MAX_DEVICES} of them are queried")
    return found[:MAX_DEVICES]


def _named(found: Sequence[FoundDevice], batteries: Sequence[Battery]) -> list[Target]:
    """Return the hosts to query, with the address in the ini file if that is the device found."""
    by_address: dict[str, str] = {}
    for battery in batteries if found else ():
        try:
            answers = resolver.resolve(battery.address, battery.port, RESOLVING)
        except OSError:
            continue
        by_address.update({answer[4][0]: battery.address for answer in answers})
    return [
        Target(by_address.get(each.address, each.address), description=each.description)
        for each in found
    ]


def _print(outcomes: Sequence[InquiryResult]) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the ini file is
    loads = False
    for number, block in enumerate(block for outcome in outcomes for block in outcome.blocks):
        if number:
            say("\n" + "#" * 40)
        settings = any(line and line[0] != "#" for line in block)
        if settings and loads:  # a second [Battery] would be a mistake in the file
            say("\n".join(f"# {line}".rstrip() for line in block))
        else:
            say("\n".join(block))
        loads = loads or settings

"""`bat2influx spool`: the values queued on disk for the database, and those it has rejected.

The command reads beside the running daemon and changes nothing; for a retry of the rejected values
it leaves a request, which the keeper carries out. Root does all this as the directory's owner.
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from bat2influx.commands import configuration, json_lines, spool_json
from bat2influx.commands.json_lines import ErrorRecord
from bat2influx.commands.output import complain, say
from bat2influx.commands.rejections import by_reason
from bat2influx.config.paths import service_user, state_directory
from bat2influx.config.settings import ConfigError, Settings, load
from bat2influx.delivery import disk_format, disk_queue, salvage
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.printable import plain
from bat2influx.service.ownership import OwnerError, become_owner

LONGEST = 300  # characters of a reason

EXAMPLES = """\
examples:
  bat2influx spool                         queued and rejected values
  bat2influx spool --export > values.txt   queued values as a file
  bat2influx spool --retry-rejected        after the cause is removed"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--export", action="store_true", help="print queued values for influx -import"
    )
    what.add_argument("--retry-rejected", action="store_true", help="send rejected values again")
    parser.add_argument(
        "--rejected", action="store_true", help="with --export: print rejected values"
    )
    parser.add_argument("--json", action="store_true", help=json_lines.OPTION)
    parser.set_defaults(function=_run)


def _run(options: argparse.Namespace) -> int:
    if options.rejected and not options.export:
        complain("bat2influx spool: --rejected needs --export")
        return os.EX_USAGE
    try:
        settings = load(options.config)
    except ConfigError as error:
        if options.json:
            return _failed("\n".join(error.problems), os.EX_CONFIG, as_json=True)
        configuration.complain_of(error, options.config)
        return os.EX_CONFIG
    state = state_directory(options.config, os.environ)
    try:
        become_owner(state, service_user(options.config, os.environ))
    except (OwnerError, OSError) as error:
        return _failed(str(error), os.EX_NOPERM, as_json=options.json)
    return spool(
        settings,
        state,
        export=options.export,
        rejected=options.rejected,
        retry_rejected=options.retry_rejected,
        as_json=options.json,
    )


def spool(
    settings: Settings,
    state: Path,
    *,
    export: bool,
    rejected: bool,
    retry_rejected: bool,
    as_json: bool = False,
) -> int:
    """Show what is on disk in the directory `state`, or do what is asked; return the exit code."""
    try:
        _look_at_files(state)
        if retry_rejected:
            _request(state, as_json=as_json)
            return os.EX_OK
        with closing(DiskReader(state)) as reader:
            if as_json and export:
                spool_json.show_values(reader, rejected=rejected)
            elif as_json:
                spool_json.show(reader, state, settings.max_size)
            elif export:
                _export(reader, settings, rejected=rejected)
            else:
                _show(reader, state)
    except DiskError as error:
        return _failed(str(error), os.EX_UNAVAILABLE, as_json=as_json)
    return os.EX_OK


def _failed(text: str, code: int, *, as_json: bool) -> int:
    """Print why there is no result; return the exit code."""
    if as_json:
        json_lines.show(ErrorRecord("spool", code, text))
    else:
        complain(f"bat2influx spool: {text}")
    return code


def _look_at_files(state: Path) -> None:
    """Raise DiskError if a path is not a regular file, so that SQLite could block for ever."""
    path = state / disk_format.NAME
    for each in (path, *(disk_format.companion(path, end) for end in disk_format.COMPANIONS)):
        with suppress(OSError):  # the reader reports it, if it matters
            if not stat.S_ISREG(each.stat().st_mode):
                raise DiskError(DiskFault.OTHER, f"{each} is not a regular file; remove it")


def _request(state: Path, *, as_json: bool) -> None:
    with closing(DiskReader(state)) as reader:
        count = reader.summary().rejected
    if count:
        disk_queue.request_retry(state)
    if as_json:
        spool_json.show_request(count)
    elif count:
        say(f"requested: bat2influx retries {_values(count)}, at once if it is running")
    else:
        say("there are no rejected values")


def _show(reader: DiskReader, state: Path) -> None:
    found = reader.summary()
    since = f", the oldest from {_date(found.oldest)}" if found.oldest is not None else ""
    size = f", {found.size / 1e6:.1f} MB in {state}" if found.size else ""
    say(f"queued    {_values(found.queued)}{since}{size}")
    for each in salvage.quarantined_as_newer(state / disk_format.NAME):
        size = f"{disk_format.total_size(each) / 1e6:.1f} MB"
        say(
            f"set aside {plain(each.name, LONGEST)}, {size}; with the version that wrote it, and"
            f" once no value is queued, stop the service and rename it to {disk_format.NAME}"
        )
    reasons = by_reason(reader.rejected())
    say(f"rejected  {_values(sum(each.count for each in reasons))}")
    for same in reasons:
        when = f"the first at {_date(same.first_ns)}, the latest at {_date(same.latest_ns)}"
        say(f"          {same.count}, {when}: {plain(same.reason, LONGEST)}")


def _export(reader: DiskReader, settings: Settings, *, rejected: bool) -> None:
    """Write a file for `influx -import -precision ns`; to a terminal, as cleaned text."""
    header = ["# DML", f"# CONTEXT-DATABASE: {settings.influx.db}"]
    if settings.influx.retention_policy:
        header.append(f"# CONTEXT-RETENTION-POLICY: {settings.influx.retention_policy}")
    lines = (row.line for row in reader.rejected()) if rejected else reader.lines()
    if sys.stdout.isatty():
        for text in (*header, *(line.decode("utf-8", "replace") for line in lines)):
            say(text)
        return
    out = sys.stdout.buffer
    out.write("".join(f"{line}\n" for line in header).encode())
    for line in lines:
        out.write(b"%b\n" % line)
    out.flush()


def _values(count: int) -> str:
    return f"{count} value" if count == 1 else f"{count} values"


def _date(time_ns: int) -> str:
    """Return a time for people, in UTC; a number for a value that is not a valid time."""
    try:
        return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"

"""What people read: the journal under systemd, stderr elsewhere.

Logged is what a person may have to act on, once: the first failure is a warning, its repeats are
counted, its end is one line. Values, requests and single messages are never logged.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from systemd.journal import JournalHandler

from bat2influx.failure import Trouble
from bat2influx.printable import span
from bat2influx.service.events import message_id

IDENTIFIER = "bat2influx"
REMIND = 3600.0  # s between two reminders of a failure that lasts


def event(name: str, **fields: str) -> dict[str, str]:
    """Return the `extra` of a log entry: its MESSAGE_ID and fields of its own.

    `name` is an event of events.py, or the `cause` of a Trouble.
    """
    identity = message_id(name)
    return {"MESSAGE_ID": identity, **fields} if identity else fields


def set_up() -> None:
    """Send the program's log to the journal, where stderr goes there, or to stderr."""
    log = logging.getLogger("bat2influx")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler: logging.Handler
    if stderr_is_journal():
        handler = JournalHandler(SYSLOG_IDENTIFIER=IDENTIFIER)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.handlers[:] = [handler]


def stderr_is_journal() -> bool:
    """Compare stderr with `$JOURNAL_STREAM`, as systemd.exec(5) says."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Episode:
    """One thing that can fail for long: told at its first failure, each hour, and at its end."""

    def __init__(
        self, log: logging.Logger, fields: Mapping[str, str] | None = None, *, counted: str = ""
    ) -> None:
        """`fields` go with each entry into the journal.

        `counted` names what `failed` is called for ("failed attempt"); without it, `failed` only
        tells that the state goes on.
        """
        self._log = log
        self._counted = counted
        self._fields = dict(fields or {})
        self._trouble: Trouble | None = None
        self._own: dict[str, str] = {}
        self._began = self._told = 0.0
        self.count = 0

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong now, if anything."""
        return self._trouble

    def is_about(self, **fields: str) -> None:
        """Have these go with each entry from here on, in place of those of the same names."""
        self._fields.update(fields)

    def failed(self, trouble: Trouble, now: float, **fields: str) -> None:
        """It has failed, at `now` (monotonic, s). Another cause is told anew.

        `fields` go with the entries of this episode into the journal, beside those of all.
        """
        self._own = fields
        before, self._trouble = self._trouble, trouble
        if before is None:
            self._began, self.count = now, 0
        self.count += 1
        if before is None or before.cause != trouble.cause:
            self._tell(trouble.text, now)
        elif now >= self._told + REMIND:
            self._tell(f"{trouble.text} (still, {self._extent(now)})", now)

    def recovered(self, text: str, now: float) -> None:
        """It works (again): one line, if it had failed."""
        if self._trouble is None:
            return
        self._trouble = None
        extra = event("recovered", COUNT=str(self.count), **self._fields, **self._own)
        self._log.info("%s, %s", text, self._extent(now), extra=extra)

    def _extent(self, now: float) -> str:
        extent = f"after {span(now - self._began)}"
        if self._counted:
            extent += f" and {self.count} {self._counted}{'' if self.count == 1 else 's'}"
        return extent

    def _tell(self, text: str, now: float) -> None:
        self._told = now
        cause = self._trouble.cause if self._trouble else ""
        extra = event(cause, CAUSE=cause, COUNT=str(self.count), **self._fields, **self._own)
        self._log.warning("%s", text, extra=extra)

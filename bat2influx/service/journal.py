"""The log: to the journal under systemd, to stderr elsewhere.

The log has what a person may have to act on, once: the first failure is a warning, repeats are
counted, the end is one line. Values, requests and single messages are never logged.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

from bat2influx.failure import Trouble
from bat2influx.printable import clean, shortened, span
from bat2influx.service import lean_imports
from bat2influx.service.events import message_id

with lean_imports.imports_of_journal():
    from systemd.journal import JournalHandler

IDENTIFIER = "bat2influx"
REMIND = 3600.0  # s between two reminders of a failure that lasts
RETURNS = 4  # how often an episode logs causes again that it has logged, apart from reminders
LASTING = 10.0  # s that a peer must work before its recovery is logged, after repeated failures
MAX_LASTING = 600.0  # s
MAX_CAUSES = 100  # that an episode remembers; each further one counts as logged before
MAX_PER_MINUTE = 10  # warnings of one episode, and as many recoveries: a peer may flap every second
MINUTE = 60.0  # s
LONGEST_ENTRY = 4_000  # characters of an entry and of each field; the program's texts have < 1,000
LONGEST_TRACEBACK = 16_000  # characters; the program's have some 3,000
MAX_RECOVERIES = 4  # recoveries in an hour, after which a recovery must last to be logged


def event(name: str, **fields: str) -> dict[str, str]:
    """Return the `extra` of a log entry: its MESSAGE_ID and its own fields.

    `name` is an event of events.py, or the `cause` of a Trouble.
    """
    identity = message_id(name)
    fields = {key: shortened(value, LONGEST_ENTRY) for key, value in fields.items()}
    return {"MESSAGE_ID": identity, **fields} if identity else fields


class Entry(logging.Formatter):
    """The text of an entry, with bounded length, because peers may supply parts of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, cut at its end; the record's own message is cut, too."""
        text = record.getMessage()
        if len(text) > LONGEST_ENTRY:
            record.msg, record.args = shortened(text, LONGEST_ENTRY), ()
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return a traceback, cut in its middle."""
        text, half = super().formatException(ei), LONGEST_TRACEBACK // 2
        return text if len(text) <= LONGEST_TRACEBACK else f"{text[:half]}…{text[1 - half :]}"


class Plain(Entry):
    """A line for a terminal, without control characters, because peers may supply parts of it."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return level and message, and below them the traceback if there is one."""
        return clean(super().format(record))


def set_up() -> None:
    """Send the program's log to the journal if stderr goes there, otherwise to stderr."""
    log = logging.getLogger("bat2influx")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler: logging.Handler
    if stderr_is_journal():
        handler = JournalHandler(SYSLOG_IDENTIFIER=IDENTIFIER)
        handler.setFormatter(Entry())
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(Plain())
    log.handlers[:] = [handler]


def stderr_is_journal() -> bool:
    """Return whether stderr is connected to the journal (`$JOURNAL_STREAM`, systemd.exec(5))."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Episode:
    """A failure that may last: logged at its start, every hour, and at its end.

    A new cause is logged at once. A cause that the episode has logged before is logged RETURNS
    times more, and then in the hourly reminders only, so that alternating causes do not fill the
    log.

    The number of entries per minute is bounded, whatever a peer does. A cause beyond the bound is
    logged later if it lasts. The end of an episode without an entry is not logged.
    """

    def __init__(
        self, log: logging.Logger, fields: Mapping[str, str] | None = None, *, counted: str = ""
    ) -> None:
        """`fields` are added to each journal entry.

        `counted` names what a call of `failed` stands for ("failed attempt"); without it, the calls
        are not counted in texts.
        """
        self._log = log
        self._counted = counted
        self._fields = dict(fields or {})
        self._trouble: Trouble | None = None
        self._own: dict[str, str] = {}
        self._began = self._logged_at = 0.0
        self._causes: set[str] = set()  # that were logged in this episode
        self._returns = 0
        self._latest: deque[float] = deque(maxlen=MAX_PER_MINUTE)  # times of entries
        self._due = False  # whether an entry is due as soon as the bound allows
        self.count = 0

    @property
    def trouble(self) -> Trouble | None:
        """The present failure, None without one."""
        return self._trouble

    def is_about(self, **fields: str) -> None:
        """Add these fields to each entry from now on; they replace fields of the same names."""
        self._fields.update(fields)

    def failed(self, trouble: Trouble, now: float, **fields: str) -> None:
        """Take in a failure at `now` (monotonic, s).

        `fields` are added to the journal entries of this episode.
        """
        self._own = fields
        before, self._trouble = self._trouble, trouble
        if before is None:
            self._began, self.count, self._returns = now, 0, 0
            self._causes.clear()
        self.count += 1
        if before is None or (before.cause != trouble.cause and self._is_new(trouble.cause)):
            self._due = True
        if self._due:
            if self._may_log(now):
                self._write(trouble.text, now)
        elif now >= self._logged_at + REMIND:
            self._write(f"{trouble.text} (still, {self._extent(now)})", now)

    def recovered(self, text: str, now: float) -> None:
        """Take in a success at `now`; it logs `text` if there was a failure."""
        if self._trouble is None:
            return
        self._trouble, self._due = None, False
        if not self._causes:  # nothing was logged
            return
        extra = event("recovered", COUNT=str(self.count), **self._fields, **self._own)
        self._log.info("%s, %s", text, self._extent(now), extra=extra)

    def _is_new(self, cause: str) -> bool:
        if cause not in self._causes and len(self._causes) < MAX_CAUSES:
            return True
        self._returns += 1
        return self._returns <= RETURNS

    def _may_log(self, now: float) -> bool:
        return len(self._latest) < MAX_PER_MINUTE or now >= self._latest[0] + MINUTE

    def _extent(self, now: float) -> str:
        extent = f"after {span(now - self._began)}"
        if self._counted:
            extent += f" and {self.count} {self._counted}{'' if self.count == 1 else 's'}"
        return extent

    def _write(self, text: str, now: float) -> None:
        self._logged_at, self._due = now, False
        self._latest.append(now)
        cause = self._trouble.cause if self._trouble else ""
        if len(self._causes) < MAX_CAUSES:
            self._causes.add(cause)
        extra = event(cause, CAUSE=cause, COUNT=str(self.count), **self._fields, **self._own)
        self._log.warning("%s", text, extra=extra)


class DampedEpisode(Episode):
    """An episode of a peer that may work and fail alternately, for hours.

    A recovery is logged at once, MAX_RECOVERIES times in an hour. After that a recovery is logged
    only after it has lasted: LASTING at first, twice as long each time, at most MAX_LASTING.
    """

    def __init__(
        self, log: logging.Logger, fields: Mapping[str, str] | None = None, *, counted: str = ""
    ) -> None:
        super().__init__(log, fields, counted=counted)
        self._works_since: float | None = None  # s; None while it fails
        self._ends: deque[float] = deque()  # times of logged recoveries, in the last hour

    def failed(self, trouble: Trouble, now: float, **fields: str) -> None:
        """Take in a failure at `now` (monotonic, s)."""
        self._works_since = None
        while self.trouble is None and self._ends and self._ends[0] <= now - REMIND:
            self._ends.popleft()
        super().failed(trouble, now, **fields)

    def recovered(self, text: str, now: float) -> None:
        """Take in a success, or that it lasts; logs `text` once the recovery has lasted."""
        if self._works_since is None:
            self._works_since = now
        if self.trouble and now >= self._works_since + self._lasting:
            self._ends.append(now)
            super().recovered(text, now)

    @property
    def _lasting(self) -> float:
        """Time in s that a recovery must last before it is logged."""
        more = len(self._ends) - MAX_RECOVERIES
        return min(LASTING * 2.0**more, MAX_LASTING) if more >= 0 else 0.0

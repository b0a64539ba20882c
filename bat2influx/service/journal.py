"""What people read: the journal under systemd, stderr elsewhere.

Logged is what a person may have to act on, once: the first failure is a warning, its repeats are
counted, its end is one line. Values, requests and single messages are never logged.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

from systemd.journal import JournalHandler

from bat2influx.failure import Trouble
from bat2influx.printable import clean, shortened, span
from bat2influx.service.events import message_id

IDENTIFIER = "bat2influx"
REMIND = 3600.0  # s between two reminders of a failure that lasts
RETURNS = 4  # how often causes that were told before are told again in an episode, beside reminders
LASTING = 10.0  # s; what works for less time has not lasted, once it fails again and again
MOST_LASTING = 600.0  # s
MOST_CAUSES = 100  # that are known of an episode; each further one counts as told before
MOST_A_MINUTE = 10  # warnings of one episode, and as many ends: a peer may flip each second
MINUTE = 60.0  # s
LONGEST_ENTRY = 4_000  # characters of an entry and of a field of it: no text of ours has 1,000
LONGEST_TRACEBACK = 16_000  # characters; ours have some 3,000
IN_A_ROW = 4  # ends in an hour, from which on an end is told only when it has lasted


def event(name: str, **fields: str) -> dict[str, str]:
    """Return the `extra` of a log entry: its MESSAGE_ID and fields of its own.

    `name` is an event of events.py, or the `cause` of a Trouble.
    """
    identity = message_id(name)
    fields = {key: shortened(value, LONGEST_ENTRY) for key, value in fields.items()}
    return {"MESSAGE_ID": identity, **fields} if identity else fields


class Entry(logging.Formatter):
    """The text of an entry, which has a bound, whoever has had a part in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, cut at its end; what else has it of the record then has no more."""
        text = record.getMessage()
        if len(text) > LONGEST_ENTRY:
            record.msg, record.args = shortened(text, LONGEST_ENTRY), ()
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as logging has it
        """Return a traceback, cut in its middle."""
        text, half = super().formatException(ei), LONGEST_TRACEBACK // 2
        return text if len(text) <= LONGEST_TRACEBACK else f"{text[:half]}…{text[1 - half :]}"


class Plain(Entry):
    """A line for a terminal: nothing in it moves the cursor, whoever has had a part in it."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return level and message, and below them the traceback if there is one."""
        return clean(super().format(record))


def set_up() -> None:
    """Send the program's log to the journal, where stderr goes there, or to stderr."""
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
    """Compare stderr with `$JOURNAL_STREAM`, as systemd.exec(5) says."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Episode:
    """One thing that can fail for long: told at its first failure, each hour, and at its end.

    Another cause is told at once. Causes that take turns are not told each time: one that was told
    before in the episode is told a few times more, and then by the reminders alone.

    What is told has a bound in a minute, whatever a peer does: what it is then is told later, if it
    lasts, and an episode of which nothing was told ends without a word.
    """

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
        self._causes: set[str] = set()  # that were told in this episode
        self._returns = 0
        self._latest: deque[float] = deque(maxlen=MOST_A_MINUTE)  # when something was told
        self._owed = False  # whether something is to be told as soon as it may be
        self.count = 0

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong now, if anything."""
        return self._trouble

    def is_about(self, **fields: str) -> None:
        """Have these go with each entry from here on, in place of those of the same names."""
        self._fields.update(fields)

    def failed(self, trouble: Trouble, now: float, **fields: str) -> None:
        """It has failed, at `now` (monotonic, s).

        `fields` go with the entries of this episode into the journal, beside those of all.
        """
        self._own = fields
        before, self._trouble = self._trouble, trouble
        if before is None:
            self._began, self.count, self._returns = now, 0, 0
            self._causes.clear()
        self.count += 1
        if before is None or (before.cause != trouble.cause and self._is_news(trouble.cause)):
            self._owed = True
        if self._owed:
            if self._may_tell(now):
                self._tell(trouble.text, now)
        elif now >= self._told + REMIND:
            self._tell(f"{trouble.text} (still, {self._extent(now)})", now)

    def recovered(self, text: str, now: float) -> None:
        """It works (again): one line, if it had failed."""
        if self._trouble is None:
            return
        self._trouble, self._owed = None, False
        if not self._causes:  # nothing was told
            return
        extra = event("recovered", COUNT=str(self.count), **self._fields, **self._own)
        self._log.info("%s, %s", text, self._extent(now), extra=extra)

    def _is_news(self, cause: str) -> bool:
        if cause not in self._causes and len(self._causes) < MOST_CAUSES:
            return True
        self._returns += 1
        return self._returns <= RETURNS

    def _may_tell(self, now: float) -> bool:
        return len(self._latest) < MOST_A_MINUTE or now >= self._latest[0] + MINUTE

    def _extent(self, now: float) -> str:
        extent = f"after {span(now - self._began)}"
        if self._counted:
            extent += f" and {self.count} {self._counted}{'' if self.count == 1 else 's'}"
        return extent

    def _tell(self, text: str, now: float) -> None:
        self._told, self._owed = now, False
        self._latest.append(now)
        cause = self._trouble.cause if self._trouble else ""
        if len(self._causes) < MOST_CAUSES:
            self._causes.add(cause)
        extra = event(cause, CAUSE=cause, COUNT=str(self.count), **self._fields, **self._own)
        self._log.warning("%s", text, extra=extra)


class DampedEpisode(Episode):
    """An episode of something that may work and fail by turns, for hours.

    Its end is told at once, IN_A_ROW times in an hour. After that each end is told only when it has
    worked for a while, twice as long each time: LASTING, and MOST_LASTING at the most.
    """

    def __init__(
        self, log: logging.Logger, fields: Mapping[str, str] | None = None, *, counted: str = ""
    ) -> None:
        super().__init__(log, fields, counted=counted)
        self._works_since: float | None = None  # s; None while it fails
        self._ends: deque[float] = deque()  # when they were told, in the last hour

    def failed(self, trouble: Trouble, now: float, **fields: str) -> None:
        """It has failed, at `now` (monotonic, s)."""
        self._works_since = None
        while self.trouble is None and self._ends and self._ends[0] <= now - REMIND:
            self._ends.popleft()
        super().failed(trouble, now, **fields)

    def recovered(self, text: str, now: float) -> None:
        """It works, or goes on working: one line when that counts as the end of a failure."""
        if self._works_since is None:
            self._works_since = now
        if self.trouble and now >= self._works_since + self._lasting:
            self._ends.append(now)
            super().recovered(text, now)

    @property
    def _lasting(self) -> float:
        """How long it has to work for its end to be told (s)."""
        more = len(self._ends) - IN_A_ROW
        return min(LASTING * 2.0**more, MOST_LASTING) if more >= 0 else 0.0

"""Which kinds of rows a database rejects, learned from rows that were sent alone.

Pure: lines and answers in, groups of lines to send together out.
"""

from __future__ import annotations

from collections.abc import Sequence

from bat2influx.influx.answers import Answer, Kind, Meaning
from bat2influx.influx.lineprotocol import stamp_of
from bat2influx.reading import NS

MAX_KNOWN = 1000  # fields, each of one day: of a large fleet, or of one field for years
_NEVER = -(2**63)
_DAY = 86_400 * NS  # shards begin and end between days, except those of an hour
_Field = tuple[bytes, int]
_OLD: _Field = (b"", 0)


class KnownRejects:
    """Known causes of rejection that do not depend on a row's value, proven by a row sent alone.

    A cause is a field of one day, if its type is another, its series exceeds a limit, or the reason
    is unknown; or it is the age: rows older than one beyond the retention policy are beyond it,
    too. Rows with a known cause are sent separately, so that one request shows whether the cause
    still holds.
    """

    def __init__(self) -> None:
        self._causes: dict[_Field, str] = {}
        self._age = _NEVER  # timestamp of the newest row known to be too old

    def sort(self, lines: Sequence[bytes]) -> list[Sequence[bytes]]:
        """Return groups of rows to send together, the last group first."""
        if not self._causes and self._age == _NEVER:
            return [lines] if lines else []
        kinds: dict[_Field | None, list[bytes]] = {}
        for line in lines:
            field = field_of(line)
            kind = field if field in self._causes else None
            if _stamp(line) <= self._age:
                kind = _OLD
            kinds.setdefault(kind, []).append(line)
        sound = kinds.pop(None, None)
        return [*kinds.values(), *([sound] if sound else [])]

    def explains(self, part: Sequence[bytes], answer: Answer) -> bool:
        """Return whether each row of `part` has a cause known to be rejected with this answer."""
        if answer.kind is Kind.AGE:
            return max(map(_stamp, part)) <= self._age
        fields = set(map(field_of, part))
        return len(fields) == 1 and self._causes.get(fields.pop()) == answer.cause

    def learn(self, part: Sequence[bytes], answer: Answer) -> bool:
        """Take in that `part` was rejected; return whether that is a new cause."""
        before = self._age
        if answer.kind is Kind.AGE:
            self._age = max(self._age, *map(_stamp, part))
            return before != self._age
        by_field = answer.kind is not Kind.ROW or answer.meaning is Meaning.UNCERTAIN
        field = field_of(part[0])
        if not by_field or self._causes.get(field) == answer.cause:
            return False
        if len(self._causes) >= MAX_KNOWN:
            del self._causes[next(iter(self._causes))]
        self._causes[field] = answer.cause
        return True

    def accepted(self, part: Sequence[bytes]) -> None:
        """Forget causes that no longer hold."""
        if self._causes:
            for line in part:
                self._causes.pop(field_of(line), None)
        if self._age != _NEVER and min(map(_stamp, part)) <= self._age:
            self._age = _NEVER


def field_of(line: bytes) -> _Field:
    """Return measurement, tags and field of a line, and its day, which together have one type."""
    stamp = stamp_of(line)
    return line.rpartition(b"=")[0], -1 if stamp is None else stamp // _DAY


def _stamp(line: bytes) -> int:
    """Return the timestamp of `line`; a line without one counts as newer than all."""
    stamp = stamp_of(line)
    return -_NEVER if stamp is None else stamp

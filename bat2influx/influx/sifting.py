"""What becomes of each row of a batch, by the answers to the requests that it is cut into. Pure.

A batch that is refused for a bad row is halved until that row stands alone, unless the server names
it. A row that was refused is rejected once something proves that the server judges rows at all: it
has taken another row of the same batch, or any on the same connection before. Without that it is
kept, as is a row that is refused for what nobody knows as a row's fault.
"""

from __future__ import annotations

from collections.abc import Sequence

from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.answers import Answer, Meaning
from bat2influx.influx.batch_size import BatchSize, size_of
from bat2influx.influx.outcome import Outcome, RejectedLine
from bat2influx.influx.rejects import KnownRejects, cause_of

# Requests for one batch: each bad row may take two, and the rest of a batch can wait its turn.
MOST_REQUESTS = 400
# Rows kept as refused alone before any is taken: with so many it is no row, but what answers.
MOST_KEPT_UNTAKEN = 4


class Sieve:
    """What is known of a server from the batches so far: what it refuses, and how much it takes."""

    def __init__(self) -> None:
        self.known = KnownRejects()
        self.size = BatchSize()
        self.proven_on: int | None = None  # the connection on which rows were taken

    def begin(self, lines: Sequence[bytes]) -> Sifting:
        """Return what becomes of a batch."""
        return Sifting(self, lines)


class Sifting:
    """One batch on its way."""

    def __init__(self, sieve: Sieve, lines: Sequence[bytes]) -> None:
        self._sieve = sieve
        self._lines = lines
        rows = list(dict.fromkeys(lines))  # a line that stands there twice is one row
        self._parts = sieve.known.sort(rows)
        self._rejected: dict[bytes, str] = {}
        self._unproven: dict[bytes, str] = {}  # called bad, by what may be no judge
        self._kept: set[bytes] = set()
        self._taken = False
        self._requests = 0
        self._refusal = ""  # why the rows in `_kept` are there
        self._too_large = 0  # bytes of a row that was too large alone

    def next_part(self) -> Sequence[bytes] | None:
        """Return what to send next; None when nothing is left, or enough was asked."""
        if not self._parts or self._requests >= MOST_REQUESTS or self._too_large:
            return None
        if len(self._kept) >= MOST_KEPT_UNTAKEN and not self._taken:
            return None
        part, rest = self._sieve.size.cut(self._parts.pop())
        if rest:
            self._parts.append(rest)
        self._requests += 1
        return part

    def decide(self, part: Sequence[bytes], answer: Answer, connection: int) -> None:
        """Take in the answer to the write of `part`, on that connection."""
        match answer.meaning:
            case Meaning.STORED:
                self._taken, self._sieve.proven_on = True, connection
                self._sieve.size.taken(part)
                self._sieve.known.accepted(part)
            case Meaning.TOO_LARGE:
                self._sieve.size.too_large(part)
                self._parts.append(part)
                if len(part) == 1:
                    self._too_large = size_of(part)
            case Meaning.BAD_ROW:
                self._refused(part, answer, proven=self._sieve.proven_on == connection)
            case Meaning.REFUSED if len(part) == 1:
                self._kept.update(part)
                self._refusal = answer.reason or ""
            case Meaning.REFUSED:
                self._halve(part)
            case _:
                self._parts.append(part)

    def ended(
        self,
        peer: str,
        trouble: Trouble | None = None,
        retry_after: float | None = None,
        *,
        in_doubt: bool = False,
    ) -> Outcome:
        """Return what became of each row; `trouble` has ended it before its time."""
        if self._taken:
            self._rejected |= self._unproven
            self._unproven.clear()
        open_rows = self._kept.union(self._unproven, *self._parts)
        rejected = [
            RejectedLine(line, self._rejected[line])
            for line in self._lines
            if line in self._rejected
        ]
        undecided = [line for line in self._lines if line in open_rows]
        return Outcome(
            accepted=len(self._lines) - len(rejected) - len(undecided),
            rejected=rejected,
            undecided=undecided,
            trouble=trouble or self._why(peer),
            retry_after=retry_after,
            in_doubt=in_doubt,
        )

    def _why(self, peer: str) -> Trouble | None:
        """Return why rows are kept, where it is not what has ended the batch."""
        if self._too_large:
            return influx_errors.too_large_alone(peer, self._too_large)
        if self._unproven:
            return influx_errors.refuses_all(peer, next(iter(self._unproven.values())))
        if self._kept and not self._taken:
            return influx_errors.refuses_all(peer, self._refusal)
        if self._kept:
            return influx_errors.rows_refused(peer, len(self._kept), self._refusal)
        return None

    def _refused(self, part: Sequence[bytes], answer: Answer, *, proven: bool) -> None:
        known, reason = self._sieve.known, answer.reason or ""
        named = _named(part, answer)
        if len(part) == 1 or known.explains(part, reason):
            bad = part
        elif named:
            bad = named
        else:
            self._halve(part)
            return
        where = self._rejected if proven else self._unproven
        where.update(dict.fromkeys(bad, cause_of(reason)))
        gone = {*bad}
        rest = [line for line in part if line not in gone]
        if rest:
            self._parts.append(rest)
        if known.learn(bad, reason):
            left = set[bytes]().union(*self._parts)
            self._parts = known.sort([line for line in dict.fromkeys(self._lines) if line in left])

    def _halve(self, part: Sequence[bytes]) -> None:
        middle = len(part) // 2
        self._parts += [part[:middle], part[middle:]]


def _named(part: Sequence[bytes], answer: Answer) -> list[bytes]:
    """Return the rows of `part` that the server names, if it means what stands there."""
    rows = []
    for number, begins in answer.named:
        if number < len(part) and part[number].decode("utf-8", "replace").startswith(begins[:20]):
            rows.append(part[number])
    return rows

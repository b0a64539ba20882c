"""Decides for each row of a batch whether it is stored, rejected or undecided. Pure.

A batch with a bad row is halved until that row is alone, unless the server names the row. A bad row
is rejected only with proof that the server really evaluates rows: it has accepted another row of
the same batch, or an earlier row on the same connection or, if the answer itself identifies the
server, since its latest failure. Without proof the row stays queued. So does a row with an unknown
reason, or a row that is too large by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.answers import Answer, Meaning
from bat2influx.influx.batch_size import BatchSize, size_of
from bat2influx.influx.outcome import Outcome, RejectedLine
from bat2influx.influx.rejects import KnownRejects, field_of

# Requests for one batch: each bad row may take two; the rest of the batch is sent later.
MAX_REQUESTS = 400
# Rows rejected alone before any is accepted: with so many the cause is the server, not a row.
MAX_UNDECIDED_ALONE = 4
# Rows of one field rejected alone for an unknown reason: then the cause is the field, not a row.
MAX_ALIKE = 3
# Consecutive batches without an accepted row before that is logged: a bad value that comes alone
# has to wait for one that is accepted.
MAX_PASSING = 3
MAX_SECONDS = 20.0  # for one batch; then others, and a reload, have their turn


class Sieve:
    """What earlier batches have shown of a server: which rows it rejects, how much it accepts."""

    def __init__(self, advice: Callable[[Answer, bytes], str]) -> None:
        """`advice` returns what to do about a row that was rejected."""
        self.advice = advice
        self.known = KnownRejects()
        self.size = BatchSize()
        self.proven_on: int | None = None  # the connection on which rows were accepted last
        self.unproven = 0  # consecutive batches with bad rows and none accepted

    def begin(self, lines: Sequence[bytes]) -> Sifting:
        """Return a Sifting for a batch."""
        return Sifting(self, lines)


class Sifting:
    """One batch while it is being sent."""

    def __init__(self, sieve: Sieve, lines: Sequence[bytes]) -> None:
        self._sieve = sieve
        self._lines = lines
        rows = list(dict.fromkeys(lines))  # two equal lines are one row
        self._parts = sieve.known.sort(rows)
        self._rejected: dict[bytes, Answer] = {}
        self._unproven: dict[bytes, Answer] = {}  # bad according to an unproven server
        self._retried: dict[bytes, Answer] = {}  # rejected for a reason that is not known of rows
        self._any_accepted = False
        self._requests = 0
        self._undecided_alone = 0  # rows that were sent alone, and stay queued

    def next_part(self) -> Sequence[bytes] | None:
        """Return the rows to send next; None if none are left, or a bound is reached."""
        if not self._parts or self._requests >= MAX_REQUESTS:
            return None
        if not self._any_accepted and self._undecided_alone >= MAX_UNDECIDED_ALONE:
            return None
        part, rest = self._sieve.size.split(self._parts.pop())
        if rest:
            self._parts.append(rest)
        self._requests += 1
        return part

    def decide(
        self, part: Sequence[bytes], answer: Answer, connection: int, *, signed: bool = False
    ) -> None:
        """Take in the answer to the write of `part`, on the connection of that number.

        `signed` is whether the answer itself identifies the server.
        """
        match answer.meaning:
            case Meaning.STORED:
                self._any_accepted, self._sieve.proven_on = True, connection
                self._sieve.size.taken(part)
                self._sieve.known.accepted(part)
            case Meaning.TOO_LARGE:
                self._sieve.size.too_large(part)
                if len(part) > 1:
                    self._parts.append(part)
                else:
                    self._retried[part[0]] = answer
                    self._undecided_alone += 2  # rows of that size are rare: two are proof enough
            case Meaning.BAD_ROW:
                proven_on = self._sieve.proven_on
                proven = proven_on == connection or (signed and proven_on is not None)
                self._rejected_rows(part, answer, self._rejected if proven else self._unproven)
            case Meaning.UNCERTAIN:
                self._retry(part, answer)
            case _:
                self._parts.append(part)

    def failed(self, part: Sequence[bytes], *, late: bool) -> None:
        """Take in that `part` had no answer, or (`late`) none in time."""
        self._sieve.proven_on = None
        if late:
            self._sieve.size.too_slow(part)

    def ended(
        self,
        peer: str,
        trouble: Trouble | None = None,
        retry_after: float | None = None,
        *,
        uncertain: bool = False,
    ) -> Outcome:
        """Return the outcome of the batch; `trouble` is what ended it early."""
        if self._any_accepted:
            self._rejected |= self._unproven
            self._unproven.clear()
        unproven = trouble is None and bool(self._unproven)
        self._sieve.unproven = self._sieve.unproven + 1 if unproven else 0
        open_rows = {*self._retried}.union(self._unproven, *self._parts)
        rejected_lines = [line for line in self._lines if line in self._rejected]
        answers = [self._rejected[line] for line in rejected_lines]
        rejected = [
            RejectedLine(line, answer.cause, self._sieve.advice(answer, line))
            for line, answer in zip(rejected_lines, answers, strict=True)
        ]
        undecided = [line for line in self._lines if line in open_rows]
        return Outcome(
            accepted=len(self._lines) - len(rejected) - len(undecided),
            rejected=rejected,
            undecided=undecided,
            trouble=trouble or self._why(peer),
            retry_after=retry_after,
            uncertain=uncertain,
            passing=unproven and self._sieve.unproven < MAX_PASSING,
        )

    def _why(self, peer: str) -> Trouble | None:
        """Return why rows stay queued, if nothing ended the batch early."""
        if self._unproven:
            return influx_errors.rejects_all(peer, next(iter(self._unproven.values())).cause)
        if not self._retried:
            return None
        line, answer = next(iter(self._retried.items()))
        if answer.meaning is Meaning.TOO_LARGE:
            return influx_errors.too_large_alone(peer, size_of([line]))
        reason = answer.reason or ""
        if self._sieve.proven_on is None:
            return influx_errors.rejects_all(peer, reason)
        return influx_errors.rows_rejected(peer, len(self._retried), reason)

    def _rejected_rows(
        self, part: Sequence[bytes], answer: Answer, where: dict[bytes, Answer]
    ) -> None:
        known, named = self._sieve.known, _named(part, answer)
        if len(part) == 1 or known.explains(part, answer):
            bad = part
        elif named:
            bad = named
        else:
            self._halve(part)
            return
        where.update(dict.fromkeys(bad, answer))
        rejected_lines = {*bad}
        rest = [line for line in part if line not in rejected_lines]
        if rest:
            self._parts.append(rest)
        self._learn(bad, answer)

    def _retry(self, part: Sequence[bytes], answer: Answer) -> None:
        """Keep a row that is rejected alone; of a field known for that, all but the newest row.

        The newest row is sent alone, to see whether that still holds.
        """
        if len(part) == 1:
            self._undecided_alone += 1
            self._retried[part[0]] = answer
            alike = [line for line in self._retried if field_of(line) == field_of(part[0])]
            if len(alike) >= MAX_ALIKE:
                self._learn(part, answer)
        elif self._sieve.known.explains(part, answer):
            self._retried.update(dict.fromkeys(part[:-1], answer))
            self._parts.append(part[-1:])
        else:
            self._halve(part)

    def _learn(self, part: Sequence[bytes], answer: Answer) -> None:
        if self._sieve.known.learn(part, answer):
            left = set[bytes]().union(*self._parts)
            rows = [line for line in dict.fromkeys(self._lines) if line in left]
            self._parts = self._sieve.known.sort(rows)

    def _halve(self, part: Sequence[bytes]) -> None:
        middle = len(part) // 2
        self._parts += [part[:middle], part[middle:]]


def _named(part: Sequence[bytes], answer: Answer) -> list[bytes]:
    """Return the rows of `part` that the server names, if its quotations match."""
    rows = []
    for number, begins in answer.named:
        if number < len(part) and part[number].decode("utf-8", "replace").startswith(begins[:20]):
            rows.append(part[number])
    return rows

"""The outcome for each row of a batch, request by request, with servers of each kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.influx.answers import Answer, Kind, Meaning
from bat2influx.influx.outcome import Outcome, RejectedLine
from bat2influx.influx.sifting import MAX_REQUESTS, Sieve
from tests.support.writing import lines, mixed

PEER = "InfluxDB at db:8086"
AWAY = Trouble("database", "it is away", Backoff.DATABASE)
STORED, KEPT = Answer(Meaning.STORED), Answer(Meaning.RETRY)
TOO_LARGE = Answer(Meaning.TOO_LARGE)
PARSE = "unable to parse 'x': missing fields"
TYPE = "partial write: field type conflict: Power dropped=1"
BAD, REFUSED = Answer(Meaning.BAD_ROW, PARSE), Answer(Meaning.UNCERTAIN, "odd")
CONFLICT = Answer(Meaning.BAD_ROW, TYPE, kind=Kind.TYPE)
CAUSE = BAD.cause
Server = Callable[[Sequence[bytes]], Answer]


def advice(answer: Answer, line: bytes) -> str:
    """Return none."""
    assert line
    return "do this" if answer.kind is Kind.TYPE else ""


def sift(
    server: Server,
    batch: Sequence[bytes],
    sieve: Sieve | None = None,
    connection: int = 1,
    *,
    signed: bool = False,
) -> tuple[Outcome, list[list[bytes]]]:
    """Return the outcome of a batch, and the requests."""
    sifted = (sieve or Sieve(advice)).begin(batch)
    requests = []
    while (part := sifted.next_part()) is not None:
        requests.append([*part])
        answer = server(part)
        sifted.decide(part, answer, connection, signed=signed)
        if answer is KEPT:
            return sifted.ended(PEER, AWAY, 7.0, uncertain=True), requests
    return sifted.ended(PEER), requests


def refusing(*bad: bytes, answer: Answer = BAD) -> Server:
    """Return a server that rejects a batch with one of these rows, and accepts any other."""
    return lambda part: answer if {*bad} & {*part} else STORED


def naming(*bad: bytes, answer: Answer = BAD) -> Server:
    """Return a server that names the first of them, as InfluxDB 3 does."""

    refusal = answer

    def named(part: Sequence[bytes]) -> Answer:
        for number, line in enumerate(part):
            if line in bad:
                return refusal._replace(named=((number, line.decode()[:20]),))
        return STORED

    return named


def always(answer: Answer) -> Server:
    """Return a server with the same answer to every request."""
    return lambda _: answer


def test_stored_rows_are_accepted() -> None:
    """In one request; an empty batch needs none."""
    assert sift(always(STORED), lines(count=5))[0] == Outcome(5, [], [])
    assert sift(always(STORED), []) == (Outcome(0, [], []), [])


@pytest.mark.parametrize("bad", range(5))
@pytest.mark.parametrize("kind", [refusing, naming])
def test_a_bad_row_is_rejected_alone(kind: Callable[..., Server], bad: int) -> None:
    """Wherever it is, because the server has accepted the others."""
    batch = lines(count=5)
    outcome, requests = sift(kind(batch[bad]), batch)
    assert outcome == Outcome(4, [RejectedLine(batch[bad], CAUSE)], [])
    assert len(requests) <= 7


def test_a_named_row_takes_one_more_request() -> None:
    """The rest is sent in one request."""
    batch = lines(count=100)
    assert [len(part) for part in sift(naming(batch[7]), batch)[1]] == [100, 99]


def test_a_quotation_that_does_not_match_is_no_proof() -> None:
    """Then the row is determined by halving."""
    batch = lines(count=8)
    odd = Answer(Meaning.BAD_ROW, PARSE, ((0, "dc Voltage=7.5"), (99, "dc")))
    outcome, _ = sift(refusing(batch[5], answer=odd), batch)
    assert outcome == Outcome(7, [RejectedLine(batch[5], CAUSE)], [])


# What is no proof


@pytest.mark.parametrize("count", [1, 200])
@pytest.mark.parametrize("answer", [BAD, REFUSED, TOO_LARGE, KEPT])
def test_a_server_that_rejects_all_rejects_no_row(answer: Answer, count: int) -> None:
    """All rows stay queued, after few requests, with a Trouble."""
    outcome, requests = sift(always(answer), batch := lines(count=count))
    assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], batch)
    assert outcome.trouble
    assert len(requests) <= (2 * count if answer is BAD else 30)


def test_a_type_rejected_for_all_rows_stays_queued_without_trying_each() -> None:
    """Its field is known by then, and no accepted row is proof."""
    batch = lines("Power", 500)
    outcome, requests = sift(always(CONFLICT), batch)
    assert (outcome.undecided, outcome.rejected) == (batch, [])
    assert outcome.trouble
    assert "rejects every value (partial write: field type" in outcome.trouble.text
    assert len(requests) <= 12


def test_a_row_accepted_before_on_the_same_connection_is_proof() -> None:
    """On another connection only if the answer identifies the server."""
    bad = lines(count=1)
    rejected = [RejectedLine(bad[0], CAUSE)]
    for connection, signed, failed, found in (
        (3, False, False, rejected),
        (4, False, False, []),
        (4, True, False, rejected),
        (4, True, True, []),
        (3, False, True, []),
    ):
        sieve = Sieve(advice)
        sift(always(STORED), lines("Soc"), sieve, connection=3)
        if failed:
            sieve.begin(bad).failed(bad, late=False)
        outcome, _ = sift(always(BAD), bad, sieve, connection=connection, signed=signed)
        assert outcome.rejected == found
        assert outcome.undecided == ([] if found else bad)


@pytest.mark.parametrize("odd", [0, 3, 7, 31])
def test_a_row_rejected_for_an_unknown_reason_stays_queued_alone(odd: int) -> None:
    """The row may not be the cause; the others are stored, and there is a Trouble."""
    batch = lines(count=32)
    outcome, _ = sift(refusing(batch[odd], answer=REFUSED), batch)
    assert (outcome.accepted, outcome.rejected, outcome.undecided) == (31, [], [batch[odd]])
    assert outcome.trouble
    assert "rejects 1 value (odd)" in outcome.trouble.text


def test_a_trouble_in_the_middle_keeps_decisions() -> None:
    """The rest is undecided, in its order; the outcome has the Trouble's details."""
    batch = lines(count=8)
    answers = iter([BAD, STORED, BAD, BAD, BAD, KEPT])
    outcome, _ = sift(lambda _: next(answers), batch)
    assert outcome == Outcome(4, [RejectedLine(batch[3], CAUSE)], batch[:3], AWAY, 7.0, True)


def test_a_duplicate_line_is_counted_twice() -> None:
    """It is one row for the server, and two values for the queue."""
    one, two, bad = lines(count=3)
    outcome, requests = sift(refusing(bad), [one, bad, one, two, bad])
    assert (outcome.accepted, outcome.undecided) == (3, [])
    assert [row.line for row in outcome.rejected] == [bad, bad]
    assert len(requests[0]) == 3


def test_one_batch_takes_a_bounded_number_of_requests() -> None:
    """The rest is sent with the next batch, without a Trouble."""
    batch = lines(count=2000)
    bad = {*batch[::2]}
    outcome, requests = sift(lambda part: BAD if bad & {*part} else STORED, batch)
    assert len(requests) == MAX_REQUESTS
    assert outcome.trouble is None
    assert outcome.accepted > 50
    assert len(outcome.rejected) > 50
    assert outcome.accepted + len(outcome.rejected) + len(outcome.undecided) == 2000


# What is remembered


def test_a_field_of_another_type_takes_few_requests_and_then_one() -> None:
    """Its rows are known by their field once one is rejected alone, by name or by halving."""
    for kind in (naming, refusing):
        sieve, power = Sieve(advice), lines("Power", 50)
        batch = mixed("Soc", "Power", count=50)
        for most in (10, 2):
            outcome, requests = sift(kind(*power, answer=CONFLICT), batch, sieve)
            assert (outcome.accepted, outcome.undecided) == (50, [])
            assert {row.line for row in outcome.rejected} == {*power}
            assert {row.advice for row in outcome.rejected} == {"do this"}
            assert len(requests) <= most


def test_a_size_is_remembered() -> None:
    """A limit in bytes is determined once."""
    sieve, batch = Sieve(advice), lines(count=100)
    small = sum(map(len, batch)) // 3

    def server(part: Sequence[bytes]) -> Answer:
        return TOO_LARGE if sum(map(len, part)) > small else STORED

    assert sift(server, batch, sieve)[0] == Outcome(100, [], [])
    _, requests = sift(server, batch, sieve)
    assert all(sum(map(len, part)) <= small for part in requests)


def test_a_row_too_large_by_itself_delays_no_other() -> None:
    """It stays queued, with a Trouble; the others are stored."""
    large = b"dc Text=" + b"1" * 900 + b" 17"
    batch = [large, *lines(count=50)]

    def server(part: Sequence[bytes]) -> Answer:
        return TOO_LARGE if sum(map(len, part)) > 500 else STORED

    outcome, _ = sift(server, batch)
    assert (outcome.accepted, outcome.undecided) == (50, [large])
    assert outcome.trouble
    assert "rejects even one value of 912 bytes as too large" in outcome.trouble.text


def test_a_field_rejected_for_an_unknown_reason_is_sent_separately() -> None:
    """The others are stored; one request shows whether the field is still rejected."""
    sieve, power = Sieve(advice), lines("Power", 50)
    batch = mixed("Soc", "Power", count=50)
    for most in (20, 3):
        outcome, requests = sift(refusing(*power, answer=REFUSED), batch, sieve)
        assert (outcome.accepted, outcome.rejected) == (50, [])
        assert {*outcome.undecided} == {*power}
        assert outcome.trouble
        assert "rejects 50 values (odd)" in outcome.trouble.text
        assert len(requests) <= most


def test_a_batch_that_was_too_slow_is_smaller_the_next_time() -> None:
    """As on a slow connection."""
    sieve, batch = Sieve(advice), lines(count=1000)
    sifted = sieve.begin(batch)
    part = sifted.next_part()
    assert part is not None
    sifted.decide(part, KEPT, 1)
    sifted.failed(part, late=True)
    assert sifted.ended(PEER, AWAY).undecided == batch
    assert len(sift(always(STORED), batch, sieve)[1]) == 3


# All of it, by chance


@pytest.mark.parametrize("seed", range(60))
def test_no_good_row_is_ever_rejected_and_no_row_is_lost(seed: int) -> None:
    """Whatever the server accepts, names, finds too large or rejects, over several batches."""
    chance = random.Random(seed)
    every = mixed("Soc", "Power", "Voltage", count=chance.randrange(1, 60))
    others = [line for line in every if b"Power" not in line]
    bad = {*chance.sample(others, chance.randrange(min(5, len(others))))}
    odd = {*chance.sample(every, chance.randrange(2))} - bad
    if chance.random() < 0.5:
        bad |= {line for line in every if b"Power" in line}
        odd -= bad
    names, limit = chance.random() < 0.5, chance.choice([10**9, 300, 90])
    sieve, stored = Sieve(advice), set[bytes]()
    rejected: list[bytes] = []
    left = [*every]

    def server(part: Sequence[bytes]) -> Answer:
        if chance.random() < 0.05:
            return KEPT
        if sum(map(len, part)) + len(part) > limit:
            return TOO_LARGE
        for number, line in enumerate(part):
            if line in bad:
                answer = CONFLICT if b"Power" in line else BAD
                return answer._replace(named=((number, line.decode()[:20]),) if names else ())
        if odd & {*part}:
            return REFUSED
        stored.update(part)
        return STORED

    for connection in range(200):
        outcome, _ = sift(server, left, sieve, connection // 3)
        rows = [row.line for row in outcome.rejected]
        assert outcome.accepted + len(rows) + len(outcome.undecided) == len(left)
        assert [line for line in left if line in {*outcome.undecided}] == outcome.undecided
        rejected += rows
        left = outcome.undecided
    assert {*rejected} <= bad
    assert stored | {*rejected} | {*left} == {*every}
    assert not (stored - {*every}) and not ({*left} & stored)
    if stored:  # it is a server that takes something
        assert {*left} - odd <= bad

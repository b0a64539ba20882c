"""The outcome of a batch: nothing is decided at the beginning."""

from bat2influx.influx.outcome import Outcome, RejectedLine


def test_an_outcome_begins_with_nothing_decided() -> None:
    """No line is accepted, rejected or undecided, and there is no trouble."""
    made = Outcome()
    assert (made.accepted, made.rejected, made.undecided) == (0, (), ())
    assert (made.trouble, made.retry_after, made.uncertain) == (None, None, False)


def test_rejected_lines_differ_by_line_and_reason() -> None:
    """They can be looked up in a set."""
    made = {RejectedLine(b"x", "bad"), RejectedLine(b"x", "bad"), RejectedLine(b"x", "old")}
    assert len(made) == 2

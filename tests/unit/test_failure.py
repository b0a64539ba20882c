"""Delays between attempts."""

from hypothesis import given
from hypothesis import strategies as st

from bat2influx.failure import Backoff, delay


@given(st.sampled_from(Backoff), st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_delays_keep_their_bounds(backoff: Backoff, attempt: int, random: float) -> None:
    """From the shortest to the longest of their backoff, whatever the attempt."""
    shortest, longest = backoff.value
    assert shortest <= delay(backoff, attempt, random) <= longest


def test_delays_double_with_jitter() -> None:
    """Each attempt waits twice as long as the one before, spread over its upper half."""
    assert [delay(Backoff.BROKER, n, 1.0) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert delay(Backoff.BROKER, 5, 0.0) == 4.0


def test_a_rejected_login_is_retried_less_than_twice_a_minute() -> None:
    """A device locks frequent attempts out: over 30 s pass between two attempts."""
    assert delay(Backoff.LOGIN, 1, 0.0) > 30.0


def test_a_certificate_is_checked_again_within_half_a_minute() -> None:
    """A person may correct it in the meantime; a check costs one handshake."""
    assert Backoff.CERTIFICATE.value == (5.0, 30.0)


def test_the_broker_is_retried_at_least_every_30_seconds() -> None:
    """The longest delay, with the time of a connection, stays below 30 s."""
    assert delay(Backoff.BROKER, 100, 0.999) <= 15.0

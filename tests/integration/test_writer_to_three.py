"""The writer and what InfluxDB 3 says in plain words, or by a status of another meaning."""

from __future__ import annotations

import pytest

from bat2influx.influx.dialects import Dialect
from tests.standins.databases.influxdb3 import InfluxDB3
from tests.support.writing import lines, write, writer

BATCH = lines(count=6)


def test_a_look_at_the_right_to_write_makes_no_database() -> None:
    """Version 3 makes one for a write without a line, and keeps it for ever."""
    with InfluxDB3() as peer:
        probe = writer(peer.port, token=peer.token).probe()
        assert (probe.trouble, probe.missing, probe.open) == (None, True, "")
        assert "battery" not in peer.buckets


def test_where_the_database_is_there_the_right_to_write_is_seen() -> None:
    """By a write without a line, which is refused in plain text when all is well."""
    with InfluxDB3() as peer:
        made = writer(peer.port, token=peer.token)
        assert write(made, BATCH).accepted == len(BATCH)
        probe = made.probe()
        assert (probe.trouble, probe.missing, probe.open) == (None, False, "")
        assert len(peer.stored) == len(BATCH)


@pytest.mark.parametrize("status", [500, 413])
def test_what_is_too_large_is_split(status: int) -> None:
    """A batch that version 3 finds too large is split, whatever the status that says so."""
    with InfluxDB3(limit=100, too_large=status) as peer:
        outcome = write(writer(peer.port, token=peer.token), BATCH)
        assert (outcome.accepted, len(peer.stored)) == (len(BATCH), len(BATCH))


def test_a_database_too_many_is_not_the_fault_of_the_values() -> None:
    """Where version 3 makes no further database, the values are kept and none is rejected."""
    with InfluxDB3(max_databases=0) as peer:
        outcome = write(writer(peer.port, token=peer.token), BATCH)
    assert (outcome.rejected, outcome.undecided) == ([], BATCH)
    assert outcome.trouble is not None


def test_what_it_is_is_asked_again_once_a_token_is_right() -> None:
    """Version 3 says what it is only to whom it knows."""
    with InfluxDB3(rights={"ours": "w"}) as peer:
        made = writer(peer.port, token="ours")
        assert write(made, BATCH).undecided == BATCH
        assert made.server.dialect is None
        peer.allow("ours")
        assert write(made, BATCH).accepted == len(BATCH)
        assert made.server.dialect is Dialect.INFLUXDB3

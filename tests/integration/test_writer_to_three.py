"""The writer with answers of InfluxDB 3 in plain text, or with statuses of other meaning."""

from __future__ import annotations

import pytest

from bat2influx.influx.dialects import Dialect
from tests.standins.databases.influxdb3 import InfluxDB3
from tests.support.writing import lines, write, writer

BATCH = lines(count=6)


def test_the_check_of_the_right_to_write_creates_no_database() -> None:
    """Version 3 creates one for an empty write, and keeps it for ever."""
    with InfluxDB3() as peer:
        probe = writer(peer.port, token=peer.token).probe()
        assert (probe.trouble, probe.missing, probe.open) == (None, True, "")
        assert "battery" not in peer.buckets


def test_if_the_database_exists_the_right_to_write_is_checked() -> None:
    """By an empty write, which is rejected in plain text if the right exists."""
    with InfluxDB3() as peer:
        made = writer(peer.port, token=peer.token)
        assert write(made, BATCH).accepted == len(BATCH)
        probe = made.probe()
        assert (probe.trouble, probe.missing, probe.open) == (None, False, "")
        assert len(peer.stored) == len(BATCH)


@pytest.mark.parametrize("status", [500, 413])
def test_a_batch_that_is_too_large_is_split(status: int) -> None:
    """Whatever the status by which version 3 rejects it."""
    with InfluxDB3(limit=100, too_large=status) as peer:
        outcome = write(writer(peer.port, token=peer.token), BATCH)
        assert (outcome.accepted, len(peer.stored)) == (len(BATCH), len(BATCH))


def test_at_the_limit_of_databases_no_line_is_rejected() -> None:
    """If version 3 creates no further database, all lines stay queued."""
    with InfluxDB3(max_databases=0) as peer:
        outcome = write(writer(peer.port, token=peer.token), BATCH)
    assert (outcome.rejected, outcome.undecided) == ([], BATCH)
    assert outcome.trouble is not None


def test_the_version_is_requested_again_once_a_token_is_right() -> None:
    """Version 3 shows its version only after a login."""
    with InfluxDB3(rights={"ours": "w"}) as peer:
        made = writer(peer.port, token="ours")
        assert write(made, BATCH).undecided == BATCH
        assert made.server.dialect is None
        peer.allow("ours")
        assert write(made, BATCH).accepted == len(BATCH)
        assert made.server.dialect is Dialect.INFLUXDB3

"""What the tests of a fleet have in common."""

from __future__ import annotations

import pytest

from tests.unit.fleet.fleet_by_hand import Make, fleets


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a fleet, behind a broker that accepts every login."""
    return fleets(monkeypatch, caplog)

"""What the tests of a fleet have in common."""

from __future__ import annotations

import pytest

from tests.unit.fleet.fleet_by_hand import Make, fleets


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Make:
    """What makes a fleet, behind a broker that welcomes everybody."""
    return fleets(monkeypatch, caplog)

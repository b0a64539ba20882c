"""Each scenario once, at a quick interval; nothing but what it names is lost."""

import importlib
import pkgutil
from pathlib import Path

import pytest

from tests import faults
from tests.faults.account import Account
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.parts import apart

SCENARIOS: dict[str, Scenario] = {}
for _module in sorted(each.name for each in pkgutil.iter_modules(faults.__path__)):
    _found = importlib.import_module(f"tests.faults.{_module}") if _module[:5] != "test_" else None
    if hasattr(_found, "SCENARIO"):
        SCENARIOS[_module] = _found.SCENARIO


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_else_is_lost(name: str, tmp_path: Path) -> None:
    """What the device said is stored, value for value and time for time."""
    if not apart.is_possible():
        pytest.skip("namespaces take root")
    scenario = SCENARIOS[name]
    with House(tmp_path / "house", in_hand=scenario.clocks) as house:
        account = Account(house)
        lost = scenario.inflict(house)
        house.more_reads(5)
        tally = account.balance(lost, offsets=scenario.offsets)
        assert tally.said > 0
        assert house.daemon.stop() == 0

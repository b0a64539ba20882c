"""Each scenario once, at a short interval; only the values that it names are lost."""

from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.account import Account
from tests.faults.house import House
from tests.standins.network import apart

SCENARIOS = table.scenarios()


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_else_is_lost(name: str, tmp_path: Path) -> None:
    """The device's answers are stored, each value with its time."""
    if not apart.is_possible():
        pytest.skip("namespaces need root")
    scenario = SCENARIOS[name]
    with House(tmp_path / "house", in_hand=scenario.clocks) as house:
        account = Account(house)
        lost = scenario.inflict(house)
        house.more_reads(5)
        tally = account.balance(lost, offsets=scenario.offsets)
        assert tally.published > 0
        assert house.daemon.stop() == 0


def test_the_page_has_these_scenarios_and_no_others() -> None:
    """Each line of its table is one that is run here, in the same words."""
    assert table.shown() == table.text(), "write it again: /usr/bin/python3 -m tests.faults"

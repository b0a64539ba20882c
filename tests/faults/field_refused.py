"""The database has one field with another type, and refuses its values."""

from collections.abc import Sequence

from tests.faults import house_database
from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario
from tests.support.compare import NINE
from tests.support.daemon import wait

REFUSES = "refuses a row, which is kept aside"
OTHERS = ", ".join(f'"{field}"' for field in NINE if field != "Voltage")


def inflict(house: House) -> Sequence[Window]:
    """Have the voltage be an integer, then mend that and have the refused rows tried again."""
    with house.says(REFUSES + ".*field type conflict"), house_database.out_of_reach(house):
        house_database.save(house)
        house.database.query("DROP MEASUREMENT dc", "battery")
        house.database.write("dc Voltage=1i", "battery")
    told = len(house.daemon.says(REFUSES))
    house.more_reads(5)
    wait("refused rows", lambda: _rejected(house) >= 5)
    assert "field type conflict" in house.spool()
    exported = house.spool("--export", "--rejected").splitlines()
    assert exported[:2] == ["# DML", "# CONTEXT-DATABASE: battery"]
    assert len(exported) >= 2 + 5
    assert all(line.startswith("dc Voltage=") for line in exported[2:])
    assert len(house.daemon.says(REFUSES)) == told, "it is told once"
    with house.says("cannot be reached"), house_database.out_of_reach(house):
        house_database.save(house, OTHERS)
        house.database.query("DROP MEASUREMENT dc", "battery")
        house_database.bring_back(house)
    with house.says(r"[0-9]+ refused rows are tried again, as asked for"):
        house.spool("--retry-rejected")
    wait("none to be refused", lambda: _rejected(house) == 0)
    calm(house)
    return ()


def _rejected(house: House) -> int:
    return int(house.spool().splitlines()[1].split()[1])


SCENARIO = Scenario(
    "The database refuses a field, as it has it with another type",
    "all other fields are stored; the refused values are kept, with the reason, for"
    " `bat2influx spool --retry-rejected`",
    "nothing",
    inflict,
)

"""The database's user loses the right to write, and gets it back."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import USER, House
from tests.faults.house_database import deny
from tests.faults.scenario import Scenario

REFUSES = f"does not let user '{USER}' write"


def inflict(house: House) -> Sequence[Window]:
    """Take it until the daemon has noticed."""
    right = "ALL PRIVILEGES"
    deny(house, REFUSES, f"REVOKE {right} FROM {USER}", f"GRANT {right} TO {USER}")
    return ()


SCENARIO = Scenario(
    "The database's user may not write any more",
    "values wait, after a second on disk; the log has the statement that gives the right back",
    "nothing",
    inflict,
)

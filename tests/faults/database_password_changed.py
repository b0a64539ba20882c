"""Somebody changes the password of the database's user, and changes it back."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import PASSWORD, USER, House
from tests.faults.house_database import deny
from tests.faults.scenario import Scenario

REFUSES = f"refuses user '{USER}' or its password"


def inflict(house: House) -> Sequence[Window]:
    """Change it until the daemon is refused."""
    change = f"SET PASSWORD FOR {USER} ="
    deny(house, REFUSES, f"{change} 'another'", f"{change} '{PASSWORD}'")
    assert not house.daemon.says(PASSWORD)
    return ()


SCENARIO = Scenario(
    "The database refuses the login: its password was changed, its user is gone",
    "values wait, after a second on disk; it is tried again after 5 s, then at most each minute",
    "nothing",
    inflict,
)

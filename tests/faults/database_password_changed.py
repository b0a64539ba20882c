"""Somebody changes the password of the database's user, and changes it back."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import PASSWORD, USER, House
from tests.faults.house_daemon import calm, shows
from tests.faults.scenario import Scenario

REFUSES = f"refuses user '{USER}' or its password"


def inflict(house: House) -> Sequence[Window]:
    """Change it until the daemon is refused."""
    with house.says("takes values again"):
        with house.says(REFUSES):
            house.database.query(f"SET PASSWORD FOR {USER} = 'another'")
        shows(house, REFUSES)
        house.more_reads(5)
        house.database.query(f"SET PASSWORD FOR {USER} = '{PASSWORD}'")
    assert not house.daemon.says(PASSWORD)
    calm(house)
    return ()


SCENARIO = Scenario(
    "The database refuses the login: its password was changed, its user is gone",
    "values wait, after a second on disk; it is tried again after 5 s, then at most each minute",
    "nothing",
    inflict,
)

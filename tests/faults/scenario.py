"""A scenario and its parts.

Rules: `inflict` causes the fault on a running house, waits until the daemon has detected it and
until it is over, and restores the house, so that other scenarios can follow. It returns the windows
in which values of the device may be missing; most return none. A file of scenarios
ends with `SCENARIOS`: each by its id, of which the first word names its group in the README.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.account import Window
from tests.faults.house import House


@dataclass(frozen=True)
class Scenario:
    """A fault, and in the README's words what happens and what is lost."""

    fault: str
    happens: str
    lost: str
    inflict: Callable[[House], Sequence[Window]]
    clocks: bool = False  # the test has to control the daemon's clocks
    offsets: Sequence[float] = (0.0,)  # permitted offsets of timestamps in s, see Account.balance

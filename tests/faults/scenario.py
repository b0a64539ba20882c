"""What a scenario consists of.

Rules: `inflict` brings the fault about on a running house, waits until the daemon has met with it
and until it is over, and leaves the house as it found it, so that others can follow. It returns
the windows in which what the device has said may be missing; most return none. A file of scenarios
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
    clocks: bool = False  # the daemon's clocks have to be in our hands
    offsets: Sequence[float] = (0.0,)  # s by which stamps may be off then, see Account.balance

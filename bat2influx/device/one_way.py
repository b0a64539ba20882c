"""Whether a device's values come over a bridge that does not pass what it is asked.

Pure: times are monotonic seconds, spans are fractions of the watchdog interval W.
"""

from __future__ import annotations

from typing import NamedTuple


class Heard(NamedTuple):
    """What has been heard on a connection, each at its latest; None stands for never.

    `asked` is the first read that nothing has answered since, `arrived` any message of the device
    that the broker does not keep (a heartbeat or a notification), `answered` an answer to a read,
    or the end of a full republish that was asked for here.
    """

    asked: float | None
    arrived: float | None
    answered: float | None


def one_way(heard: Heard, now: float, watchdog: float) -> bool:
    """Return whether what the device says arrives, while nothing that it is asked is answered.

    So it is W/8 after a read without an answer to any, if the device has said something within the
    latest W/8. A device that is silent altogether is another trouble.
    """
    patience = watchdog / 8
    if heard.asked is None or heard.arrived is None or now < heard.asked + patience:
        return False
    if heard.answered is not None and heard.answered >= heard.asked:
        return False
    return now < heard.arrived + patience

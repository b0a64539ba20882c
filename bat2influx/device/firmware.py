"""Which keepalive a device's firmware understands, as far as its answers show: the table.

VENUS: firmware before Venus OS 3.20 (dbus-mqtt) understands the old keepalive alone, and never
reports the end of a republish. While it is awake that brings no answer, so that no answer proves
nothing about a device that has answered the old one before.

    state      UNANSWERED  ANSWERED  ENDED
    UNKNOWN    OLD_TRIED   -         NEW
    OLD_TRIED  NEW_TRIED   OLD       NEW
    OLD        -           -         NEW
    NEW_TRIED  OLD_TRIED   -         NEW
    NEW        OLD_TRIED   -         -

UNANSWERED is that the latest question brought nothing, ANSWERED that something came while it was
asked, ENDED that a republish ended. What is in no cell changes nothing.
"""

from __future__ import annotations

from enum import Enum


class Firmware(Enum):
    """What is known of it."""

    UNKNOWN = "unknown"
    OLD_TRIED = "asked in the old way, without an answer yet"
    OLD = "before Venus OS 3.20"
    NEW_TRIED = "asked in the new way again, without an answer yet"
    NEW = "Venus OS 3.20 or later"


class Sign(Enum):
    """What its answers show."""

    UNANSWERED = "the latest question brought nothing"
    ANSWERED = "something came while it was asked"
    ENDED = "a republish ended"


_F, _S = Firmware, Sign
TRANSITIONS = {
    **{(each, _S.ENDED): _F.NEW for each in _F},
    (_F.UNKNOWN, _S.UNANSWERED): _F.OLD_TRIED,
    (_F.OLD_TRIED, _S.UNANSWERED): _F.NEW_TRIED,
    (_F.OLD_TRIED, _S.ANSWERED): _F.OLD,
    (_F.NEW_TRIED, _S.UNANSWERED): _F.OLD_TRIED,
    (_F.NEW, _S.UNANSWERED): _F.OLD_TRIED,
}
OLD = (Firmware.OLD_TRIED, Firmware.OLD)  # the device is asked in the old way

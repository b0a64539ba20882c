"""Which keepalive a device's firmware understands, as far as its answers show: the state table.

VENUS: firmware before Venus OS 3.20 (dbus-mqtt) understands only the old keepalive, and never
reports the end of a republish. While it is awake the old keepalive brings no answer, so a missing
answer proves nothing about a device that has answered the old keepalive before.

    state      UNANSWERED  ANSWERED  ENDED
    UNKNOWN    OLD_TRIED   -         NEW
    OLD_TRIED  NEW_TRIED   OLD       NEW
    OLD        -           -         NEW
    NEW_TRIED  OLD_TRIED   -         NEW
    NEW        OLD_TRIED   -         -

UNANSWERED: the latest question brought no message. ANSWERED: a message arrived while the question
was open. ENDED: a republish ended. An event that is in no cell changes nothing.
"""

from __future__ import annotations

from enum import Enum


class Firmware(Enum):
    """What is known of the firmware."""

    UNKNOWN = "unknown"
    OLD_TRIED = "asked with the old keepalive, no answer yet"
    OLD = "before Venus OS 3.20"
    NEW_TRIED = "asked with the new keepalive again, no answer yet"
    NEW = "Venus OS 3.20 or later"


class Sign(Enum):
    """What the device's answers show."""

    UNANSWERED = "the latest question brought no message"
    ANSWERED = "a message arrived while the question was open"
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
OLD = (Firmware.OLD_TRIED, Firmware.OLD)  # the device is asked with the old keepalive

"""What `check` prints about clocks: this machine's, and the device's as its heartbeats show it.

If this machine's clock is synchronised, a heartbeat received so far is enough, and `check` does not
wait for one; otherwise it waits for several, so that the time is certain.
"""

from __future__ import annotations

from collections.abc import Iterator

from bat2influx.clock import Clock
from bat2influx.commands.check.received_messages import ReceivedMessages
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.config.settings import Battery
from bat2influx.daemon.stamp_clock import DIFFERS, difference_text
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.session import Session
from bat2influx.reading import NS
from bat2influx.venus import protocol

WORTH_A_NOTE = 5 * NS  # a single heartbeat may be late
HEARTBEATS_WITHIN = 10.0  # s; three heartbeats take 6 s

LABEL = "clock"


def clock_steps(
    own: Clock, session: Session, messages: ReceivedMessages, battery: Battery, config: str
) -> Iterator[Step]:
    """Yield the difference of both clocks, and which one timestamps follow.

    `messages` has what the device has published so far; `config` is the file to name in texts.
    """
    now = own.look()
    if not own.synchronised:
        yield _not_synchronised(own, session, messages, battery, config)
        return
    shown = messages.shown
    difference = 0 if shown is None else now.own_distance - shown
    if abs(difference) > WORTH_A_NOTE:
        text = f"this machine's clock is {difference_text(difference)} the device's; timestamps"
        yield Step(NOTE, LABEL, f"{text} follow this machine's clock")
    elif battery.clock == "device":
        why = "systemd-timesyncd has set it, or does not run"
        yield Step(OK, LABEL, f"timestamps follow this machine's clock, because {why}")


def _not_synchronised(
    own: Clock, session: Session, messages: ReceivedMessages, battery: Battery, config: str
) -> Step:
    """Wait for heartbeats, and return the step about the difference they show."""
    clock = messages.clock
    if clock.distance is None:

        def handle(message: Message) -> bool:
            messages.process(message)
            return clock.distance is not None

        session.publish(*protocol.keepalive(messages.portal), checked=True)
        session.until(handle, HEARTBEATS_WITHIN)
    ours = "this machine's clock is not synchronised"
    difference = clock.difference(own.look())
    if difference is None:
        return Step(NOTE, LABEL, f"{ours}, and the device reports no plausible time")
    if abs(difference) <= DIFFERS:
        return Step(OK, LABEL, f"{ours}, and agrees with the device's")
    text = f"{ours} and is {difference_text(difference)} the device's"
    if battery.clock == "device":
        return Step(NOTE, LABEL, f"{text}; timestamps follow the device's clock")
    what = f"write clock = device under {battery.section} in {config}"
    return Step(NOTE, LABEL, f"{text}; to use the device's for timestamps, {what}")

"""Finds the portal id of one device, and doubts it while the device is not responding.

The portal id is in the topic of the one retained message of a device, its Serial. To list the
devices: subscribe to all Serials, then unsubscribe. The broker confirms the unsubscription only
after the messages that it sent before, so the UNSUBACK closes the list. No portal id is guessed:
a user must choose one of several, and a configured one is never replaced.

Rules: TABLE alone decides what follows from an event. No thread and no clock: times are monotonic
seconds that are passed in, and so is the connection on which an action is carried out.
"""

from __future__ import annotations

import logging
import math
from enum import Enum

from bat2influx.device import errors as device_errors
from bat2influx.device.choice import Choice
from bat2influx.device.transitions import follows
from bat2influx.failure import Trouble
from bat2influx.mqtt.connection import Connection
from bat2influx.service.journal import Episode
from bat2influx.venus import protocol

log = logging.getLogger(__name__)


class State(Enum):
    """What is known of the portal id. Serials are listed in every state except KNOWN."""

    UNKNOWN = "unknown"  # subscribed to the Serials, none has arrived
    COLLECTING = "collecting"  # one has arrived, others may follow
    SEVERAL = "several"  # a user must choose
    KNOWN = "known"  # configured, remembered or found
    LISTING = "listing"  # in doubt: subscribed to the Serials, not confirmed yet
    CLOSING = "closing"  # in doubt: the list is being closed


class Event(Enum):
    """What happens to the search. The last three are what a closed list shows."""

    BEGUN = "a new connection, or another search on the same one"
    SERIAL = "the first Serial"
    NOT_RESPONDING = "the device is not responding"
    SUBACK = "the subscription is confirmed or refused"
    OWN = "the list has this device, or none"
    ONE = "the list has only another device, and no portal id is configured"
    OTHERS = "the list has other devices; a user must choose"


class Action(Enum):
    """What follows from an event."""

    NOTHING = "nothing"
    SUBSCRIBE = "subscribe to the Serials"
    TRY_TO_SUBSCRIBE = "subscribe to the Serials, which may be refused"
    UNSUBSCRIBE = "unsubscribe from the Serials"
    TAKE = "take the listed portal id"
    NOTE = "note which other devices are there instead of this one"
    CHOOSE = "raise UndecidedError"


TABLE: dict[tuple[State, Event], tuple[State, Action]] = {
    (State.UNKNOWN, Event.BEGUN): (State.UNKNOWN, Action.SUBSCRIBE),
    (State.UNKNOWN, Event.SERIAL): (State.COLLECTING, Action.UNSUBSCRIBE),
    (State.UNKNOWN, Event.NOT_RESPONDING): (State.UNKNOWN, Action.NOTHING),
    (State.COLLECTING, Event.BEGUN): (State.UNKNOWN, Action.SUBSCRIBE),
    (State.COLLECTING, Event.NOT_RESPONDING): (State.COLLECTING, Action.NOTHING),
    (State.COLLECTING, Event.ONE): (State.KNOWN, Action.TAKE),
    (State.COLLECTING, Event.OTHERS): (State.SEVERAL, Action.CHOOSE),
    (State.SEVERAL, Event.BEGUN): (State.UNKNOWN, Action.SUBSCRIBE),
    (State.SEVERAL, Event.NOT_RESPONDING): (State.SEVERAL, Action.NOTHING),
    (State.SEVERAL, Event.OTHERS): (State.SEVERAL, Action.CHOOSE),
    (State.KNOWN, Event.BEGUN): (State.KNOWN, Action.NOTHING),
    (State.KNOWN, Event.NOT_RESPONDING): (State.LISTING, Action.TRY_TO_SUBSCRIBE),
    (State.LISTING, Event.BEGUN): (State.KNOWN, Action.NOTHING),
    (State.LISTING, Event.NOT_RESPONDING): (State.LISTING, Action.NOTHING),
    (State.LISTING, Event.SUBACK): (State.CLOSING, Action.UNSUBSCRIBE),
    (State.CLOSING, Event.BEGUN): (State.KNOWN, Action.NOTHING),
    (State.CLOSING, Event.NOT_RESPONDING): (State.CLOSING, Action.NOTHING),
    (State.CLOSING, Event.OWN): (State.KNOWN, Action.NOTE),
    (State.CLOSING, Event.ONE): (State.KNOWN, Action.TAKE),
    (State.CLOSING, Event.OTHERS): (State.KNOWN, Action.NOTE),
}


class PortalSearch:
    """The portal id of one device, and the requests to the broker about it.

    `portal` is None until one is known; `others` has the portal ids of the latest list if that one
    is not among them. Both are kept over connections. `given` is whether the portal id is
    configured.
    """

    def __init__(self, *, given: str, remembered: str, listable: bool, choice: Choice) -> None:
        """`given` is configured, `remembered` is from an earlier start ('' each: none).

        `listable` is whether the broker lists portal ids to this client.
        """
        self.portal: str | None = given or remembered or None
        self.others: tuple[str, ...] = ()
        self.state = State.KNOWN if self.portal else State.UNKNOWN
        self.given = bool(given)
        self._listable = listable
        self._choice = choice
        self._listed: set[str] = set()
        self._asked = 0  # the id of the latest subscription, or of its end

    @property
    def listing(self) -> bool:
        """Whether the devices are being listed."""
        return self.state is not State.KNOWN

    @property
    def rechecking(self) -> bool:
        """Whether the devices are being listed though a portal id is known."""
        return self.listing and self.portal is not None

    def begin(self, connection: Connection) -> None:
        """Begin on a new connection, or begin again on the same one."""
        self._handle(Event.BEGUN, connection)

    def recheck(self, connection: Connection) -> bool:
        """The device is not responding: check whether another is there, without asking the device.

        Return whether the broker can show that.
        """
        if self._listable:
            self._handle(Event.NOT_RESPONDING, connection)
        return self._listable

    def process(self, topic: str, payload: bytes) -> bool:
        """Process a message; return whether it is a Serial that was requested."""
        portal = protocol.portal_of(topic) if self.listing else None
        if portal is None:
            return False
        room = portal == self.portal or len(self._listed) < protocol.MAX_LISTED_PORTALS
        if room and protocol.names_device(payload):
            self._listed.add(portal)
        return True

    def step(self, connection: Connection) -> bool:
        """Advance as far as the broker has answered; return whether another portal id is known.

        Raises UndecidedError, at each step until the next `begin`.
        """
        event = self._event(connection)
        return event is not None and self._handle(event, connection)

    def _event(self, connection: Connection) -> Event | None:
        """Return the next event, if any."""
        if self.state is State.UNKNOWN:
            return Event.SERIAL if self._listed else None
        if self.state is State.KNOWN or self._asked not in connection.acknowledged:
            return None
        if self.state is State.LISTING:
            return Event.SUBACK
        if not self._listed or self.portal in self._listed:
            return Event.OWN
        return Event.ONE if len(self._listed) == 1 and not self.given else Event.OTHERS

    def _handle(self, event: Event, connection: Connection) -> bool:
        """Carry out the action for an event; return whether another portal id is known."""
        self.state, action = follows(TABLE, self.state, event, "a portal id")
        match action:
            case Action.SUBSCRIBE | Action.TRY_TO_SUBSCRIBE:
                optional = action is Action.TRY_TO_SUBSCRIBE
                self._listed.clear()
                self._asked = connection.subscribe([protocol.PORTALS], optional=optional)
            case Action.UNSUBSCRIBE:
                self._asked = connection.unsubscribe([protocol.PORTALS])
            case Action.TAKE:
                self.portal, self.others = next(iter(self._listed)), ()
            case Action.NOTE:
                own = self.portal in self._listed
                self.others = () if own else tuple(sorted(self._listed))
            case Action.CHOOSE:
                raise self._choice.of_devices(connection.endpoint.host, sorted(self._listed))
        return action is Action.TAKE


class Contact(Enum):
    """What a device has sent so far. NEW -> QUIET: doubted; ACTIVE -> QUIET: a new connection."""

    NEW = "new"  # no message ever, and not doubted yet: it may be another device
    QUIET = "quiet"  # no message on this connection
    ACTIVE = "active"  # a message on this connection


class RateLimit:
    """Limits an action to once every `span` seconds."""

    def __init__(self, span: float) -> None:
        self._span = span
        self._next = -math.inf

    def postpone(self, now: float) -> None:
        """The action is not due for one span from now."""
        self._next = now + self._span

    def due(self, now: float) -> bool:
        """Return whether the action is due now; the caller must carry it out at once."""
        if now < self._next:
            return False
        self.postpone(now)
        return True


class ResponseMonitor:
    """Doubts the portal id of a device that is not responding, and reports that it is not.

    While a device is being discovered, the first doubt comes after W/8 without a message, then one
    every W/2. For a NEW device the first doubt comes before the report: another device may be
    there.
    """

    def __init__(self, portals: PortalSearch, host: str, config: str, watchdog: float) -> None:
        """`host` and the file `config` are named in messages; `watchdog` is W in s."""
        self._portals = portals
        self._host, self._config = host, config
        self._answer_timeout = watchdog / 8
        self._recheck_limit = RateLimit(watchdog / 2)
        self._contact = Contact.NEW
        self._deadline = 0.0
        self._message_at = math.inf  # of the latest; before one, when the first connection began
        self._responding = Episode(log, {"PEER": host})

    @property
    def trouble(self) -> Trouble | None:
        """The trouble, if the device is not responding."""
        return self._responding.trouble

    @property
    def has_message(self) -> bool:
        """Whether the device has sent a message on this connection."""
        return self._contact is Contact.ACTIVE

    def begin(self, now: float) -> None:
        """A new connection begins."""
        if self.has_message:
            self._contact = Contact.QUIET
        self._deadline = now + self._answer_timeout
        self._message_at = min(self._message_at, now)

    def message(self, now: float) -> None:
        """The device has sent a message."""
        self._contact = Contact.ACTIVE
        self._deadline = now + self._answer_timeout
        self._message_at = now
        if self._responding.trouble:
            self._responding.recovered(f"device {self._portals.portal} responds again", now)

    def overdue(self, connection: Connection, now: float) -> bool:
        """Report and doubt a device that is not discovered in time.

        Return whether only a new connection helps: the broker has lost a subscription.
        """
        if now < self._deadline:
            return False
        lost = connection.awaiting_acknowledgement
        if lost or self._portals.portal is None or self._contact is not Contact.NEW:
            self.report(now)
        if not lost and self._recheck_limit.due(now):
            self._deadline = now + self._answer_timeout
            if self._contact is Contact.NEW:
                self._contact = Contact.QUIET
            self._portals.recheck(connection)
        return lost

    def check(self, connection: Connection, now: float) -> None:
        """Check whether another device is there; report at once if the broker cannot show that."""
        if not self._portals.recheck(connection):
            self.report(now)

    def report(self, now: float) -> None:
        """The device is not responding: report that, with the devices found instead."""
        portal = self._portals.portal
        self._responding.failed(self._why(portal, now), now, PORTAL_ID=portal or "")

    def _why(self, portal: str | None, now: float) -> Trouble:
        if portal is None:
            return device_errors.no_portal(self._host, self._config)
        if others := self._portals.others:
            return device_errors.wrong_portal(self._host, portal, others, self._config)
        quiet, given = now - self._message_at, self._portals.given
        return device_errors.device_not_responding(self._host, portal, quiet, given=given)

"""dbus-flashmq, the MQTT plugin of Venus OS: its answers to requests, and its timers.

Rules: no socket, thread or clock in here. Requests and the time (Unix seconds) are parameters,
publishes are results. Reads are answered from D-Bus, a full republish from the plugin's cache.
firmware.py describes older firmware, with dbus-mqtt in place of the plugin.

Left out of the real plugin: logins, TLS, and the effect of a publish below W/.
"""

import json
import threading
import zlib
from dataclasses import dataclass, field
from math import floor

from tests.standins.venus.bus import Bus
from tests.standins.venus.faults import Faults
from tests.standins.venus.firmware import Firmware, echo_of, in_old_form, meaning, tree_in_old_form
from tests.standins.venus.log import Log, Request, Why
from tests.standins.venus.values import encode

KEEPALIVE_SECONDS = 60.0
HEARTBEAT_SECONDS = 3.0
LOST_SECONDS = 25.0  # later answers of D-Bus are never published
REPUBLISHES_A_SECOND = 3
VICTRON_KEEPALIVE_SECONDS = 30.0  # how often Victron's own clients send one

# Timers due at the same instant run in this order: no heartbeat at the end of a keepalive.
_TIMERS = ("expiry", "heartbeat", "change", "foreign read", "foreign keepalive")
_SUPPRESS = b"suppress-republish"


@dataclass(frozen=True, slots=True)
class Publish:
    """A message for the broker, QoS 0, to be sent `delay` seconds from now.

    Receivers do not see `why`; comparisons leave it out.
    """

    topic: str
    payload: bytes
    retain: bool = False
    delay: float = 0.0
    why: Why = field(default=Why.OTHER, compare=False)


class Plugin:
    """The plugin of one device, on its D-Bus."""

    def __init__(self, portal_id: str, bus: Bus, log: Log, firmware: Firmware) -> None:
        self.log = log
        self._firmware = firmware
        self._portal_id = portal_id
        self._bus = bus
        self._lock = threading.RLock()
        self._phase = zlib.crc32(portal_id.encode()) % 1000 / 1000  # of the second, at changes
        self._rate = 1  # changes a second
        self._moment = 0  # in 1/rate s
        self._outbox: list[Publish] = []
        self._clock_ahead = 0.0  # s, of the clock that heartbeats show
        self._clock_shown = True
        self._begin()

    def _begin(self) -> None:
        self._faults = Faults()
        self._stalled = False
        self._unread: list[tuple[str, bytes, int]] = []  # requests that came during a stall
        self._cache: dict[str, bytes] = {}  # the plugin's last payloads; stored while alive
        self._tokens = REPUBLISHES_A_SECOND
        self._token_second = 0
        self._forget_keepalive()

    def _forget_keepalive(self) -> None:
        self._alive = False
        self._timers: dict[str, float] = {}

    # Events of the broker and of the clock.

    @property
    def portal_id(self) -> str:
        """The second level of every topic."""
        return self._portal_id

    @property
    def alive(self) -> bool:
        """Whether a keepalive lasts, as of the latest `handle` or `advance`."""
        return self._alive

    def handle(self, topic: str, payload: bytes, now: float, qos: int = 0) -> list[Publish]:
        """Handle a publish below R/ or W/; return publishes due before it, then the answer."""
        with self._lock:
            out = self.advance(now)
            if self._stalled:
                self._unread.append((topic, payload, qos))
                return out
            self.log.add_request(Request(now, topic, payload, qos))
            if topic.startswith("W/"):
                self.log.count("writes")
            elif "+" in topic or "#" in topic:
                self.log.count("wildcards")
            elif not self._faults.deaf:
                out += self._heard(self._answer(topic, payload, now))
            return out

    def advance(self, now: float) -> list[Publish]:
        """Return the publishes due by now: heartbeats, changed values, and effects of faults."""
        with self._lock:
            out, self._outbox = self._outbox, []
            if self._faults.other is not None:
                self._timers.setdefault("foreign read", now)
                if self._faults.other.keepalive:
                    self._timers.setdefault("foreign keepalive", now)
            if not self._stalled and self._unread:
                unread, self._unread = self._unread, []
                out = self._heard(out)
                for topic, payload, qos in unread:
                    out += self.handle(topic, payload, now, qos)
                return out
            while self._timers:
                at, _, name = min((at, _TIMERS.index(n), n) for n, at in self._timers.items())
                if at > now:
                    break
                del self._timers[name]
                out += self._ring(name, at)
            self._enter(now)
            if self._stalled:
                self._outbox = self._heard(out)
                return []
            return self._heard(out)

    def next_due(self) -> float | None:
        """Return when `advance` is to be called next; 0.0 is at once, None is never."""
        with self._lock:
            starts = self._faults.other is not None and "foreign read" not in self._timers
            says = (self._outbox or self._unread) and not self._stalled
            return 0.0 if says or starts else min(self._timers.values(), default=None)

    def announce(self) -> list[Publish]:
        """Start along with the broker, part of which the plugin is: no keepalive, Serial retained.

        `silence` does not stop the broker's one retained message.
        """
        with self._lock:
            self._forget_keepalive()
            started = [] if self._firmware.is_dbus_mqtt else [self._publish("keepalive", b"1")]
            return [*self._serial(), *started]

    # Requests.

    def _answer(self, topic: str, payload: bytes, now: float) -> list[Publish]:
        portal_id, _, path = topic.removeprefix("R/").partition("/")
        if portal_id != self._portal_id or not path:
            self.log.count("errors")
            return []
        asked = meaning(self._firmware, path, payload)
        if asked.error:
            self.log.count("errors")
        out = []
        if asked.keepalive:
            self.log.count("keepalives")
            out += self._keepalive(payload, now)
        if asked.read:
            self.log.count("reads")
            out += self._read(path, Why.ANSWER)
        return out

    def _read(self, path: str, why: Why) -> list[Publish]:
        """Read from D-Bus: slow if a service hangs, and an error for an unknown name."""
        name, _, rest = path.partition("/")
        instance, slash, rest = rest.partition("/")
        items = self._bus.read(f"{name}/{instance}", "/" + rest) if slash else []
        items = [item for item in items if not self._faults.unreadable(item)]
        if not items:
            self.log.count("errors")
        answers = {item: self._bus.payload(item, fresh=True) for item in items}
        self._cache.update(answers)
        delays = {item: self._faults.delay(item) for item in items}
        if self._firmware.is_dbus_mqtt and items and items != [path]:
            below = path.removesuffix("/") + "/"
            leaves = {item.removeprefix(below): answers[item] for item in sorted(items)}
            answers, delays = {path: tree_in_old_form(leaves)}, {path: max(delays.values())}
        out = []
        for place, payload in answers.items():
            if delays[place] > LOST_SECONDS:
                self.log.count("errors")
            else:
                out.append(self._publish(place, payload, why, delays[place]))
        return out

    def _keepalive(self, payload: bytes, now: float) -> list[Publish]:
        out = []
        if self._firmware.is_dbus_mqtt:
            if not self._alive:
                self.log.count("republishes")
                everything = sorted(self._bus.items())
                out += [self._shown(item) for item in everything]
        elif _SUPPRESS not in payload:
            if self._take_token(now):
                out += self._republish(echo_of(payload), now)
            else:
                self.log.count("throttled")
        if not self._alive:
            self._alive = True
            for item in self._bus.items():
                self._cache[item] = self._cached(item)
            self._timers["change"] = self._next_change()
        self._timers["expiry"] = now + KEEPALIVE_SECONDS
        if "heartbeat" not in self._timers and not self._firmware.is_dbus_mqtt:
            out += self._ring("heartbeat", now)
        return out

    def _take_token(self, now: float) -> bool:
        # The plugin resets the limit once per second, however many requests there were.
        if floor(now) != self._token_second:
            self._token_second, self._tokens = floor(now), REPUBLISHES_A_SECOND
        self._tokens -= 1
        return self._tokens >= 0

    def _republish(self, echo: str | None, now: float) -> list[Publish]:
        self.log.count("republishes")
        completed: dict[str, object] = {"value": floor(now)}
        if echo is not None and self._firmware is not Firmware.NO_ECHO:
            completed["full-publish-completed-echo"] = echo
        text = json.dumps(completed, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        out = [self._shown(item) for item in self._bus.items()]
        return [*out, self._publish("full_publish_completed", text.encode())]

    def _shown(self, item: str) -> Publish:
        return self._publish(item, self._cached(item), Why.REPUBLISH)

    def _cached(self, item: str) -> bytes:
        if item in self._cache and self._faults.frozen(item):
            return self._cache[item]
        return self._bus.payload(item)

    # The clock.

    def _ring(self, name: str, at: float) -> list[Publish]:
        other = self._faults.other
        match name:
            case "expiry":
                withdrawn = self._withdrawn()
                self._alive = False
                self._timers.pop("change", None)
                return withdrawn
            case "heartbeat" if self._alive:
                self._timers["heartbeat"] = at + HEARTBEAT_SECONDS
                shown = encode(floor(at + self._clock_ahead))
                return [self._publish("heartbeat", shown)] if self._clock_shown else []
            case "change":
                self._enter(at)
                self._timers["change"] = self._next_change()
                return self._changes()
            case "foreign read" if other:
                self._timers[name] = at + other.interval
                self.log.count("foreign")
                return self._read(next(other.paths), Why.FOREIGN)
            case "foreign keepalive" if other and other.keepalive:
                self._enter(at)
                full = other.full_interval or not self._alive
                self._timers[name] = at + (other.full_interval or VICTRON_KEEPALIVE_SECONDS)
                self.log.count("foreign")
                return self._keepalive(b"" if full else _SUPPRESS, at)
        return []

    def _changes(self) -> list[Publish]:
        out = []
        for item in self._bus.items():
            if self._faults.frozen(item):
                continue
            payload = self._bus.payload(item, fresh=self._bus.changes)
            if payload != self._cache.get(item):
                self._cache[item] = payload
                out.append(self._publish(item, payload, Why.NOTIFICATION))
        return out

    def _enter(self, now: float) -> None:
        # A Unix time in a float is exact to less than the microsecond added here.
        self._moment = floor((now - self._phase + 1e-6) * self._rate)
        self._bus.enter(self._moment if self._rate == 1 else self._moment / self._rate)

    def _next_change(self) -> float:
        return (self._moment + 1) / self._rate + self._phase

    # Messages.

    def _publish(
        self, place: str, payload: bytes, why: Why = Why.OTHER, delay: float = 0.0
    ) -> Publish:
        retain = is_serial(place)
        if self._firmware.is_dbus_mqtt:
            read = why in {Why.ANSWER, Why.FOREIGN}
            retain = retain or not read
            payload = in_old_form(payload, read=read)
        return Publish(f"N/{self._portal_id}/{place}", payload, retain, delay, why)

    def _serial(self) -> list[Publish]:
        """Return the retained messages, whether or not a keepalive lasts."""
        items = (f"{service.key}/Serial" for service in self._bus.services())
        out = [self._publish(item, self._bus.payload(item)) for item in items if is_serial(item)]
        if self._firmware is Firmware.SELECTIVE:
            out.append(self._publish("keepalive", encode(1)))  # shows that the path exists
        return out

    def _withdrawn(self) -> list[Publish]:
        """Return the empty messages that remove retained values, if any, except the Serial."""
        if not (self._alive and self._firmware.is_dbus_mqtt):
            return []
        return [self._farewell(item) for item in self._bus.items() if not is_serial(item)]

    def _farewell(self, item: str) -> Publish:
        return self._publish(item, b"", Why.FAREWELL)

    def _heard(self, out: list[Publish]) -> list[Publish]:
        if self._faults.deaf:
            return []
        if not self._faults.silent:
            return out
        start = len(f"N/{self._portal_id}/")
        return [publish for publish in out if not self._faults.silences(publish.topic[start:])]


def is_serial(place: str) -> bool:
    """Whether this is what Venus OS publishes retained, and nothing else."""
    name, _, rest = place.partition("/")
    return name == "system" and rest.partition("/")[2] == "Serial"

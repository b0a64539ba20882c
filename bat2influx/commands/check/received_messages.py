"""The messages of one device while `check` looks for its instances, requested or not.

Rules: no socket. A retained message does not prove that the device responds, but shows which
services exist: firmware before Venus OS 3.20 publishes all its values retained.
"""

from __future__ import annotations

from bat2influx.commands.discover.survey import ServiceInstance, Survey
from bat2influx.device.device_clock import DeviceClock, distance_of
from bat2influx.mqtt.connection import Message

PRODUCT = "ProductId"  # which every service has, and which never changes


class ReceivedMessages:
    """The values of the device `portal` so far, as a survey.

    `responds` is whether one of its messages was not retained. `clock` is what heartbeats show, and
    `shown` the distance that a single one shows (device_clock.py); the least delayed one counts.
    """

    def __init__(self, portal: str) -> None:
        self.responds = False
        self.portal = portal
        self.clock = DeviceClock()
        self.shown: int | None = None
        self.survey = Survey(portal, "")
        self._below = f"N/{portal}/"

    def process(self, message: Message) -> None:
        """Take a message into account, whatever its topic."""
        if message.topic.startswith(self._below):
            self.responds = self.responds or not message.retain
            self.survey.process(message.topic, message.payload)
            if message.topic == f"{self._below}heartbeat" and not message.retain:
                self._heartbeat(message)

    def _heartbeat(self, message: Message) -> None:
        self.clock.heartbeat(message.payload, message.arrival)
        distance = distance_of(message.payload, message.arrival)
        if distance is not None:
            self.shown = distance if self.shown is None else max(distance, self.shown)

    @property
    def places(self) -> tuple[ServiceInstance, ...]:
        """The services that exist, first those that a battery owner wants."""
        numbers = self.survey.numbers
        return tuple(place for place in self.survey.places() if PRODUCT in numbers[place])

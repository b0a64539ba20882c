"""The Venus stand-in on a broker: any number of devices over one MQTT connection.

Rules: one thread owns the connection and the devices' time; other threads call `wake`. On a real
device the plugin is part of the broker, so a new connection counts as a start of broker and plugin
together: keepalives are lost, the retained Serial is published again.

As a program, for people without hardware (`--broker` starts a Mosquitto too):

    /usr/bin/python3 -m tests.standins.venus.mqtt --broker --port 1883
"""

import heapq
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt

from tests.standins.venus.device import Device
from tests.standins.venus.log import Sent
from tests.standins.venus.plugin import Publish

RETRY_SECONDS = 0.05
_START = time.time() - time.monotonic()


def steady_unix_time() -> float:
    """Return the Unix time in seconds, independent of later changes of the system clock."""
    return _START + time.monotonic()


def new_client(client_id: str = "") -> mqtt.Client:
    """Return a client of paho 1.6 or 2; its callbacks take their arguments as paho 2 has them.

    The callbacks get no properties: write `on_connect(client, userdata, flags, code, *_)`.
    """
    if hasattr(mqtt, "CallbackAPIVersion"):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
    return mqtt.Client(client_id=client_id)


class VenusRunner:
    """Attaches devices to the broker at host and port; as a context manager it runs in the block.

    `clock` is the devices' clock; after setting it by hand call `wake`. With `interest` the broker
    is that of the VRM cloud, on the far side of each device's bridge: a device's messages get there
    for so many seconds after the latest request from there, and nothing is retained.
    """

    def __init__(
        self,
        host: str,
        port: int,
        devices: Device | Sequence[Device],
        *,
        username: str | None = None,
        password: str | None = None,
        clock: Callable[[], float] = steady_unix_time,
        interest: float | None = None,
    ) -> None:
        self.devices = (devices,) if isinstance(devices, Device) else tuple(devices)
        self._by_portal_id: dict[str, Device] = {}
        self._address = host, port
        self._login = username, password
        self._clock = clock
        self._interest = interest
        self._wanted: dict[Device, float] = {}  # until when, while there is interest
        self._client: mqtt.Client | None = None
        self._inbox: deque[mqtt.MQTTMessage] = deque()
        self._touched: deque[Device] = deque()
        self._due: dict[Device, float] = {}
        self._agenda: list[tuple[float, int, Device]] = []
        self._late: list[tuple[float, int, int, Device, Publish]] = []
        self._order = count()
        self._connected = self._hears = self._announced = False
        self._attached = threading.Event()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="venus", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def device(self) -> Device:
        """The first of the devices."""
        return self.devices[0]

    def start(self, timeout: float = 30.0) -> None:
        """Start and wait until the requests are subscribed to. Raises TimeoutError."""
        for device in self.devices:
            device.on_change = partial(self.touch, device)
        self._thread.start()
        if not self.wait_attached(timeout):
            self.stop()
            raise TimeoutError("no MQTT broker at {}:{}".format(*self._address))

    def stop(self) -> None:
        """Disconnect and end; raises the error of the thread if it failed."""
        for device in self.devices:
            device.on_change = lambda: None
        self._stopping.set()
        self.wake()
        self._thread.join()
        self._wake_in.close()
        self._wake_out.close()
        if self._failure is not None:
            raise self._failure

    def wait_attached(self, timeout: float = 30.0) -> bool:
        """Wait until the broker has the subscriptions and each Serial; False after `timeout` s."""
        return self._attached.wait(timeout)

    def wake(self) -> None:
        """Wake the thread to check its clock and every device now."""
        self._touched.extend(self.devices)
        self._ring()

    def touch(self, device: Device) -> None:
        """Wake the thread to check one device now."""
        self._touched.append(device)
        self._ring()

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # when many earlier calls are still queued
            self._wake_out.send(b"!")

    # The thread.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._client is None or self._client.socket() is None:
                    self._attached.clear()
                    if self._client is not None:
                        self._stopping.wait(RETRY_SECONDS)
                    self._connect()
                self._wait()
                self._work()
            if self._client is not None:
                self._client.disconnect()
        except BaseException as failure:
            self._failure = failure
            raise

    def _connect(self) -> None:
        self._inbox.clear()
        self._late.clear()
        self._connected = self._hears = self._announced = False
        client = new_client()
        if self._login[0] is not None:
            client.username_pw_set(*self._login)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        try:
            client.connect(*self._address)
        except OSError:
            self._client = None
        else:
            # Otherwise all but the first of several answers are delayed 40 ms by the broker's ACK.
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = client

    def _on_connect(self, _: mqtt.Client, __: Any, ___: Any, code: Any, *____: Any) -> None:
        self._connected = code == 0

    def _on_subscribe(self, *_: Any) -> None:
        if self._announced:
            self._attached.set()
        else:
            self._hears = True

    def _on_message(self, _: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        self._inbox.append(message)

    def _wait(self) -> None:
        """Wait for a packet, a call of `wake` or the next moment at which something is due."""
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        timeout = RETRY_SECONDS
        client = self._client
        if client is not None and client.socket() is not None:
            out = select.POLLOUT if client.want_write() else 0
            poll.register(client.socket(), select.POLLIN | out)
            due = min((heap[0][0] for heap in (self._agenda, self._late) if heap), default=None)
            timeout = 1.0 if due is None else min(1.0, max(0.0, due - self._clock()))
        ready = dict(poll.poll(timeout * 1000.0))
        if ready.pop(self._wake_in.fileno(), 0):
            self._wake_in.recv(65536)
        if client is None:
            return
        for events in ready.values():
            if events & select.POLLOUT:
                client.loop_write()
            if events & ~select.POLLOUT and client.socket() is not None:
                client.loop_read()
        client.loop_misc()

    def _work(self) -> None:
        """Send due messages before an answer, so that an answer comes after all earlier ones."""
        if self._connected and self._client is not None:
            self._connected = False
            self._client.subscribe("R/#", 2)
        if self._hears and not self._announced:
            self._announced = True
            self._announce()
        now = self._clock()
        while self._touched:
            self._advance(self._touched.popleft(), now)
        while self._agenda and self._agenda[0][0] <= now:
            due, _, device = heapq.heappop(self._agenda)
            if self._due.get(device) == due:
                del self._due[device]
                self._advance(device, now)
        while self._late and self._late[0][0] <= now:
            _, _, generation, device, publish = heapq.heappop(self._late)
            if generation == device.generation:
                self._put(device, publish, now)
        while self._inbox:
            self._take(self._inbox.popleft())

    def _announce(self) -> None:
        """Publish each Serial, now that requests from waiting clients will be received."""
        for device in self.devices:
            self._send(device, device.announce())
        self._touched.extend(self.devices)
        if self._client is not None:  # its SUBACK shows that each Serial is retained
            self._client.subscribe("W/#", 2)

    def _take(self, message: mqtt.MQTTMessage) -> None:
        if message.retain:
            return  # it was a request when it was published, before this connection
        device = self._find(message.topic)
        now = self._clock()
        if self._interest is not None and f"/{device.portal_id}/" in message.topic:
            self._wanted[device] = now + self._interest
        self._send(device, device.handle(message.topic, message.payload, now, message.qos))
        self._schedule(device)

    def _find(self, topic: str) -> Device:
        """Return the device of a topic; a topic of no device counts as an error of the first."""
        portal_id = topic.partition("/")[2].partition("/")[0]
        device = self._by_portal_id.get(portal_id)
        if device is None or device.portal_id != portal_id:
            self._by_portal_id = {device.portal_id: device for device in self.devices}
        return self._by_portal_id.get(portal_id, self.device)

    def _advance(self, device: Device, now: float) -> None:
        self._send(device, device.advance(now))
        self._schedule(device)

    def _schedule(self, device: Device) -> None:
        due = device.next_due()
        if due is None:
            self._due.pop(device, None)
        elif self._due.get(device) != due:
            self._due[device] = due
            heapq.heappush(self._agenda, (due, next(self._order), device))

    def _send(self, device: Device, publishes: list[Publish]) -> None:
        now = self._clock()
        for publish in publishes:
            if publish.delay:
                entry = now + publish.delay, next(self._order), device.generation, device, publish
                heapq.heappush(self._late, entry)
            else:
                self._put(device, publish, now)

    def _put(self, device: Device, publish: Publish, now: float) -> None:
        if self._client is None:
            return
        retain = publish.retain
        if self._interest is not None:
            retain = False
            if now > self._wanted.get(device, 0.0):
                device.log.count("withheld")
                return
        sent = self._client.publish(publish.topic, publish.payload, 0, retain)
        if sent.rc == mqtt.MQTT_ERR_SUCCESS:
            device.log.add_sent(Sent(now, publish.topic, publish.payload, publish.why))


if __name__ == "__main__":
    from tests.standins.venus.command import main

    sys.exit(main())

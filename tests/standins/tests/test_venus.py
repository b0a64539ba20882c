"""The Venus stand-in compared with the recorded conversation with a real device; its faults.

Rules: devices on a broker have a clock that only the test moves. To prove that no more messages
come, a test waits for the answer to a read: earlier messages arrive before that answer.
"""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import TOP
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.faults import apply
from tests.standins.venus.log import Why
from tests.standins.venus.mqtt import VenusRunner, new_client
from tests.standins.venus.values import encode, float32
from tests.support.process import free_port

TRANSCRIPT = TOP / "tests/standins/venus/venus-transcript.jsonl"
PORTAL_ID = "c0619ab1c2d3"
NOW = 1795350000.25
WAIT = 30.0  # s; on an idle machine it takes a millisecond
MARK = "mark/system/0/Relay/0/State"  # of a second device, on the same connection
SUPPRESSED = b'{"keepalive-options":["suppress-republish"]}'
# What the recording client had subscribed to from the first keepalive on.
NARROW = (
    "vebus/+/ProductId",
    "vebus/275/Soc",
    "vebus/275/Dc/0/+",
    "full_publish_completed",
    "heartbeat",
    "system/0/Serial",
)


class Clock:
    """A clock for the devices that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Message:
    """What a client receives; an acknowledgement has PUBACK for its topic."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False


class Listener:
    """A client that records the broker's deliveries and acknowledgements in order."""

    def __init__(self, port: int, *filters: str) -> None:
        self._messages: list[Message] = []
        self._changed = threading.Condition()
        self._client = new_client()
        self._client.on_connect = lambda client, *_: client.subscribe([(f, 2) for f in filters])
        self._client.on_subscribe = lambda *_: self._keep(Message("SUBACK"))
        self._client.on_publish = lambda *_: self._keep(Message("PUBACK"))
        self._client.on_message = lambda _, __, m: self._keep(
            Message(m.topic, m.payload, m.qos, bool(m.retain))
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.wait_until(lambda messages: Message("SUBACK") in messages)

    def _keep(self, message: Message) -> None:
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[list[Message]], bool]) -> None:
        """Wait for a condition on the messages that were not taken yet."""
        with self._changed:
            done = self._changed.wait_for(lambda: condition(self._messages), WAIT)
            assert done, self._messages

    def take(self) -> list[Message]:
        """Return the messages since the last call."""
        with self._changed:
            messages, self._messages = self._messages, []
            return messages

    def publish(self, topic: str, payload: bytes = b"", qos: int = 0) -> None:
        self._client.publish(topic, payload, qos)

    def ask(self, path: str, payload: bytes = b"", qos: int = 0) -> None:
        """Publish below R/<portal id>/."""
        self.publish(f"R/{PORTAL_ID}/{path}", payload, qos)

    def settle(self) -> list[Message]:
        """Return all messages before the answer to a read that is sent now."""
        self.publish(f"R/{MARK}")
        self.wait_until(lambda messages: any(m.topic == f"N/{MARK}" for m in messages))
        # Acknowledgements have a separate test; paho also reports each QoS 0 message.
        return [
            m for m in self.take() if m.topic.startswith("N/") and not m.topic.startswith("N/mark/")
        ]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Stage:
    """A device on a broker, its clock, and the subscribed clients."""

    broker: Mosquitto
    clock: Clock
    device: Device
    runner: VenusRunner

    def __post_init__(self) -> None:
        self.listeners: list[Listener] = []

    def listen(self, *filters: str) -> Listener:
        """Subscribe; filters are those below N/<portal id>/, without any all of N/#."""
        topics = [*(f"N/{PORTAL_ID}/{f}" for f in filters), f"N/{MARK}"] if filters else ["N/#"]
        self.listeners.append(Listener(self.broker.port, *topics))
        return self.listeners[-1]

    def move(self, seconds: float) -> None:
        """Advance the device's clock."""
        self.clock.now += seconds
        self.runner.wake()


def mark() -> Device:
    """Return the device whose answer shows that all earlier requests have been answered."""
    return Device("mark", ["system"])


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    directory = tmp_path_factory.mktemp("mosquitto")
    with Mosquitto(directory, config="max_queued_messages 0") as mosquitto:  # drop nothing
        yield mosquitto


@pytest.fixture
def stage(broker: Mosquitto) -> Iterator[Stage]:
    clock = Clock()
    device = Device(PORTAL_ID)
    with VenusRunner("127.0.0.1", broker.port, [device, mark()], clock=clock) as runner:
        stage = Stage(broker, clock, device, runner)
        yield stage
        for listener in stage.listeners:
            listener.close()


# The recorded conversation.


def read_scenes() -> dict[str, list[dict[str, Any]]]:
    scenes: dict[str, list[dict[str, Any]]] = {}
    for line in TRANSCRIPT.read_text().splitlines():
        entry = json.loads(line)
        if "scene" in entry:
            events = scenes[entry["scene"]] = []
        else:
            events.append(entry)
    return scenes


SCENES = read_scenes()
TITLES = list(SCENES)
FIRST_NARROW = next(i for i, title in enumerate(TITLES) if title.startswith("keepalive with an e"))


@dataclass
class Turn:
    """An action, the device's immediate messages, and its later messages."""

    act: dict[str, Any]
    prompt: list[Message]
    later: list[Message]
    seconds: float


def turns(events: list[dict[str, Any]], *, heartbeat: bool) -> list[Turn]:
    """Split a scene; a heartbeat that happens to come within an answer is no part of it."""
    done: list[Turn] = []
    for event in events:
        if not done or event.get("from") != "device":
            done.append(Turn(event, [], [], 0.0))
            start = event["ms"]
        if event.get("from") == "device":
            message = Message(
                event["topic"], event["payload"].encode(), event["qos"], event["retain"]
            )
            prompt = event["ms"] - start < 100 and (heartbeat or "heartbeat" not in message.topic)
            (done[-1].prompt if prompt else done[-1].later).append(message)
            done[-1].seconds = (event["ms"] - start) / 1000
    return done


def form(message: Message) -> tuple[object, ...]:
    """Return a message without its number; it must be compact JSON in alphabetical order."""
    if not message.payload:
        return (message.topic, "zero-byte", message.qos, message.retain)
    body = json.loads(message.payload)
    compact = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    assert compact.encode() == message.payload
    value = body.pop("value")
    if isinstance(value, float):
        assert value == float32(value)
    kept = value if isinstance(value, str) else type(value)
    return (message.topic, kept, tuple(body.items()), message.qos, message.retain)


def tail(messages: list[Message]) -> list[tuple[object, ...]]:
    """Return the messages from the end of a full republish on."""
    forms = [form(m) for m in messages]
    ends = [i for i, m in enumerate(messages) if m.topic.endswith("full_publish_completed")]
    return forms[ends[0] :] if ends else []


def changes(messages: list[Message]) -> list[Message]:
    """Return the messages without heartbeats and answers to a subscription."""
    return [m for m in messages if not m.retain and not m.topic.endswith("/heartbeat")]


KNOWN = {
    form(m) for events in SCENES.values() for t in turns(events, heartbeat=False) for m in t.later
}


@pytest.mark.parametrize("title", TITLES)
def test_a_scene_runs_as_recorded(title: str, stage: Stage) -> None:
    """The stand-in sends the same messages as the real device in this scene, and no more."""
    number = TITLES.index(title)
    listener = stage.listen(*(NARROW if number >= FIRST_NARROW else ()))
    if number > FIRST_NARROW:  # then the device was alive already
        listener.ask("keepalive", SUPPRESSED)
    if number:
        listener.settle()
    for turn in turns(SCENES[title], heartbeat=number == FIRST_NARROW):
        if "happens" in turn.act:
            apply(stage.device, {**turn.act["happens"], "hold": False})
        elif turn.act["from"] == "client":
            listener.publish(turn.act["topic"], turn.act["payload"].encode(), turn.act["qos"])
        answer = listener.settle()
        assert Counter(map(form, answer)) == Counter(map(form, turn.prompt))
        assert tail(answer) == tail(turn.prompt)
        stage.move(max(turn.seconds, 1.0) if changes(turn.later) else turn.seconds)
        later = listener.settle()
        assert {form(m) for m in later} <= KNOWN
        assert bool(changes(later)) == bool(changes(turn.later))


# On a broker.


def test_the_acknowledgement_comes_before_the_answer(stage: Stage) -> None:
    """With QoS 1 the PUBACK comes before the reply, and also comes without a reply."""
    listener = stage.listen("vebus/275/Soc")
    listener.settle()
    listener.ask("vebus/275/Soc", qos=1)
    listener.wait_until(lambda messages: len(messages) == 2)
    assert [m.topic for m in listener.take()] == ["PUBACK", f"N/{PORTAL_ID}/vebus/275/Soc"]
    listener.ask("vebus/276/Soc", qos=1)
    listener.wait_until(lambda messages: len(messages) == 1)
    assert [m.topic for m in listener.take()] == ["PUBACK"]


def test_overlapping_filters_give_duplicates(stage: Stage) -> None:
    """A client that subscribes to a path in two ways gets each message twice."""
    listener = stage.listen("vebus/275/Soc", "vebus/275/+")
    listener.settle()
    listener.ask("vebus/275/Soc")
    assert [m.topic for m in listener.settle()] == [f"N/{PORTAL_ID}/vebus/275/Soc"] * 2


def test_only_the_serial_is_retained(stage: Stage) -> None:
    """A new subscriber gets the Serial and nothing else, however much was published before."""
    first = stage.listen()
    first.ask("keepalive")
    assert len(first.settle()) > 50
    serial = Message(f"N/{PORTAL_ID}/system/0/Serial", encode(PORTAL_ID), retain=True)
    assert stage.listen().settle() == [serial]


def test_every_subscriber_gets_every_answer(stage: Stage) -> None:
    """The answer to one client's read reaches the others too."""
    first, second = stage.listen("vebus/275/Soc"), stage.listen("vebus/275/Soc")
    first.ask("vebus/275/Soc")
    assert len(first.settle()) == 1
    assert len(second.settle()) == 1


def test_after_a_restart_of_the_broker_the_device_reconnects(tmp_path: Path) -> None:
    """After a restart of the broker the Serial is retained again, and the keepalive is lost."""
    device = Device(PORTAL_ID)
    with (
        Mosquitto(tmp_path) as broker,
        VenusRunner("127.0.0.1", broker.port, [device, mark()], clock=Clock()) as runner,
    ):
        listener = Listener(broker.port, "N/#")
        listener.ask("keepalive")
        listener.settle()
        was_alive = device.alive
        listener.close()
        broker.stop()
        device.log.clear()
        broker.start()
        assert device.log.wait_until(lambda log: bool(log.sent), WAIT)
        assert runner.wait_attached(WAIT)
        listener = Listener(broker.port, "N/#")
        assert [m.topic for m in listener.settle()] == [f"N/{PORTAL_ID}/system/0/Serial"]
        assert (was_alive, device.alive) == (True, False)
        listener.close()


def test_a_thousand_devices_share_one_connection(broker: Mosquitto) -> None:
    """Each device answers its own requests, whatever their number."""
    devices = [Device(f"{number:012x}", log_limit=10) for number in range(1000)]
    with VenusRunner("127.0.0.1", broker.port, devices):
        listener = Listener(broker.port, "N/+/vebus/275/Dc/0/+")
        listener.take()
        for device in devices:
            listener.publish(f"R/{device.portal_id}/vebus/275/Dc/0")
        listener.wait_until(lambda messages: sum(m.topic != "PUBACK" for m in messages) == 5000)
        assert len({m.topic for m in listener.take()} - {"PUBACK"}) == 5000
        listener.close()
    assert all(device.log.counters.reads == 1 for device in devices)


def test_the_log_holds_what_was_delivered(stage: Stage) -> None:
    """The log has requests and publishes as a client sent and received them."""
    listener = stage.listen("vebus/275/Dc/0/+")
    listener.settle()
    stage.device.log.clear()
    listener.ask("vebus/275/Dc/0", b"ignored", qos=1)
    received = listener.settle()
    (request,) = stage.device.log.requests
    assert (request.time, request.payload, request.qos) == (NOW, b"ignored", 1)
    assert request.topic == f"R/{PORTAL_ID}/vebus/275/Dc/0"
    sent = [(s.topic, s.payload) for s in stage.device.log.sent]
    assert sent == [(m.topic, m.payload) for m in received]
    assert {s.why for s in stage.device.log.sent} == {Why.ANSWER}


def test_a_late_answer_comes_after_its_delay(stage: Stage) -> None:
    """A hung service answers by its delay later; a restart loses what has not been answered."""
    listener = stage.listen("vebus/275/Soc")
    stage.device.late(3.0, "vebus")
    listener.ask("vebus/275/Soc")
    assert listener.settle() == []
    stage.move(2.9)
    assert listener.settle() == []
    stage.move(0.2)
    assert len(listener.settle()) == 1
    listener.ask("vebus/275/Soc")
    listener.settle()
    stage.device.restart()
    stage.move(4.0)
    assert listener.settle() == []


def test_a_broker_that_was_frozen_delivers_in_one_burst(stage: Stage) -> None:
    """Requests during the freeze are answered after the queued notifications."""
    listener = stage.listen("vebus/275/Dc/0/Current")
    listener.ask("keepalive", SUPPRESSED)
    listener.settle()
    stage.device.stall()
    listener.ask("vebus/275/Dc/0/Current")
    for _ in range(4):
        stage.move(1.0)
        assert listener.settle() == []
    stage.device.log.clear()
    stage.device.go_on()
    assert stage.device.log.wait_until(lambda log: Why.ANSWER in [s.why for s in log.sent], WAIT)
    burst = listener.settle()
    assert len(burst) == 5
    here = [s for s in stage.device.log.sent if s.topic.endswith("Dc/0/Current")]
    assert [m.payload for m in burst] == [s.payload for s in here]
    assert [s.why for s in here] == [Why.NOTIFICATION] * 4 + [Why.ANSWER]
    assert {s.time for s in here} == {stage.clock.now}


def test_a_silent_device_loses_what_it_is_asked(stage: Stage) -> None:
    """During `silence` it neither sends nor receives; lost requests are not answered later."""
    listener = stage.listen()
    listener.ask("keepalive", SUPPRESSED)
    listener.settle()
    stage.device.silence()
    listener.ask("vebus/275/Soc")
    assert stage.device.log.wait_until(lambda log: log.requests[-1].topic.endswith("Soc"), WAIT)
    stage.move(10.0)
    listener.settle()
    stage.device.speak()
    assert listener.settle() == []
    stage.move(3.0)
    assert f"N/{PORTAL_ID}/heartbeat" in {m.topic for m in listener.settle()}


def test_no_broker_is_a_timeout() -> None:
    """A runner without a broker raises an error and does not wait for ever."""
    runner = VenusRunner("127.0.0.1", free_port(), Device())
    with pytest.raises(TimeoutError):
        runner.start(timeout=0.2)


# The command.


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-m", "tests.standins.venus.mqtt", "--log", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        program, cwd=TOP, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        guard = threading.Timer(WAIT, process.kill)  # so that no readline waits for ever
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()


def test_the_command_executes_its_input(broker: Mosquitto) -> None:
    """Operations come as lines of JSON, requests are printed, a bad line is reported."""
    port = str(broker.port)
    with command("--port", port, "--instance", "276", "--end-at-eof") as process:
        assert process.stdin and process.stdout and process.stderr
        assert json.loads(process.stdout.readline())["portal_ids"] == [PORTAL_ID]
        process.stdin.write('{"op":"set","svc":"vebus","path":"/Soc","value":12}\n{"op":"no"}\n')
        process.stdin.flush()
        assert "no such operation" in process.stderr.readline()
        listener = Listener(broker.port, f"N/{PORTAL_ID}/vebus/276/Soc")
        listener.ask("vebus/276/Soc")
        listener.wait_until(lambda messages: any(m.payload == b'{"value":12}' for m in messages))
        listener.close()
        assert json.loads(process.stdout.readline())["topic"] == f"R/{PORTAL_ID}/vebus/276/Soc"
        process.stdin.close()
        assert process.wait(WAIT) == 0


def test_the_command_can_be_a_large_system_or_an_old_one() -> None:
    """--large has a grid meter; --firmware behaves like that release."""
    with command("--broker", "--port", "0", "--large", "--firmware", "serial-alone") as process:
        assert process.stdout
        listener = Listener(json.loads(process.stdout.readline())["port"], "N/#")
        listener.ask("keepalive")
        listener.ask("grid/30/Ac/L3/Power")
        listener.wait_until(lambda messages: any("/grid/" in m.topic for m in messages))
        come = [m for m in listener.take() if m.topic.startswith("N/") and not m.retain]
        assert [m.topic for m in come] == [f"N/{PORTAL_ID}/grid/30/Ac/L3/Power"]
        assert come[0].payload.startswith(b'{"value": ')
        listener.close()


def test_the_command_can_start_a_broker() -> None:
    """With --broker one command is a complete device, and SIGTERM ends all of it."""
    with command("--broker", "--port", "0", "--devices", "2") as process:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["portal_ids"] == [PORTAL_ID, "c0619ab1c2d4"]
        listener = Listener(ready["port"], "N/+/system/0/Serial")
        listener.wait_until(lambda messages: sum(m.retain for m in messages) == 2)
        listener.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0

"""What `check` reports about a device's instances, and how it reads their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from bat2influx.commands.check.conversation import (
    LEAVES_AFTER,
    OLD_FIRMWARE,
    SEARCH_WITHIN,
)
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import UndecidedError
from bat2influx.mqtt.connection import Message
from bat2influx.venus.presets import fields_of
from tests.unit.commands.check.steps_by_hand import (
    HOST,
    INSTANCE,
    LOST,
    VALUES,
    after_portal,
    taken,
    waited,
    wrong,
)
from tests.unit.commands.session_by_hand import (
    CONFIG,
    MULTI,
    HandBroker,
    HandDevice,
    P,
    battery,
    fields,
)

# The instances


KEEPALIVES = [f"R/{P}/keepalive", f"R/{P}/system/0/Serial"]  # in the two ways


def asked(broker: HandBroker) -> list[str]:
    """Return what was published, in order."""
    return [topic for topic, _ in broker.published]


@pytest.mark.parametrize(
    ("listed", "serial", "given"), [(True, "", False), (True, P, False), (False, P, True)]
)
def test_a_device_that_answers_nothing_is_not_responding(
    monkeypatch: pytest.MonkeyPatch, listed: bool, serial: str, given: bool
) -> None:
    """It gets one keepalive of each kind; an unlisted portal id may be wrong."""
    broker = HandBroker(HandDevice(silent=True, listed=listed))
    found = after_portal(monkeypatch, broker, battery(serial=serial))
    assert found == [
        wrong("device", device_errors.device_not_responding(HOST, P, SEARCH_WITHIN, given=given))
    ]
    assert asked(broker) == KEEPALIVES


def test_a_retained_message_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker sends it also for a device that is off."""
    broker = HandBroker(HandDevice(silent=True))
    broker.at(1.0, f"N/{P}/vebus/275/ProductId", b'{"value":1}', retain=True)
    (step,) = after_portal(monkeypatch, broker, battery())
    assert step.label == "device"


def test_old_firmware_has_time_to_list_its_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not mark the end: a list is complete a twelfth of a minute after the last message."""
    broker = HandBroker(HandDevice(ends=False))
    assert after_portal(monkeypatch, broker, battery()) == [INSTANCE, *VALUES]
    assert waited(broker, OLD_FIRMWARE / 12)


OLD_TIMES = OLD_FIRMWARE / 12  # s; so long each question has


@pytest.mark.parametrize("instance", [None, 275])
def test_firmware_before_3_20_gets_its_own_keepalive(
    monkeypatch: pytest.MonkeyPatch, instance: int | None
) -> None:
    """If the first keepalive has no effect; after that leaves are read."""
    own = battery(
        instance=instance,
        fields=fields(Voltage="vebus/Dc/0/Voltage", Current="vebus/Dc/0/Current"),
    )
    values = {**MULTI, "vebus/275/Dc/0/Current": -7}
    broker = HandBroker(HandDevice(values=values, old=True))
    assert after_portal(monkeypatch, broker, own) == [
        INSTANCE,
        VALUES[0],
        Step(OK, "Current", "-7 A (vebus/275/Dc/0/Current)"),
    ]
    leaves = [f"R/{P}/vebus/275/{path}" for path in ("ProductId", "Dc/0/Voltage", "Dc/0/Current")]
    assert asked(broker) == [*KEEPALIVES, *leaves]
    assert waited(broker, 2 * OLD_TIMES)


def test_old_firmware_that_is_awake_publishes_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Retained messages are no sign of life then, but its answer to a read is."""
    device = HandDevice(old=True)
    broker = HandBroker(device)
    monkeypatch.setattr(device, "answers", awake(device))
    broker.at(1.0, f"N/{P}/vebus/275/ProductId", b'{"value":2623}', retain=True)
    assert after_portal(monkeypatch, broker, battery()) == [INSTANCE, *VALUES]


def awake(device: HandDevice) -> Callable[[str, bytes], Iterable[Message]]:
    """Return the answers of a device that has published everything before."""
    answers = device.answers

    def answer(topic: str, payload: bytes) -> Iterable[Message]:
        return () if topic.endswith("/Serial") else answers(topic, payload)

    return answer


def test_the_sub_tree_of_a_system_that_is_old_is_read_leaf_by_leaf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no search, so that the reads show the old firmware."""
    values = {"system/0/Dc/Battery/Soc": 88.5, "system/0/Dc/Battery/Power": 120}
    own = battery(
        fields=fields(A="system/Dc/Battery/Soc", B="system/Dc/Battery/Power"),
    )
    broker = HandBroker(HandDevice(values=values, old=True))
    assert after_portal(monkeypatch, broker, own) == [
        Step(OK, "instance", "system 0"),
        Step(OK, "A", "88.5 % (system/0/Dc/Battery/Soc)"),
        Step(OK, "B", "120 W (system/0/Dc/Battery/Power)"),
    ]
    assert waited(broker, LEAVES_AFTER)


def test_found_a_healthy_system_was_reported_as_not_responding_without_a_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fields of system alone need no search, and only the Serial had arrived before a read."""
    own = battery(fields=fields(Soc="system/Dc/Battery/Soc"))
    for silent, label in ((False, "Soc"), (True, "device")):
        device = HandDevice(values={"system/0/Dc/Battery/Soc": 88.5}, silent=silent)
        *_, last = after_portal(monkeypatch, HandBroker(device), own)
        assert (last.label, last.state) == (label, WRONG if silent else OK)


# A bridge that passes values and no questions


@pytest.mark.parametrize("leaf", ["heartbeat", "vebus/275/Soc"])
@pytest.mark.parametrize("prefix", ["", "boat/"])
def test_values_that_arrive_without_answers_name_the_bridge(
    monkeypatch: pytest.MonkeyPatch, leaf: str, prefix: str
) -> None:
    """Another client keeps the device alive; neither a keepalive nor a read gets an answer."""
    broker = HandBroker(HandDevice(silent=True, prefix=prefix))
    for second in range(1, 12):
        broker.at(float(second), f"{prefix}N/{P}/{leaf}", b'{"value":1}')
    found = after_portal(monkeypatch, broker, battery(topic_prefix=prefix))
    why = device_errors.questions_unanswered(HOST, P, prefix, values=True)
    assert found == [wrong("device", why)]
    assert "restart" not in why.text


def test_notifications_of_wanted_values_are_not_treated_as_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a preset a search receives changed values, which prove nothing."""
    broker = HandBroker(HandDevice(silent=True))
    for second in range(1, 20):
        broker.at(float(second), f"N/{P}/grid/30/Ac/Power", b'{"value":1}')
        broker.at(float(second), f"N/{P}/vebus/275/Soc", b'{"value":1}')
    own = battery(instance=275, fields=(*battery().fields, *fields_of(["grid"])), instances="name")
    (step,) = after_portal(monkeypatch, broker, own)
    assert "sends values, but does not answer requests" in step.text


def test_a_prefix_shows_that_there_is_a_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it, although only the retained serial number is there."""
    broker = HandBroker(HandDevice(silent=True, prefix="boat/"))
    why = device_errors.questions_unanswered(HOST, P, "boat/", values=False)
    found = after_portal(monkeypatch, broker, battery(topic_prefix="boat/"))
    assert found == [wrong("device", why)]


# A system without vebus


SHUNT = {
    "system/0/Dc/Battery/Soc": 66,
    "battery/512/ProductId": 1,
    "battery/512/Soc": 66,
    "solarcharger/288/ProductId": 2,
    "solarcharger/288/Yield/Power": 120,
    "solarcharger/289/ProductId": 2,
    "solarcharger/289/Yield/Power": 80,
    "settings/0/ProductId": 3,
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("instance", [None, 275])
def test_services_of_a_system_without_an_inverter_are_reported(
    monkeypatch: pytest.MonkeyPatch, instance: int | None, old: bool
) -> None:
    """With the lines that read them, as `discover` prints them."""
    broker = HandBroker(HandDevice(values=SHUNT, old=old))
    first, second = after_portal(monkeypatch, broker, battery(instance=instance))
    places = [(service, int(n)) for service, n, *_ in (leaf.split("/") for leaf in SHUNT)]
    assert first == wrong("instance", device_errors.no_vebus(HOST, places))
    assert "it has battery 512, solarcharger 288 and 289. To read" in first.text
    assert second[:2] == (NOTE, "[Fields]")
    head, *lines = second.text.split("\n")
    assert head == "these lines read what the device has:"
    assert lines[:2] == ["[Fields]", "defaults = no"]
    assert "BatterySoc = battery/512/Soc # 66 %" in {" ".join(line.split()) for line in lines}
    assert "#" not in {line[0] for line in lines}


def test_without_other_services_the_advice_is_to_switch_on_the_inverter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The GX device itself measures nothing comparable."""
    values = {"system/0/Dc/Battery/Soc": 66, "settings/0/ProductId": 3}
    (step,) = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), battery())
    assert step == wrong("instance", device_errors.fields_missing(HOST, ["vebus"], []))


def test_a_file_without_fields_of_vebus_gets_no_report_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file of such a system is right."""
    own = battery(fields=fields(Soc="battery/Soc"))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=SHUNT)), own)
    assert [step.state for step in found] == [OK, OK]


def test_a_lost_connection_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a device that does not respond."""
    broker = HandBroker(HandDevice(silent=True))
    broker.lose(3.0, LOST)
    assert after_portal(monkeypatch, broker, battery()) == [wrong("MQTT", LOST)]


def test_the_instance_of_system_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is only one, and it may have no ProductId."""
    values = {**MULTI, "system/0/Dc/Pv/Power": 120}
    own = battery(fields=fields(Soc="vebus/Soc", Pv="system/Dc/Pv/Power"))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    assert found == [
        INSTANCE,
        Step(OK, "instance", "system 0"),
        VALUES[1],
        Step(OK, "Pv", "120 W (system/0/Dc/Pv/Power)"),
    ]


def test_a_wrong_instance_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the existing ones; its fields are not read, the others are."""
    values = {**MULTI, "solarcharger/288/ProductId": 1, "solarcharger/288/Yield/Power": 9}
    broker = HandBroker(HandDevice(values=values))
    own = battery(fields=fields(Soc="vebus/Soc", Pv="solarcharger/289/Yield/Power"), instance=None)
    why = device_errors.wrong_instance(HOST, "solarcharger", 289, (288,), CONFIG)
    assert after_portal(monkeypatch, broker, own) == [INSTANCE, wrong("instance", why), VALUES[1]]
    assert [topic for topic, _ in broker.published][1:] == [f"R/{P}/vebus/275/Soc"]


def test_a_wrong_instance_of_vebus_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the key to correct; if no field is left, none is read."""
    broker = HandBroker(HandDevice())
    why = device_errors.wrong_instance(HOST, "vebus", 276, (275,), CONFIG)
    assert after_portal(monkeypatch, broker, battery(instance=276)) == [wrong("instance", why)]
    assert "Correct instance" in why.what
    assert len(broker.published) == 1
    assert f"N/{P}/vebus/276/Soc" not in broker.subscribed


def test_a_missing_service_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, and with the instance if that was given."""
    broker = HandBroker(HandDevice())
    paths = {"Soc": "vebus/Soc", "Grid": "grid/Ac/Power", "Tank": "tank/3/Level"}
    found = after_portal(monkeypatch, broker, battery(fields=fields(**paths)))
    assert found == [
        Step(OK, "instance", "vebus 275"),
        wrong("instance", device_errors.fields_missing(HOST, ["tank 3"], [])),
        wrong("instance", device_errors.fields_missing(HOST, ["grid"], [])),
        VALUES[1],
    ]
    assert waited(broker, 0.0)


def test_a_person_has_to_choose_among_several_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless all of them are wanted: then each has its line and its values."""
    two = HandDevice(values={**MULTI, "vebus/276/ProductId": 1, "vebus/276/Soc": 70})
    with pytest.raises(UndecidedError, match="instance = 275\ninstance = 276"):
        taken(monkeypatch, HandBroker(two), battery())
    own = battery(fields=fields(Soc="vebus/Soc"), instances="tag")
    assert after_portal(monkeypatch, HandBroker(two), own) == [
        Step(OK, "instance", "vebus 275"),
        Step(OK, "instance", "vebus 276"),
        Step(OK, "Soc/275", "88.5 % (vebus/275/Soc)"),
        Step(OK, "Soc/276", "70 % (vebus/276/Soc)"),
    ]

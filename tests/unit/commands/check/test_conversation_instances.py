"""What `check` reports of a device's instances, and how it reads their fields."""

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
    """It is asked once in each way; a portal id may be wrong that the broker does not know."""
    broker = HandBroker(HandDevice(silent=True, listed=listed))
    found = after_portal(monkeypatch, broker, battery(serial=serial))
    assert found == [
        wrong("device", device_errors.device_silent(HOST, P, SEARCH_WITHIN, given=given))
    ]
    assert asked(broker) == KEEPALIVES


def test_what_is_retained_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker sends it for a device that is off, too."""
    broker = HandBroker(HandDevice(silent=True))
    broker.at(1.0, f"N/{P}/vebus/275/ProductId", b'{"value":1}', retain=True)
    (step,) = after_portal(monkeypatch, broker, battery())
    assert step.label == "device"


def test_old_firmware_has_time_to_list_its_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not mark the end: after a twelfth of a minute the list counts as complete."""
    broker = HandBroker(HandDevice(ends=False))
    assert after_portal(monkeypatch, broker, battery()) == [INSTANCE, *VALUES]
    assert waited(broker, OLD_FIRMWARE / 12)


OLD_TIMES = OLD_FIRMWARE / 12  # s; so long each question has


@pytest.mark.parametrize("instance", [None, 275])
def test_firmware_before_3_20_is_asked_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, instance: int | None
) -> None:
    """Where nothing comes of the first question; reads are of leaves then."""
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
    """What the broker keeps of it then is no sign of life, but its answer to a read is."""
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
    """Nothing has to be found there, so that it turns out at the reads."""
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


def test_found_a_healthy_system_reported_as_not_responding_where_nothing_had_to_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fields of system alone need no search, and nothing but the Serial had come before a read."""
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
    """Somebody else keeps the device awake; neither a keepalive nor a read brings anything."""
    broker = HandBroker(HandDevice(silent=True, prefix=prefix))
    for second in range(1, 12):
        broker.at(float(second), f"{prefix}N/{P}/{leaf}", b'{"value":1}')
    found = after_portal(monkeypatch, broker, battery(topic_prefix=prefix))
    why = device_errors.questions_unanswered(HOST, P, prefix, values=True)
    assert found == [wrong("device", why)]
    assert "restart" not in why.text


def test_notifications_of_what_is_wanted_are_not_taken_for_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a preset a search hears values change, which proves nothing."""
    broker = HandBroker(HandDevice(silent=True))
    for second in range(1, 20):
        broker.at(float(second), f"N/{P}/grid/30/Ac/Power", b'{"value":1}')
        broker.at(float(second), f"N/{P}/vebus/275/Soc", b'{"value":1}')
    own = battery(instance=275, fields=(*battery().fields, *fields_of(["grid"])), instances="name")
    (step,) = after_portal(monkeypatch, broker, own)
    assert "sends values, but does not answer requests" in step.text


def test_a_prefix_shows_that_there_is_a_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing but the kept serial number is there, it is named."""
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
def test_what_there_is_in_place_of_an_inverter_is_reported(
    monkeypatch: pytest.MonkeyPatch, instance: int | None, old: bool
) -> None:
    """With the lines that read it, as `discover` prints them."""
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


def test_where_nothing_else_is_there_the_inverter_is_to_be_switched_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The GX device by itself measures nothing that would take its place."""
    values = {"system/0/Dc/Battery/Soc": 66, "settings/0/ProductId": 3}
    (step,) = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), battery())
    assert step == wrong("instance", device_errors.fields_missing(HOST, ["vebus"], []))


def test_a_file_without_fields_of_vebus_gets_no_report_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file of such a system is in order."""
    own = battery(fields=fields(Soc="battery/Soc"))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=SHUNT)), own)
    assert [step.state for step in found] == [OK, OK]


def test_a_connection_that_is_lost_meanwhile_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the device that does not respond."""
    broker = HandBroker(HandDevice(silent=True))
    broker.lose(3.0, LOST)
    assert after_portal(monkeypatch, broker, battery()) == [wrong("MQTT", LOST)]


def test_the_instance_of_system_is_not_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one, and it may have no ProductId."""
    values = {**MULTI, "system/0/Dc/Pv/Power": 120}
    own = battery(fields=fields(Soc="vebus/Soc", Pv="system/Dc/Pv/Power"))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    assert found == [
        INSTANCE,
        Step(OK, "instance", "system 0"),
        VALUES[1],
        Step(OK, "Pv", "120 W (system/0/Dc/Pv/Power)"),
    ]


def test_a_given_instance_that_is_elsewhere_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that are there; its fields are not asked for, the others are."""
    values = {**MULTI, "solarcharger/288/ProductId": 1, "solarcharger/288/Yield/Power": 9}
    broker = HandBroker(HandDevice(values=values))
    own = battery(fields=fields(Soc="vebus/Soc", Pv="solarcharger/289/Yield/Power"), instance=None)
    why = device_errors.wrong_instance(HOST, "solarcharger", 289, (288,), CONFIG)
    assert after_portal(monkeypatch, broker, own) == [INSTANCE, wrong("instance", why), VALUES[1]]
    assert [topic for topic, _ in broker.published][1:] == [f"R/{P}/vebus/275/Soc"]


def test_a_given_instance_of_vebus_that_is_elsewhere_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The key to correct is named; where no field is left, none is asked for."""
    broker = HandBroker(HandDevice())
    why = device_errors.wrong_instance(HOST, "vebus", 276, (275,), CONFIG)
    assert after_portal(monkeypatch, broker, battery(instance=276)) == [wrong("instance", why)]
    assert "Correct instance" in why.what
    assert len(broker.published) == 1
    assert f"N/{P}/vebus/276/Soc" not in broker.subscribed


def test_a_service_that_is_nowhere_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name where the instance was left open, and with the instance where it was given."""
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


def test_several_instances_are_for_a_person_to_choose_from(monkeypatch: pytest.MonkeyPatch) -> None:
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

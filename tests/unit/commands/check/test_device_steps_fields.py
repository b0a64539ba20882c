"""What `check` says of a device's instances and of what its fields have; and of a fleet."""

from __future__ import annotations

import pytest

from bat2influx.commands.check import fleet_look
from bat2influx.commands.check.device_steps import ANSWERS_WITHIN, OLD_FIRMWARE
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import UndecidedError
from bat2influx.fleet import diagnosis
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.venus.presets import fields_of
from tests.unit.commands.check.test_device_steps import (
    HOST,
    INSTANCE,
    LOST,
    PORTAL,
    VALUES,
    after_portal,
    taken,
    waited,
    wrong,
)
from tests.unit.commands.session_by_hand import (
    CONFIG,
    MULTI,
    OTHER,
    HandBroker,
    HandDevice,
    P,
    battery,
    fields,
)

# The instances


@pytest.mark.parametrize(("serial", "given"), [("", False), (P, True)])
def test_a_device_that_answers_nothing_is_silent(
    monkeypatch: pytest.MonkeyPatch, serial: str, given: bool
) -> None:
    """It is asked once, and what to do depends on whether its portal id was given."""
    broker = HandBroker(HandDevice(silent=True))
    found = after_portal(monkeypatch, broker, battery(serial=serial))
    assert found == [wrong("device", device_errors.device_silent(HOST, P, given=given))]
    assert [topic for topic, _ in broker.published] == [f"R/{P}/keepalive"]


def test_what_is_retained_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker says it for a device that is off, too."""
    broker = HandBroker(HandDevice(silent=True))
    broker.at(1.0, f"N/{P}/vebus/275/ProductId", b'{"value":1}', retain=True)
    (step,) = after_portal(monkeypatch, broker, battery())
    assert step.label == "device"


def test_old_firmware_has_time_to_list_its_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not say that this is all: after a twelfth of a minute it is taken for all."""
    broker = HandBroker(HandDevice(ends=False))
    assert after_portal(monkeypatch, broker, battery()) == [INSTANCE, *VALUES]
    assert waited(broker, OLD_FIRMWARE / 12)


def test_a_connection_that_is_lost_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the device that is silent."""
    broker = HandBroker(HandDevice(silent=True))
    broker.lose(3.0, LOST)
    assert after_portal(monkeypatch, broker, battery()) == [wrong("MQTT", LOST)]


def test_the_instance_of_system_is_not_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one, and it need not say its product."""
    values = {**MULTI, "system/0/Dc/Pv/Power": 120}
    own = battery(fields=fields(Soc="vebus/Soc", Pv="system/Dc/Pv/Power"))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    assert found == [
        INSTANCE,
        Step(OK, "instance", "system 0"),
        VALUES[1],
        Step(OK, "Pv", "120 W (system/0/Dc/Pv/Power)"),
    ]


def test_a_given_instance_that_is_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that are there; its fields are not asked for, the others are."""
    values = {**MULTI, "solarcharger/288/ProductId": 1, "solarcharger/288/Yield/Power": 9}
    broker = HandBroker(HandDevice(values=values))
    own = battery(fields=fields(Soc="vebus/Soc", Pv="solarcharger/289/Yield/Power"), instance=None)
    why = device_errors.wrong_instance(HOST, "solarcharger", 289, (288,), CONFIG)
    assert after_portal(monkeypatch, broker, own) == [INSTANCE, wrong("instance", why), VALUES[1]]
    assert [topic for topic, _ in broker.published][1:] == [f"R/{P}/vebus/275/Soc"]


def test_a_given_instance_of_vebus_that_is_elsewhere_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The key to correct is named; where no field is left, none is asked for."""
    broker = HandBroker(HandDevice())
    why = device_errors.wrong_instance(HOST, "vebus", 276, (275,), CONFIG)
    assert after_portal(monkeypatch, broker, battery(instance=276)) == [wrong("instance", why)]
    assert "correct instance" in why.what
    assert len(broker.published) == 1
    assert f"N/{P}/vebus/276/Soc" not in broker.subscribed


def test_a_service_that_is_nowhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert waited(broker, ANSWERS_WITHIN)


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


def test_what_a_preset_has_and_the_device_has_not_is_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By service; and no step goes wrong for it."""
    values = {**MULTI, "grid/30/ProductId": 1, "grid/30/Ac/Power": -210.5}
    own = battery(fields=(*battery().fields, *fields_of(["grid", "solar"])), instances="name")
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    notes = [step.text for step in found if step.state == NOTE]
    grid, solar, inverter = notes
    assert grid.startswith("not on this device: GridL1Voltage, GridL1Current, ")
    assert grid.endswith(" (grid)")
    assert "GridPower" not in grid
    assert solar == (
        "not on this device: SolarPower, SolarYield, SolarVoltage, SolarState (solarcharger)"
    )
    assert inverter.endswith(" (pvinverter)")
    assert {step.label for step in found if step.state == NOTE} == {"preset"}
    assert found[-1] == Step(OK, "GridPower_30", "-210.5 W (grid/30/Ac/Power)")
    assert not any(step.state == WRONG for step in found)


def test_of_a_preset_that_names_its_instance_that_one_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others of its kind are no choice; what it lacks is told with its instance."""
    there = {
        f"battery/{number}/{path}": 1 for number in (512, 513) for path in ("ProductId", "Soc")
    }
    values = {**MULTI, **there, "battery/513/Soh": 98}
    presets = fields_of(["battery/512", "battery/513"])
    own = battery(fields=(*battery().fields, *presets), kinds=(("battery", "tag"),))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    of_512, of_513 = (step.text for step in found if step.state == NOTE)
    assert of_512.endswith(" (battery 512)")
    assert "BatterySoh" in of_512
    assert of_513.endswith(" (battery 513)")
    assert "BatterySoh" not in of_513
    assert Step(OK, "BatterySoc/512", "1 % (battery/512/Soc)") in found
    assert Step(OK, "BatterySoh/513", "98 % (battery/513/Soh)") in found


# The fields


VOLTAGE = "Voltage (vebus/275/Dc/0/Voltage)"
VOID = Step(NOTE, "Voltage", device_errors.fields_void(HOST, [VOLTAGE]).what)


def odd(kind: str) -> Step:
    """Return what is told of a voltage that is no number."""
    return wrong("Voltage", device_errors.fields_odd(HOST, [VOLTAGE], kind))


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (12, Step(OK, "Voltage", "12 V (vebus/275/Dc/0/Voltage)")),
        (-0.00001, Step(OK, "Voltage", "0 V (vebus/275/Dc/0/Voltage)")),
        (None, VOID),
        ([], VOID),
        ("low", odd("text")),
        (True, odd("boolean")),
        ([1], odd("list or object")),
        (b"", odd("zero bytes")),
        (b"{", odd("not JSON")),
        (b'{"max":3}', odd("no value in it")),
    ],
)
def test_what_a_field_has_is_told(
    monkeypatch: pytest.MonkeyPatch, value: object, step: Step
) -> None:
    """A number with its unit, null as a note, anything else as what is no number."""
    values = {**MULTI, "vebus/275/Dc/0/Voltage": value}
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), battery())
    assert found == [INSTANCE, step, VALUES[1]]


def test_a_field_without_a_unit_is_a_bare_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """An enumeration has none."""
    values = {**MULTI, "vebus/275/State": 3}
    own = battery(fields=fields(State="vebus/State"))
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    assert found[-1] == Step(OK, "State", "3 (vebus/275/State)")


def test_a_preset_without_a_value_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what null is for; nobody has asked for that very path."""
    values = {**MULTI, "grid/30/ProductId": 1, "grid/30/Ac/Power": None}
    own = battery(fields=(*battery().fields, *fields_of(["grid"])), instances="name")
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    text = "has no value (null) at present (grid/30/Ac/Power)"
    assert found[-1] == Step(NOTE, "GridPower_30", text)


def test_a_path_that_is_not_answered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, under its own name; the others have their values."""
    broker = HandBroker(HandDevice())
    own = battery(fields=fields(Odd="vebus/Ac/Odd", Soc="vebus/Soc"))
    why = device_errors.fields_missing(HOST, [], ["Odd (vebus/275/Ac/Odd)"])
    assert after_portal(monkeypatch, broker, own) == [INSTANCE, wrong("Odd", why), VALUES[1]]
    assert waited(broker, ANSWERS_WITHIN)


def test_the_first_answer_is_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes later is another moment's, as of a field of two names of one path."""
    broker = HandBroker(HandDevice())
    own = battery(fields=fields(Soc="vebus/Soc", Charge="vebus/Soc", Odd="vebus/Ac/Odd"))
    broker.at(3.0, f"N/{P}/vebus/275/Soc", b'{"value":1}')
    found = after_portal(monkeypatch, broker, own)
    assert found[1:3] == [VALUES[1], Step(OK, "Charge", "88.5 % (vebus/275/Soc)")]


def test_a_refusal_at_the_fields_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the right to read ends, the steps do."""
    broker = HandBroker(HandDevice())
    why = mqtt_errors.subscription_refused(HOST, "u", f"N/{P}/vebus/275/Soc", "no", CONFIG)
    broker.refuses[f"N/{P}/vebus/275/Soc"] = why
    assert after_portal(monkeypatch, broker, battery()) == [INSTANCE, wrong("right", why)]


# Fleets


def a_look(monkeypatch: pytest.MonkeyPatch, *portals: str) -> None:
    """Have these devices found behind the broker."""
    monkeypatch.setattr(fleet_look, "fleet_portals", lambda _: [*portals])


def test_of_a_fleet_one_device_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of those that are found, and how many there are."""
    a_look(monkeypatch, P, OTHER)
    broker = HandBroker(HandDevice(), HandDevice(OTHER))
    found = taken(monkeypatch, broker, battery(serial="*"))
    assert found[2:] == [
        Step(OK, "devices", f"2 devices; this is {P}"),
        *(PORTAL, INSTANCE, *VALUES),
    ]


def test_a_fleet_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the topic that a bridge has to carry over; or with what has ended the look."""
    a_look(monkeypatch)
    own = battery(serial="*", topic_prefix="boat/")
    why = diagnosis.no_devices(HOST, "boat/", CONFIG)
    assert taken(monkeypatch, HandBroker(), own)[2:] == [wrong("portal id", why)]

    def lost(session: object) -> list[str]:
        session.trouble = LOST  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr(fleet_look, "fleet_portals", lost)
    assert taken(monkeypatch, HandBroker(), own)[2:] == [wrong("MQTT", LOST)]

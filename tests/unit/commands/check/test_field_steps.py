"""What `check` reports about the value of a field, and about fields that a device lacks."""

from __future__ import annotations

import pytest

from bat2influx.commands.check.conversation import (
    ANSWERS_WITHIN,
)
from bat2influx.commands.check.field_steps import FirstValues
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.device import errors as device_errors
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.venus.presets import fields_of
from bat2influx.venus.protocol import MAX_PAYLOAD, NoValue
from tests.unit.commands.check.steps_by_hand import (
    HOST,
    INSTANCE,
    VALUES,
    after_portal,
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


def test_fields_of_a_preset_that_the_device_lacks_are_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By service; no step fails for that."""
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


def test_of_a_preset_with_an_instance_that_one_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others of its kind need no choice; missing fields are reported with the instance."""
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
VOID = Step(NOTE, "Voltage", device_errors.fields_null(HOST, [VOLTAGE]).what)


def odd(kind: str) -> Step:
    """Return the step of a voltage that is not a number."""
    return wrong("Voltage", device_errors.fields_not_numeric(HOST, [VOLTAGE], kind))


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
def test_the_value_of_a_field_is_reported(
    monkeypatch: pytest.MonkeyPatch, value: object, step: Step
) -> None:
    """A number with its unit, null as a note, anything else as not a number."""
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
    """The value may be null; the file does not name that path."""
    values = {**MULTI, "grid/30/ProductId": 1, "grid/30/Ac/Power": None}
    own = battery(fields=(*battery().fields, *fields_of(["grid"])), instances="name")
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), own)
    text = "has no value (null) at present (grid/30/Ac/Power)"
    assert found[-1] == Step(NOTE, "GridPower_30", text)


def test_a_path_without_an_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, under its own name; the others have their values."""
    broker = HandBroker(HandDevice())
    own = battery(fields=fields(Odd="vebus/Ac/Odd", Soc="vebus/Soc"))
    why = device_errors.fields_missing(HOST, [], ["Odd (vebus/275/Ac/Odd)"])
    assert after_portal(monkeypatch, broker, own) == [INSTANCE, wrong("Odd", why), VALUES[1]]
    assert waited(broker, ANSWERS_WITHIN)


def test_the_first_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later ones are from another moment, such as for a path with two names."""
    broker = HandBroker(HandDevice())
    own = battery(fields=fields(Soc="vebus/Soc", Charge="vebus/Soc", Odd="vebus/Ac/Odd"))
    broker.at(3.0, f"N/{P}/vebus/275/Soc", b'{"value":1}')
    found = after_portal(monkeypatch, broker, own)
    assert found[1:3] == [VALUES[1], Step(OK, "Charge", "88.5 % (vebus/275/Soc)")]


def test_a_rejected_subscription_of_fields_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps end without the right to read."""
    broker = HandBroker(HandDevice())
    why = mqtt_errors.subscription_refused(HOST, "u", f"N/{P}/vebus/275/Soc", "no", CONFIG)
    broker.refuses[f"N/{P}/vebus/275/Soc"] = why
    assert after_portal(monkeypatch, broker, battery()) == [INSTANCE, wrong("right", why)]


def test_only_the_values_of_wanted_topics_are_kept() -> None:
    """The first one; of a payload that is too long, only that fact."""
    found = FirstValues({"N/p/vebus/275/Soc", "N/p/vebus/275/State"})
    found.process("N/p/q1", bytes(1_000_000))
    found.process("N/p/vebus/275/Soc", b'{"value":88.5}')
    assert not found.complete
    found.process("N/p/vebus/275/Soc", b'{"value":1}')
    found.process("N/p/vebus/275/State", bytes(MAX_PAYLOAD + 1))
    assert found.complete
    assert found.values == {"N/p/vebus/275/Soc": 88.5, "N/p/vebus/275/State": NoValue.TOO_LONG}


def test_a_payload_that_is_too_long_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be from another client of the broker."""
    values = {**MULTI, "vebus/275/Dc/0/Voltage": bytes(1_000_000)}
    found = after_portal(monkeypatch, HandBroker(HandDevice(values=values)), battery())
    assert found == [INSTANCE, odd("too long"), VALUES[1]]

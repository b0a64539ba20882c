"""`bat2influx discover --json`: what a device, its fields and a problem are as objects."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.discover import command, lan_search
from bat2influx.commands.discover.command import discover, register
from bat2influx.commands.discover.device_lines import (
    DeviceRecord,
    DeviceState,
    FieldRecord,
    JsonDevices,
    Way,
    of_survey,
    without_survey,
)
from bat2influx.commands.discover.inquiry import Inquiry, InquiryResult, Target
from bat2influx.commands.discover.ssdp import Description
from bat2influx.commands.discover.survey import Survey
from bat2influx.config.settings import Battery, ConfigError, Settings
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.net.tls import fingerprint_of
from bat2influx.venus import protocol
from tests.unit.commands.discover.test_inquiry import (
    HOST,
    LOGIN,
    LOST,
    ONLY_TLS,
    REFUSED,
    SECRET,
    Asked,
)
from tests.unit.commands.session_by_hand import (
    CERTIFICATE,
    CONFIG,
    MULTI,
    OTHER,
    HandDevice,
    P,
    battery,
)

EX_OK, EX_USAGE, EX_UNAVAILABLE = 0, 64, 69
WAY = Way(HOST, 1883, tls=False, secured=False)
KNOWN = Description("Boat\x1b[2J", "Cerbo GX", P, mqtt=True)


def survey(values: dict[str, object]) -> Survey:
    """Return what a device has published, without an end."""
    made = Survey(P, "echo")
    for leaf, value in values.items():
        made.process(f"N/{P}/{leaf}", json.dumps({"value": value}).encode())
    return made


def the_device(result: InquiryResult) -> DeviceRecord:
    """Return the only device of a result."""
    (device,) = [each for each in result.records if isinstance(each, DeviceRecord)]
    return device


# A device


def test_a_device_has_what_its_ini_lines_have() -> None:
    """Its own texts, of the republish before those of the search, are printable lines."""
    made = survey(
        MULTI
        | {
            "solarcharger/288/Yield/Power": 12.0,
            "platform/0/Device/Model": "Ekrano GX",
            "settings/0/Settings/SystemSetup/SystemName": "My\nboat",
        }
    )
    device, *_ = of_survey(made, WAY, KNOWN, everything=False)
    assert device == DeviceRecord(
        state=DeviceState.OK,
        address=HOST,
        port=1883,
        tls=False,
        fingerprint=None,
        secured=False,
        topic_prefix=None,
        portal_id=P,
        model="Ekrano GX",
        name="My boat",
        instance=275,
        presets=("solar",),
        values=4,
        complete=False,
    )


def test_a_field_has_its_name_its_value_and_whether_it_is_stored() -> None:
    """The nine and the live lines are selected; a value without a unit has none."""
    values = {"vebus/275/Soc": 88.5, "vebus/275/State": 9.0, "settings/0/X": 1.0}
    _, *fields = of_survey(survey(values), WAY, KNOWN, everything=False)
    assert FieldRecord(P, "Soc", "vebus/275/Soc", 88.5, "%", selected=True) in fields
    (state,) = [each for each in fields if isinstance(each, FieldRecord) and "State" in each.path]
    assert (state.value, state.unit) == (9.0, None)
    assert "settings/0/X" not in [each.path for each in fields if isinstance(each, FieldRecord)]
    _, *everything = of_survey(survey(values), WAY, KNOWN, everything=True)
    assert len(everything) == len(fields) + 1


def test_a_device_without_values_does_not_respond() -> None:
    """It has no field and no instance."""
    (device,) = of_survey(survey({}), WAY, Description(), everything=False)
    assert isinstance(device, DeviceRecord)
    assert device.state is DeviceState.NOT_RESPONDING
    assert (device.instance, device.presets, device.values) == (None, (), 0)


def test_a_device_that_could_not_be_asked_has_what_the_search_found() -> None:
    """Its texts are printable; what is not known is None."""
    device = without_survey(DeviceState.MQTT_OFF, Way(HOST), KNOWN)
    assert (device.name, device.model, device.portal_id) == ("Boat [2J", "Cerbo GX", P)
    assert (device.port, device.tls, device.secured, device.complete) == (None, None, None, False)
    nobody = without_survey(DeviceState.UNREACHABLE, Way(HOST), Description())
    assert (nobody.name, nobody.model, nobody.portal_id) == (None, None, None)


# What an inquiry finds


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """One device behind a broker."""
    return Asked(monkeypatch, HandDevice())


@pytest.mark.parametrize(
    ("outcomes", "own", "state", "secured", "tls"),
    [
        ([None], None, DeviceState.OK, False, False),
        ([ONLY_TLS, None], None, DeviceState.OK, False, True),
        ([None], battery(password=SECRET), DeviceState.OK, None, False),
        ([LOGIN, REFUSED], None, DeviceState.LOGIN_REQUIRED, True, False),
        ([LOGIN, REFUSED], battery(password=SECRET), DeviceState.LOGIN_REJECTED, True, False),
        ([REFUSED, REFUSED], None, DeviceState.UNREACHABLE, None, None),
    ],
)
def test_a_device_has_how_it_was_reached(
    asked: Asked,
    outcomes: list[Trouble | None],
    own: Battery | None,
    state: DeviceState,
    secured: bool | None,
    tls: bool | None,
) -> None:
    """A password of the file is in no object; with one nobody knows whether it is required."""
    asked.meet(*outcomes)
    result = asked.make(Target(HOST), own)
    device = the_device(result)
    assert (device.state, device.secured, device.tls) == (state, secured, tls)
    assert device.fingerprint == (fingerprint_of(CERTIFICATE) if tls else None)
    assert device.address == HOST
    assert SECRET not in repr(result.records)


def test_each_device_behind_a_broker_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that does not respond is last."""
    asked = Asked(monkeypatch, HandDevice(OTHER, silent=True), HandDevice(P))
    asked.meet(None)
    devices = [each for each in asked.make(Target(HOST)).records if isinstance(each, DeviceRecord)]
    assert [(each.portal_id, each.state.value) for each in devices] == [
        (P, "ok"),
        (OTHER, "not_responding"),
    ]


def test_a_broker_without_a_device_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is known, and nothing else."""
    asked = Asked(monkeypatch)
    asked.meet(None)
    device = the_device(asked.make(Target(HOST)))
    assert (device.state, device.portal_id) == (DeviceState.NO_DEVICE, None)


def test_a_connection_that_is_lost_is_unreachable(asked: Asked) -> None:
    """Nobody knows which devices are behind that broker."""
    asked.meet(None)
    asked.broker.refuses = {protocol.PORTALS: LOST}
    assert the_device(asked.make(Target(HOST))).state is DeviceState.UNREACHABLE


@pytest.mark.parametrize(
    ("description", "state"),
    [
        (Description("Boat", "Cerbo GX", P, mqtt=False), DeviceState.MQTT_OFF),
        (Description("Boat", "Cerbo GX", P, mqtt=True), DeviceState.UNREACHABLE),
    ],
)
def test_a_device_of_the_search_that_could_not_be_asked_is_an_object(
    asked: Asked, description: Description, state: DeviceState
) -> None:
    """With what it has published of itself."""
    asked.meet(REFUSED, REFUSED)
    device = the_device(asked.make(Target(HOST, description=description)))
    assert (device.state, device.name, device.portal_id) == (state, "Boat", P)


# What the command prints


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the objects on stdout."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def load() -> Settings:
    """Have no ini file."""
    raise ConfigError(["there is no such file"])


def run(host: str | None = None) -> int:
    """Run the command."""
    return discover(host, everything=False, config=Path(CONFIG), load=load, as_json=JsonDevices())


def test_the_devices_come_before_the_result(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """And behind what was in the way, which is an object, too."""
    asked.meet(ONLY_TLS, None)
    assert run(HOST) == EX_OK
    problem, device, *fields, result = objects(capsys)
    assert (problem["kind"], problem["address"]) == ("problem", HOST)
    assert device["kind"] == "device"
    assert {each["kind"] for each in fields} == {"field"}
    assert result == {
        "kind": "result",
        "command": "discover",
        "status": "warning",
        "ok": 1,
        "warnings": 1,
        "failed": 0,
        "exit_code": 0,
    }


def test_a_host_that_is_not_reached_is_a_failure(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each attempt is a problem, and the host is an object."""
    asked.meet(REFUSED, mqtt_errors.refused(HOST, 8883))
    assert run(HOST) == EX_UNAVAILABLE
    *problems, device, result = objects(capsys)
    assert [each["kind"] for each in problems] == ["problem"] * 2
    assert device["state"] == "unreachable"
    assert (result["status"], result["failed"], result["exit_code"]) == ("failed", 1, 69)


def test_a_search_that_finds_nobody_is_a_problem_of_no_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happens in the meantime stays on stderr."""
    monkeypatch.setattr(lan_search, "interfaces", lambda: ("eth0",))
    monkeypatch.setattr(lan_search, "find_devices", lambda *_: ())
    assert run() == EX_UNAVAILABLE
    out, err = capsys.readouterr()
    problem, result = map(json.loads, out.splitlines())
    assert problem["address"] is None
    assert problem["text"].startswith("no Venus device")
    assert (result["ok"], result["failed"]) == (0, 0)
    assert "searching on eth0" in err


def test_a_device_that_was_read_is_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the order of the search."""
    off = without_survey(DeviceState.MQTT_OFF, Way("10.0.0.2"), Description())
    read = of_survey(survey(dict(MULTI)), Way("10.0.0.3"), Description(), everything=False)
    results = {
        "10.0.0.2": InquiryResult(records=(off,)),
        "10.0.0.3": InquiryResult(([],), reached=True, records=read),
    }
    monkeypatch.setattr(Inquiry, "make", lambda self: results[self._target.host])
    monkeypatch.setattr(lan_search, "interfaces", lambda: ("eth0",))
    found = tuple(lan_search.FoundDevice(each, Description()) for each in results)
    monkeypatch.setattr(lan_search, "find_devices", lambda *_: found)
    assert run() == EX_OK
    devices = [each for each in objects(capsys) if each["kind"] == "device"]
    assert [each["address"] for each in devices] == ["10.0.0.3", "10.0.0.2"]


def test_json_does_not_go_with_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong use is a message on stderr, and nobody is asked."""
    monkeypatch.setattr(command, "discover", None)
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args(["--json", "--write"])
    options.config = Path(CONFIG)
    assert options.function(options) == EX_USAGE
    text = "bat2influx discover: --json cannot be combined with --write\n"
    assert capsys.readouterr() == ("", text)

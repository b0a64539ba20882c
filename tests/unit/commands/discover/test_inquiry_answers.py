"""The result of `discover` for the devices behind a broker that has accepted the login."""

from __future__ import annotations

import pytest

from bat2influx.commands.bridge_check import PREFIXES_WITHIN
from bat2influx.commands.discover import inquiry
from bat2influx.commands.discover.inquiry import MAX_PORTALS, Target
from bat2influx.commands.discover.ssdp import Description
from bat2influx.config.settings import Battery
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.net.tls import fingerprint_of
from bat2influx.venus import protocol
from tests.unit.commands.discover.test_inquiry import (
    HEADING,
    HOST,
    LOST,
    SECRET,
    TLS_WANTED,
    Asked,
)
from tests.unit.commands.session_by_hand import (
    CERTIFICATE,
    CONFIG,
    OTHER,
    START,
    HandDevice,
    P,
    battery,
)

BRIDGE = ". If a bridge forwards its topics, check that it also forwards R/#"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """One device behind a broker."""
    return Asked(monkeypatch, HandDevice())


def test_a_device_becomes_a_block(asked: Asked) -> None:
    """It gets a request for one full republish, and its lines have the published values."""
    result = asked.make(Target(HOST, 1884))
    (block,) = result.blocks
    assert result.reached
    assert block[:6] == [
        f"{HEADING}, portal id {P}",
        *("[Battery]", "address = venus.local", "port = 1884", "", "[Fields]"),
    ]
    assert any("= vebus/275/Soc " in line for line in block)
    assert [topic for topic, _ in asked.broker.published] == [f"R/{P}/keepalive"]
    assert asked.said == []
    assert asked.broker.now == START + inquiry.OTHERS_WITHIN


def test_a_block_over_tls_pins_the_certificate(asked: Asked) -> None:
    """The usual port of TLS needs no line; another one does."""
    pin = f"fingerprint = {fingerprint_of(CERTIFICATE)}"
    asked.meet(TLS_WANTED, None)
    (block,) = asked.make(Target(HOST)).blocks
    assert block[1:5] == ["[Battery]", "address = venus.local", "tls = yes", pin]
    asked.meet(TLS_WANTED, None)
    (block,) = asked.make(Target(HOST, 1884)).blocks
    assert block[2:6] == ["address = venus.local", "port = 1884", "tls = yes", pin]


def test_names_of_the_description_are_the_fallback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Names by MQTT come first."""
    described = Description("By SSDP", "Cerbo GX", P)
    name = {"settings/0/Settings/SystemSetup/SystemName": "By MQTT"}
    for values, shown in (({}, '"By SSDP"'), (name, '"By MQTT"')):
        asked = Asked(monkeypatch, HandDevice(values={"vebus/275/Soc": 1, **values}))
        (block,) = asked.make(Target(HOST, description=described)).blocks
        assert block[0] == f"# Cerbo GX {shown} at venus.local, portal id {P}"


@pytest.mark.parametrize(("password", "noted"), [(SECRET, True), ("", False)])
def test_a_password_of_the_file_stays(
    monkeypatch: pytest.MonkeyPatch, password: str, noted: bool
) -> None:
    """The lines say so, and do not have it."""
    asked = Asked(monkeypatch, HandDevice(prefix="b/"))
    (block,) = asked.make(Target(HOST), battery(password=password, topic_prefix="b/")).blocks
    note = f"# user and password: keep them as they are in {CONFIG}"
    assert (block[1] == note) is noted
    assert "topic_prefix = b/" in block
    assert SECRET not in "\n".join(block)


def test_several_devices_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with values come first, each with its portal id."""
    asked = Asked(monkeypatch, HandDevice(OTHER, silent=True), HandDevice(P))
    blocks = asked.make(Target(HOST)).blocks
    assert [block[3] for block in blocks] == [f"serial = {P}", f"serial = {OTHER}"]
    assert asked.said == [
        f"device {OTHER} at venus.local does not respond; check that it is on{BRIDGE}",
    ]


def test_of_many_devices_some_are_queried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is bounded, and the message has the number of all."""
    for count, said in (
        (MAX_PORTALS, []),
        (MAX_PORTALS + 2, ["18 devices are at venus.local; only 16 of them are queried"]),
    ):
        asked = Asked(monkeypatch, *(HandDevice(f"p{n:02}") for n in range(count)))
        blocks = asked.make(Target(HOST)).blocks
        assert [block[3] for block in blocks] == [f"serial = p{n:02}" for n in range(MAX_PORTALS)]
        assert asked.said == said


def test_the_number_of_devices_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more are kept than a person could choose from."""
    monkeypatch.setattr(protocol, "MAX_LISTED_PORTALS", MAX_PORTALS + 1)
    asked = Asked(monkeypatch, *(HandDevice(f"p{n:02}") for n in range(MAX_PORTALS + 9)))
    assert len(asked.make(Target(HOST)).blocks) == MAX_PORTALS
    assert asked.said == ["17 devices are at venus.local; only 16 of them are queried"]


@pytest.mark.parametrize(
    ("own", "described", "portal"),
    [
        (battery(serial=P), "", P),
        (None, P, P),
        (battery(serial=P), OTHER, P),
        (battery(serial="*"), P, P),
        (battery(serial="*"), "", None),
        (None, "", None),
    ],
)
def test_a_portal_id_that_is_not_listed_may_be_known(
    monkeypatch: pytest.MonkeyPatch, own: Battery | None, described: str, portal: str | None
) -> None:
    """From the file, or else from the device's description."""
    asked = Asked(monkeypatch, HandDevice(listed=False))
    result = asked.make(Target(HOST, description=Description(portal=described)), own)
    assert result.reached is (portal is not None)
    published = [topic for topic, _ in asked.broker.published]
    assert published == ([f"R/{portal}/keepalive"] if portal else [])
    none = ["no device has published its portal id at venus.local; check that it is a Venus device"]
    assert asked.said == ([] if portal else none)


def test_a_listed_portal_id_is_preferred_to_a_known_one(asked: Asked) -> None:
    """The listed device is queried, whatever the file has."""
    asked.make(Target(HOST), battery(serial=OTHER))
    assert [topic for topic, _ in asked.broker.published] == [f"R/{P}/keepalive"]


def test_a_removed_serial_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty message removes it."""
    asked = Asked(monkeypatch)
    asked.broker.at(1.0, f"N/{P}/system/0/Serial", b"")
    result = asked.make(Target(HOST))
    assert (result.blocks, result.reached) == ((), False)
    assert asked.broker.now == START + inquiry.PORTALS_WITHIN + PREFIXES_WITHIN


def test_a_device_that_does_not_respond_has_a_block_without_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker lists it, and the wait for it is ten seconds."""
    asked = Asked(monkeypatch, HandDevice(silent=True))
    result = asked.make(Target(HOST))
    assert result.reached
    assert result.blocks[0][-1] == "[Fields]"
    assert asked.said == [
        f"device {P} at venus.local does not respond; check that it is on{BRIDGE}"
    ]
    waited = asked.broker.now - START - inquiry.OTHERS_WITHIN
    assert waited == 2 * inquiry.FIRST_WITHIN


def test_a_device_that_does_not_mark_the_end_gets_more_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as new paths arrive, and some seconds more; a message says what may be missing."""
    asked = Asked(monkeypatch, HandDevice(ends=False))
    asked.broker.at(1.0 + 3.0, f"N/{P}/tank/1/Level", b'{"value":50}')
    asked.broker.at(1.0 + 5.0, f"N/{P}/tank/1/Level", b'{"value":51}')
    (block,) = asked.make(Target(HOST)).blocks
    assert any("= tank/1/Level" in line for line in block)
    assert asked.said == [
        f"device {P} at venus.local did not confirm that the list is complete;"
        " values may be missing"
    ]
    assert asked.broker.now == START + inquiry.OTHERS_WITHIN + 2 * inquiry.QUIET


def test_the_time_for_a_republish_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute, although new paths still arrive."""
    asked = Asked(monkeypatch, HandDevice(ends=False))
    for second in range(100):
        asked.broker.at(float(second), f"N/{P}/tank/{second}/Level", b'{"value":50}')
    (block,) = asked.make(Target(HOST)).blocks
    assert any("= tank/30/Level" in line for line in block)
    waited = asked.broker.now - START - inquiry.OTHERS_WITHIN
    assert inquiry.REPUBLISH_WITHIN <= waited < inquiry.REPUBLISH_WITHIN + inquiry.QUIET


@pytest.mark.parametrize("topic", ["N/+/system/0/Serial", f"N/{P}/#"])
def test_a_missing_right_is_reported(asked: Asked, topic: str) -> None:
    """Without a block, because no message was received."""
    why = mqtt_errors.subscription_refused(HOST, "bat2influx", topic, "not authorised", CONFIG)
    asked.broker.refuses[topic] = why
    result = asked.make(Target(HOST))
    assert (result.blocks, result.reached) == ((), False)
    assert asked.said == [why.text]


def test_after_a_lost_connection_the_values_so_far_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the reason."""
    asked = Asked(monkeypatch, HandDevice(ends=False))
    asked.broker.lose(3.0, LOST)
    (block,) = asked.make(Target(HOST)).blocks
    assert any("= vebus/275/Soc " in line for line in block)
    assert asked.said[-1] == LOST.text
    assert asked.broker.now == START + 3.0


@pytest.mark.parametrize(
    ("everything", "shown"), [(False, False), (True, True)], ids=["usual", "all"]
)
def test_housekeeping_is_listed_with_everything_only(
    monkeypatch: pytest.MonkeyPatch, everything: bool, shown: bool
) -> None:
    """Settings are among the lines then, and only then."""
    asked = Asked(monkeypatch, HandDevice(values={"settings/0/Limit": 2, "vebus/275/Soc": 9}))
    (block,) = asked.make(Target(HOST), everything=everything).blocks
    assert any("settings/0/Limit" in line for line in block) is shown

"""The result of `discover` for old firmware, for one-way bridges, and for prefixes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bat2influx.commands import bridge_check
from bat2influx.commands.discover import inquiry
from bat2influx.commands.discover.inquiry import InquiryResult, Target
from bat2influx.device import errors as device_errors
from tests.unit.commands.discover.test_inquiry import HOST, Asked
from tests.unit.commands.session_by_hand import CONFIG, OTHER, START, HandDevice, P, battery

Asks = Callable[..., Asked]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asks:
    """Return how a broker with these devices is asked."""
    return lambda *devices: Asked(monkeypatch, *devices)


def lists(result: InquiryResult, leaf: str = "vebus/275/Soc") -> bool:
    """Return whether the one block has a line for this value."""
    (block,) = result.blocks
    return any(f"= {leaf} " in line for line in block)


def test_firmware_before_3_20_gets_its_own_keepalive(asked: Asks) -> None:
    """After some seconds without a message; another device does not get it."""
    look = asked(HandDevice(old=True))
    assert lists(look.make(Target(HOST)))
    assert [topic for topic, _ in look.broker.published] == [
        f"R/{P}/keepalive",
        f"R/{P}/system/0/Serial",
        f"R/{P}/vebus/275/ProductId",
    ]
    assert look.said == [
        f"device {P} at venus.local did not confirm that the list is complete;"
        " values may be missing"
    ]
    took = inquiry.OTHERS_WITHIN + inquiry.FIRST_WITHIN + 2 * inquiry.QUIET
    assert look.broker.now == START + took
    both = asked(HandDevice(old=True), HandDevice(OTHER))
    assert len(both.make(Target(HOST)).blocks) == 2
    assert f"R/{OTHER}/system/0/Serial" not in [topic for topic, _ in both.broker.published]


@pytest.mark.parametrize("prefix", ["", "b/"])
@pytest.mark.parametrize("leaf", ["heartbeat", "vebus/275/Soc"])
def test_values_that_arrive_without_answers_name_the_bridge(
    asked: Asks, prefix: str, leaf: str
) -> None:
    """The values are listed nevertheless."""
    look = asked(HandDevice(silent=True, prefix=prefix))
    for second in range(1, 40):
        look.broker.at(float(second), f"{prefix}N/{P}/{leaf}", b'{"value":1}')
    result = look.make(Target(HOST), battery(topic_prefix=prefix))
    why = device_errors.questions_unanswered(HOST, P, prefix, values=True)
    assert look.said[0] == why.text
    assert lists(result) is (leaf != "heartbeat")


def test_a_prefix_shows_that_there_is_a_bridge(asked: Asks) -> None:
    """If only the retained serial number arrives."""
    look = asked(HandDevice(silent=True, prefix="b/"))
    look.make(Target(HOST), battery(topic_prefix="b/"))
    assert look.said == [device_errors.questions_unanswered(HOST, P, "b/", values=False).text]


@pytest.mark.parametrize(
    ("there", "own", "line"),
    [
        ("home/cellar/", None, "topic_prefix = home/cellar/"),
        ("home/", battery(topic_prefix="boat/"), "topic_prefix = home/"),
        ("home/", battery(topic_prefix="boat/", serial=P), "topic_prefix = home/"),
        ("", battery(topic_prefix="boat/", serial="*"), None),
    ],
)
def test_a_device_below_another_prefix_is_listed_with_it(
    asked: Asks, there: str, own: object, line: str | None
) -> None:
    """And the setting to correct is reported."""
    look = asked(HandDevice(prefix=there))
    result = look.make(Target(HOST), own)  # type: ignore[arg-type]
    assert lists(result)
    (block,) = result.blocks
    assert [each for each in block if each.startswith("topic_prefix")] == ([line] if line else [])
    prefix = own.topic_prefix if own else ""  # type: ignore[attr-defined]
    assert device_errors.other_prefix(HOST, prefix, (there,), CONFIG).text in look.said
    assert [session.closed for session in look.broker.sessions] == [True, True, True]


def test_a_prefix_is_searched_once(asked: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the device has left by then, the search ends."""
    look = asked()
    monkeypatch.setattr(bridge_check, "prefixes_of", lambda *_: ("home/",))
    result = look.make(Target(HOST))
    assert (result.blocks, result.reached) == ((), False)
    assert len(look.broker.sessions) == 2
    assert look.said[1:] == [
        "no device has published its portal id at venus.local; check that it is a Venus device"
    ]


def test_the_vrm_cloud_is_not_searched(asked: Asks) -> None:
    """It rejects a list of devices."""
    look = asked(HandDevice(listed=False, silent=True))
    look.make(Target(HOST), battery(serial=P, vrm=True, port=1883))
    assert len(look.broker.sessions) == 1

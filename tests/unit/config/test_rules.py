"""Checks of several settings together: all devices behind a broker, credentials, tags."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bat2influx.config.settings import one_of_fleet
from tests.unit.config.test_inifile import problems
from tests.unit.config.test_settings import read

FLEET = "[Battery]\nserial = *\nmode = notify\n"


def test_a_fleet_has_portal_and_instance_as_tags(tmp_path: Path) -> None:
    """Without them values of different devices would overwrite each other."""
    settings = read(tmp_path, FLEET + "topic_prefix = boats\nshare_group = store 1")
    (battery,) = settings.batteries
    assert battery.fleet
    assert (battery.instances, battery.topic_prefix) == ("tag", "boats/")
    assert battery.share_group == "store 1"
    assert settings.influx.device_tags == ("portal", "instance")


def test_further_tags_of_a_fleet(tmp_path: Path) -> None:
    """Each is there once."""
    settings = read(tmp_path, FLEET + "[Influx]\ndevice_tags = service, portal")
    assert settings.influx.device_tags == ("portal", "service", "instance")
    assert not read(tmp_path, "").batteries[0].fleet


def test_a_fleet_beside_a_device(tmp_path: Path) -> None:
    """The fields may be the same; the device's instances are distinguished as configured."""
    text = "[Battery boats]\nserial = *\nmode = notify\n[Battery]\n[Fields]\ninstances =\n"
    fleet, device = read(tmp_path, text).batteries
    assert (fleet.fleet, fleet.instances) == (True, "tag")
    assert (device.fleet, device.instances) == (False, "one")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[Battery]\nserial = *",
            "line 2: [Battery] serial = *: all devices cannot be polled; write mode = notify, too",
        ),
        (
            FLEET + "instance = 275",
            "line 4: [Battery] instance = 275: is for one device; with serial = * leave it empty",
        ),
        (
            FLEET + "[Fields]\ninstances = battery/tag",
            "line 5: [Fields] instances = battery/tag: with serial = * each value has its instance"
            " as a tag; leave it empty",
        ),
        (
            FLEET + "[Fields]\ninstances = one",
            "line 5: [Fields] instances = one: with serial = * each value has its instance as a"
            " tag; leave it empty",
        ),
        (
            "[Battery x]\nserial = *\nmode = notify\n[Fields x]\ninstances = name",
            "line 5: [Fields x] instances = name: with serial = * each value has its instance as a"
            " tag; leave it empty",
        ),
        (
            "[Battery]\nserial = c0619ab12345\nshare_group = x",
            "line 3: [Battery] share_group = x: is used with serial = * only; write that, or leave"
            " it empty",
        ),
        (
            FLEET + "share_group = x\n[Influx]\ntimestamps = tick",
            "line 6: [Influx] timestamps = tick: cannot be used with share_group, because"
            " each daemon receives some values only; leave it empty",
        ),
        (
            FLEET + "[Fields]\nportal = vebus/Soc",
            "line 5: [Fields] portal: is a tag of each value; rename it",
        ),
        (
            FLEET + "serial = c*",
            "line 4: [Battery] serial: is set twice, first in line 2; keep one of the two",
        ),
    ],
)
def test_settings_that_a_fleet_excludes(tmp_path: Path, text: str, problem: str) -> None:
    """The message has the line of the setting, and what to write instead."""
    assert problems(tmp_path, text) == [problem]


@pytest.mark.parametrize("name", ["a/b", "+", "'a#'", "a, b"])
def test_invalid_groups(tmp_path: Path, name: str) -> None:
    """A group becomes a part of a topic filter."""
    (told,) = problems(tmp_path, FLEET + f"share_group = {name}")
    assert told.startswith("line 4: [Battery] share_group = ")
    assert "must be" in told


def test_the_cloud_has_no_fleet(tmp_path: Path) -> None:
    """VENUS: it rejects a subscription to more than one device."""
    text = (
        "[Battery]\naddress = vrm\nserial = *\nmode = notify\nuser = me@example.com\npassword = x"
    )
    assert problems(tmp_path, text) == [
        "line 3: [Battery] serial = *: the VRM cloud has single devices only; write a portal id"
    ]


def test_one_device_in_place_of_a_fleet(tmp_path: Path) -> None:
    """For `watch`, which takes no message from daemons that share the work."""
    text = FLEET.replace("[Battery]", "[Battery boats]") + "share_group = store\n[Battery]\n"
    fleet, device = read(tmp_path, text).batteries
    one, same = one_of_fleet(read(tmp_path, text), "c0619ab12345").batteries
    assert one == fleet._replace(serial="c0619ab12345", share_group="")
    assert same == device
    alone = read(tmp_path, "")
    assert one_of_fleet(alone, "") == alone


@pytest.mark.parametrize(
    ("text", "portal", "said"),
    [
        (FLEET, "", "every device behind venus.local; give the portal id of one"),
        (FLEET, "a/b", "give the portal id of one, as in c0619ab12345"),
        ("", "c0619ab12345", "is used with serial = * only, which"),
    ],
)
def test_a_fleet_needs_a_portal_id(tmp_path: Path, text: str, portal: str, said: str) -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match=re.escape(said)):
        one_of_fleet(read(tmp_path, text), portal)


def test_found_two_devices_shared_a_credential(tmp_path: Path) -> None:
    """A space in a name is _ in its credential; one of the two has to be renamed."""
    text = "[Battery a b]\naddress = 10.0.0.2\n[Battery a_b]\naddress = 10.0.0.3\n"
    assert problems(tmp_path, text) == [
        "line 3: [Battery a_b]: has the same credential as [Battery a b], mqtt-password-a_b;"
        " rename one of them"
    ]
    assert len(read(tmp_path, text.replace("a_b", "a_c")).batteries) == 2


def test_a_fleet_accepts_two_instances_of_a_preset(tmp_path: Path) -> None:
    """Its tag distinguishes them; a device with the same fields needs the line."""
    presets = "[Fields]\npresets = battery/512, battery/513"
    (battery,) = read(tmp_path, FLEET + presets).batteries
    assert {field.instance for field in battery.fields} == {None, 512, 513}
    (problem,) = problems(tmp_path, FLEET + "[Battery home]\n" + presets)
    assert "battery/512 and battery/513 would have the same names" in problem


# Tags


@pytest.mark.parametrize(
    ("written", "instances", "tags"),
    [
        ("", "one", ()),
        ("portal", "one", ("portal",)),
        ("instance, service, portal", "one", ("portal", "service", "instance")),
        ("service", "tag", ("service", "instance")),
        ("instance", "tag", ("instance",)),
        ("portal, instance", "name", ("portal", "instance")),
    ],
)
def test_parts_of_the_origin_as_tags(
    tmp_path: Path, written: str, instances: str, tags: tuple[str, ...]
) -> None:
    """They have one order, and each is there once."""
    text = f"[Influx]\ndevice_tags = {written}\n[Fields]\ninstances = {instances}"
    assert read(tmp_path, text).influx.device_tags == tags


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[Influx]\ntags = portal:x\ndevice_tags = portal",
            "line 2: [Influx] tags: portal is also one of the device's tags; rename this one",
        ),
        (
            "[Influx]\ntags = instance:x\n[Fields]\ninstances = tag",
            "line 2: [Influx] tags: instance is also one of the device's tags; rename this one",
        ),
        (
            "[Influx]\ntags = GridPower:x\n[Fields]\npresets = grid",
            "line 2: [Influx] tags: GridPower is also a field; rename one of them",
        ),
        (
            "[Influx]\ndevice_tags = service\n[Fields]\nservice = vebus/State",
            "line 4: [Fields] service: is a tag of each value; rename it",
        ),
        (
            "[Fields]\ninstance = vebus/State\ninstances = tag",
            "line 2: [Fields] instance: is a tag of each value; rename it",
        ),
        (
            "[Battery boat]\n[Fields]\nsite = vebus/State",
            "line 3: [Fields] site: is a tag of each value; rename it",
        ),
        (
            "[Influx]\ntags = site:x\n[Battery boat]",
            "line 2: [Influx] tags: site is also the tag of [Battery NAME]; rename this one",
        ),
    ],
)
def test_a_tag_is_no_field_and_no_other_tag(tmp_path: Path, text: str, problem: str) -> None:
    """A query could not distinguish them."""
    assert problems(tmp_path, text) == [problem]


def test_names_of_tags_that_are_not_in_use_are_free(tmp_path: Path) -> None:
    """Files with one device and a tag `site` stay as they are."""
    text = "[Influx]\ntags = site:home, instance:x\n[Fields]\nportal = vebus/State"
    assert read(tmp_path, text).influx.tags == (("site", "home"), ("instance", "x"))


def test_stamps_may_follow_the_clock_of_one_device(tmp_path: Path) -> None:
    """Any of several devices; none by default."""
    text = "[Battery shed]\n[Battery boat]\nclock = device\n[Battery van]\nclock = own"
    shed, boat, van = read(tmp_path, text).batteries
    assert (shed.clock, boat.clock, van.clock) == ("own", "device", "own")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            FLEET + "clock = device",
            "line 4: [Battery] clock = device: each device of a fleet has its own clock; leave"
            " it empty",
        ),
        (
            "[Battery shed]\nclock = device\n[Battery boat]\nclock = device",
            "line 4: [Battery boat] clock = device: [Battery shed] has it already, for one"
            " device at most; leave one of the two empty",
        ),
        (
            "[Battery]\nclock = devise",
            "line 2: [Battery] clock = devise: must be own or device; did you mean device?",
        ),
    ],
)
def test_clocks_that_stamps_cannot_follow(tmp_path: Path, text: str, problem: str) -> None:
    """A fleet has many clocks, and two devices have two."""
    assert problems(tmp_path, text) == [problem]

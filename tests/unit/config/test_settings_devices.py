"""Several devices in one file, bridges, and the VRM cloud."""

from pathlib import Path

import pytest

from bat2influx.net.tls import Tls
from bat2influx.venus.presets import fields_of
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS
from bat2influx.venus.vrm import host_of
from tests.standins.network.certificates import device_certificate
from tests.unit.config.test_inifile import SECRET, problems
from tests.unit.config.test_settings import read

PREFIX = "must be the beginning of topics, as in boat or home/boat"
CLOUD = "[Battery]\naddress = vrm\nserial = c0619ab12345\nuser = me@example.com\n"


def test_each_section_is_a_device(tmp_path: Path) -> None:
    """They are in the order of the file; a missing key has its default, not another's value."""
    text = """
        [Battery shed]
        tls = yes
        password = x
        [Battery]
        serial = c0619ab12345
        mode = notify
        [Battery the  boat]
        interval = 2
        """
    shed, own, boat = read(tmp_path, text).batteries
    assert (shed.name, shed.port, shed.password, shed.mode) == ("shed", 8883, "x", "poll")
    assert (own.name, own.port, own.serial, own.mode) == ("", 1883, "c0619ab12345", "notify")
    assert (boat.name, boat.serial, boat.interval) == ("the boat", "", 2.0)


def test_a_device_has_its_own_fields_or_those_of_all(tmp_path: Path) -> None:
    """[Fields NAME] replaces [Fields] completely."""
    text = """
        [Battery shed]
        [Battery boat]
        [Fields]
        Pv = solarcharger/288/Yield/Power
        instances = name
        [Fields boat]
        defaults = no
        presets = battery
        """
    shed, boat = read(tmp_path, text).batteries
    assert shed.fields == (*DEFAULT_FIELDS, Field("Pv", "solarcharger", 288, "Yield/Power"))
    assert boat.fields == fields_of(["battery"])
    assert (shed.instances, boat.instances) == ("name", "one")


def test_one_field_set_by_tag_adds_the_tag(tmp_path: Path) -> None:
    """Values of the others have it, too; an unused set adds nothing."""
    text = "[Battery boat]\n[Battery]\n[Fields boat]\ninstances = tag"
    assert read(tmp_path, text).influx.device_tags == ("instance",)
    assert read(tmp_path, "[Battery boat]\n[Fields boat]\n[Fields]").influx.device_tags == ()


def test_a_name_in_one_field_set_may_be_in_another(tmp_path: Path) -> None:
    """Their tags distinguish them."""
    text = "[Battery a]\n[Battery b]\n[Fields a]\nPv = grid/Ac/Power\n[Fields b]\nPv = vebus/State"
    assert [battery.fields[-1].service for battery in read(tmp_path, text).batteries] == [
        "grid",
        "vebus",
    ]


def test_keys_of_a_named_device_are_checked_like_all_others(tmp_path: Path) -> None:
    """A message has the section as it stands in the file."""
    text = """\
[Battery  attic]
port = 0
prot = 1
share_group = a/b
[Fields attic]
Voltage = vebus/Soc
default = no
Soh = battery
"""
    assert problems(tmp_path, text) == [
        "line 2: [Battery attic] port = 0: must be a whole number from 1 to 65535",
        "line 3: [Battery attic] prot: unknown key; did you mean port?",
        "line 4: [Battery attic] share_group = a/b: must be a name without /, + and #, as in store",
        "line 6: [Fields attic] Voltage: is one of the nine default fields; rename it, or"
        " write defaults = no",
        "line 7: [Fields attic] default: unknown key; did you mean defaults?",
        "line 8: [Fields attic] Soh = battery: has no path: it must be service[/instance]/path,"
        " as in vebus/Soc",
    ]


def test_fields_without_their_device(tmp_path: Path) -> None:
    """They would never be read, which must be a mistake."""
    text = "[Battery attic]\n[Fields atic]\nPv = grid/Ac/Power\n[Fields boat]"
    assert problems(tmp_path, text) == [
        "line 2: [Fields atic]: there is no [Battery atic]; did you mean [Fields attic]?",
        "line 4: [Fields boat]: there is no [Battery boat]; add it, or remove this section",
    ]


def test_fields_that_no_device_uses(tmp_path: Path) -> None:
    """If each device has its own, settings in [Fields] would be ignored without a message."""
    text = "[Fields]\ndefaults =\n{}\n[Battery attic]\n[Fields attic]"
    assert read(tmp_path, text.format("presets ="))
    assert problems(tmp_path, text.format("presets = grid")) == [
        "line 1: [Fields]: is not used, because each device has its own section; remove this one"
    ]


@pytest.mark.parametrize("name", ["a/b", "../x", "-x", "x" * 33, "a,b", "a\u200bb", f"{SECRET}!"])
def test_invalid_names_of_devices(tmp_path: Path, name: str) -> None:
    """They become a tag and a part of a file's name; the settings below are ignored."""
    what = "a device's name has letters, digits, spaces and . _ -, 32 at most"
    for kind in ("Battery", "Fields"):
        text = f"[{kind} {name}]\npassword {SECRET}\npassword = {SECRET}\nport = 0"
        shown, other = problems(tmp_path, text)
        assert shown == f"line 1: [{kind} …]: {what}"
        assert other == "line 2: is neither a [Section] nor key = value"


@pytest.mark.parametrize("name", ["Ä1", "2", "x" * 32, "my.boat_2-b", "two words"])
def test_valid_names_of_devices(tmp_path: Path, name: str) -> None:
    """Letters of any language, and the usual separators."""
    (battery,) = read(tmp_path, f"[Battery {name}]").batteries
    assert battery.name == name


def test_repeated_sections(tmp_path: Path) -> None:
    """Spaces make no other name."""
    assert problems(tmp_path, "[Battery a b]\n[Battery  a  b]") == [
        "line 2: [Battery a b]: is repeated, first in line 1; merge the two"
    ]


def test_each_device_has_a_credential(tmp_path: Path) -> None:
    """mqtt-password is that of [Battery] alone."""
    (tmp_path / "mqtt-password").write_text("one\n")
    (tmp_path / "mqtt-password-the_boat").write_text("two\n")
    text = "[Battery]\n[Battery the boat]\npassword = x\n[Battery shed]\npassword = three"
    settings = read(tmp_path, text, credentials=tmp_path)
    assert [battery.password for battery in settings.batteries] == ["one", "two", "three"]
    (tmp_path / "mqtt-password-the_boat").write_text(f"{SECRET}\n\n")
    assert problems(tmp_path, text, credentials=tmp_path) == [
        f"{tmp_path / 'mqtt-password-the_boat'}: holds more than one line; a credential is one line"
    ]


@pytest.mark.parametrize(
    ("written", "prefix"),
    [("", ""), ("boat", "boat/"), ("boat/", "boat/"), ("a/b/", "a/b/"), ("the boat", "the boat/")],
)
def test_prefixes_of_a_bridge(tmp_path: Path, written: str, prefix: str) -> None:
    """One slash is at the end, whether the file has it or not."""
    (battery,) = read(tmp_path, f"[Battery]\ntopic_prefix = {written}").batteries
    assert battery.topic_prefix == prefix


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("/boat", PREFIX),
        ("/", PREFIX),
        ("boat//", PREFIX),
        ("a//b", PREFIX),
        ("boat/+", PREFIX),
        ("'boat/#'", PREFIX),
        ("$share/a", PREFIX),
        ("a, b", "must be printable, and in quotes if it holds a comma"),
        ("boat/N/", "must be what stands in front of N/, without that itself"),
        ("R", "must be what stands in front of R/, without that itself"),
    ],
)
def test_invalid_prefixes_of_a_bridge(tmp_path: Path, written: str, problem: str) -> None:
    """Wildcards and empty levels match nothing, or too much."""
    (told,) = problems(tmp_path, f"[Battery]\ntopic_prefix = {written}")
    bare = written.strip("'")
    assert told.startswith(f"line 2: [Battery] topic_prefix = {bare}: {problem}")


@pytest.mark.parametrize("tls", ["", "tls =", "tls = yes"])
@pytest.mark.parametrize("address", ["vrm", "VRM"])
def test_the_cloud(tmp_path: Path, address: str, tls: str) -> None:
    """The host is derived, TLS is implied, and a token becomes a password."""
    text = CLOUD.replace("vrm", address) + f"password = {SECRET}\n{tls}"
    (battery,) = read(tmp_path, text).batteries
    assert battery.vrm
    assert battery.address == host_of("c0619ab12345")
    assert (battery.port, battery.tls) == (8883, Tls())
    assert (battery.user, battery.password) == ("me@example.com", f"Token {SECRET}")
    assert SECRET not in repr(battery)


def test_the_cloud_is_trusted_by_the_same_rules(tmp_path: Path) -> None:
    """A file of authorities works as with tls = yes, and has the same problems."""
    file = device_certificate(tmp_path).cert
    text = f"{CLOUD}password = 'Token {SECRET}'\nport = 18883\nca_file = {file}"
    (battery,) = read(tmp_path, text).batteries
    assert (battery.port, battery.tls) == (18883, Tls(ca_file=str(file)))
    assert battery.password == f"Token {SECRET}"
    (told,) = problems(tmp_path, f"{CLOUD}password = x\nca_file = /nowhere")
    assert told.startswith("line 6: [Battery] ca_file = /nowhere: cannot be read")


def test_the_token_may_be_a_credential(tmp_path: Path) -> None:
    """It is missing only if credentials can be read, that is in the service."""
    text = CLOUD.replace("[Battery]", "[Battery boat]")
    assert read(tmp_path, text).batteries[0].password == ""
    missing = (
        "line 2: [Battery boat] address = vrm: write password (an access token of the account), too"
    )
    assert problems(tmp_path, text, credentials=tmp_path) == [missing]
    credential = tmp_path / "mqtt-password-boat"
    credential.write_text("\n")
    assert problems(tmp_path, text, credentials=tmp_path) == [missing]
    credential.write_text("a\nb\n")
    (told,) = problems(tmp_path, text, credentials=tmp_path)
    assert "holds more than one line" in told
    credential.write_text(f"{SECRET}\n")
    (battery,) = read(tmp_path, text, credentials=tmp_path).batteries
    assert battery.password == f"Token {SECRET}"


def test_settings_that_the_cloud_requires(tmp_path: Path) -> None:
    """One message names all missing ones, at the line of the address."""
    (told,) = problems(tmp_path, "[Battery]\nport =\naddress = vrm", credentials=tmp_path)
    assert told == (
        "line 3: [Battery] address = vrm: write serial (the portal id), user (the e-mail address"
        " of an account) and password (an access token of the account), too"
    )
    (told,) = problems(tmp_path, "[Battery]\naddress = vrm\npassword = x\nuser = me@example.com")
    assert told == "line 2: [Battery] address = vrm: write serial (the portal id), too"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tls = no", "tls = no: the VRM cloud requires TLS; leave it out, or write yes"),
        ("tls = maybe", "tls = maybe: must be yes or no"),
        (
            "topic_prefix = boat",
            "topic_prefix = boat: is for a bridge, and the VRM cloud has none; leave it",
        ),
        (
            "topic_prefix = yes",
            "topic_prefix = yes: is for a bridge, and the VRM cloud has none; leave it",
        ),
        ("verify_host = no", "verify_host = no: would accept any certificate"),
    ],
)
def test_settings_that_the_cloud_excludes(tmp_path: Path, line: str, problem: str) -> None:
    """They are errors, instead of being ignored."""
    (told,) = problems(tmp_path, f"{CLOUD}password = x\n{line}")
    assert told.startswith(f"line 6: [Battery] {problem}")


@pytest.mark.parametrize("user", ["bat2influx", "token/reader/4711", "me"])
def test_the_clouds_user_is_an_e_mail_address(tmp_path: Path, user: str) -> None:
    """A user of a device is not valid for the cloud."""
    (told,) = problems(tmp_path, CLOUD.replace("me@example.com", user))
    what = "must be the e-mail address of a VRM account, with address = vrm"
    assert told == f"line 4: [Battery] user = {user}: {what}"


def test_users_of_the_cloud_may_have_a_plus(tmp_path: Path) -> None:
    """Many e-mail addresses have one; only a device rejects it."""
    text = CLOUD.replace("me@", "me+vrm@")
    assert read(tmp_path, text).batteries[0].user == "me+vrm@example.com"
    (told,) = problems(tmp_path, text.replace("= vrm\n", "= venus.local\n"))
    assert told == "line 4: [Battery] user = …: must be without + and #, which a device rejects"

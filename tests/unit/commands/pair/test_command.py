"""`bat2influx pair`: the chosen device and section, and where the token goes."""

from __future__ import annotations

import getpass
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.pair import command, placing
from bat2influx.commands.pair.command import Arguments, chosen, machine_id, pair, password_of
from bat2influx.commands.pair.conversation import Target
from bat2influx.config import paths
from bat2influx.config.settings import Battery, ConfigError, load
from bat2influx.net.tls import Tls
from bat2influx.venus.pairing import Token
from tests.support.tls_by_hand import certificate
from tests.unit.commands.session_by_hand import battery

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_CANTCREAT, EX_CONFIG = 0, 64, 69, 73, 78
PIN = ":".join(["AB"] * 32)
TOKEN = Token("token/bat2influx/pi1", "s3cret")


class HandConversation:
    """A pairing by hand: `targets` are those that were asked, `token` what they give."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.targets: list[Target] = []
        self.passwords: list[Any] = []
        self.token: Token | None = TOKEN
        self.fingerprint = PIN
        monkeypatch.setattr(command, "Conversation", self._begin)

    def _begin(self, target: Target, password: Any, **_: Any) -> HandConversation:
        self.targets.append(target)
        self.passwords.append(password)
        return self

    def run(self) -> bool:
        """Return whether there is a token."""
        return self.token is not None


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> HandConversation:
    """A device that gives out a token."""
    return HandConversation(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return where the file is, which is not there yet."""
    return tmp_path / "etc/bat2influx/bat2influx.ini"


def run(config: Path, host: str | None = None, **arguments: bool) -> int:
    """Run the command with a file."""
    return pair(Arguments(host, config, **arguments), lambda: load(config), {})


def written(config: Path, text: str) -> Path:
    """Write the file."""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text)
    return config


def test_without_a_file_it_is_the_usual_device(
    device: HandConversation, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout has only the lines."""
    assert run(config) == EX_OK
    (target,) = device.targets
    assert (target.host, target.https_port, target.mqtt_port) == ("venus.local", 443, 8883)
    assert (target.pinned, device.passwords) == ("", [None])
    assert target.client.isalnum()
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "[Battery]",
        "address = venus.local",
        "tls = yes",
        f"fingerprint = {PIN}",
        f"user = {TOKEN.user}",
        f"password = {TOKEN.password}",
    ]
    assert err == f"venus.local accepted the login; these lines are for {config}:\n"


def test_the_file_says_which_device_and_certificate(device: HandConversation, config: Path) -> None:
    """Its address, its port for MQTT and its fingerprint are used for that host only."""
    own = "address = GX.lan", "port = 8884", "tls = yes", f"fingerprint = {PIN}"
    written(config, "\n".join(["[Battery]", *own]))
    for host in (None, "gx.LAN."):
        run(config, host)
        assert device.targets[-1].host == "GX.lan"
        assert device.targets[-1].mqtt_port == 8884
        assert device.targets[-1].pinned == PIN
    run(config, "other:4443")
    target = device.targets[-1]
    assert (target.host, target.https_port) == ("other", 4443)
    assert (target.mqtt_port, target.pinned) == (8883, "")


def test_a_port_without_tls_is_not_that_of_a_paired_device(
    device: HandConversation, config: Path
) -> None:
    """Pairing is what brings TLS."""
    written(config, "[Battery]\naddress = gx\nport = 1884\n")
    run(config)
    assert device.targets[0].mqtt_port == 8883


def named(name: str, address: str, **changes: Any) -> Battery:
    """Return a section of the file."""
    return battery()._replace(name=name, address=address, **changes)


def test_of_several_devices_the_one_with_that_address_is_chosen() -> None:
    """Without a host, or with an unknown one, it is unclear which; all are named."""
    a, b = named("a", "gx1"), named("b", "gx2")
    assert chosen([a, b], "GX2") is b
    assert chosen([a], None) is a
    assert chosen([a], "elsewhere") is a
    assert chosen([], "gx1") is None
    for host, words in ((None, "give the address of one"), ("gx3", "write address = gx3 into")):
        with pytest.raises(ConfigError, match=r"\[Battery a\] \(gx1\), \[Battery b\] \(gx2\); .*"):
            chosen([a, b], host)
        with pytest.raises(ConfigError, match=words):
            chosen([a, b], host)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (named("", "mqtt1.victronenergy.com", vrm=True), "uses the VRM cloud"),
        (named("", "gx", topic_prefix="boat/"), "has a topic_prefix"),
    ],
)
def test_a_device_behind_a_broker_or_the_cloud_is_not_paired(section: Battery, words: str) -> None:
    """The login would be for another server."""
    with pytest.raises(ConfigError, match=words):
        chosen([section], "gx")


@pytest.mark.parametrize("host", ["", "a b", "gx:0", "gx:x"])
def test_an_invalid_host_is_a_usage_error(
    device: HandConversation, config: Path, host: str
) -> None:
    """No connection is made."""
    assert run(config, host) == EX_USAGE
    assert device.targets == []


@pytest.mark.parametrize("write", [False, True])
def test_found_an_invalid_file_hid_the_fingerprint_of_the_device(
    device: HandConversation, config: Path, capsys: pytest.CaptureFixture[str], write: bool
) -> None:
    """No request is sent until it is corrected: another machine could get the password."""
    written(config, f"[Battery]\naddress = gx\ntls = yes\nfingerprint = {PIN}\nport = x\n")
    assert run(config, "gx", write=write) == EX_CONFIG
    assert "line 5" in capsys.readouterr().err
    assert device.targets == []


def test_found_an_unreadable_file_ended_in_a_traceback(
    device: HandConversation, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may exist, and have the fingerprint."""

    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", denied)
    assert run(config, "gx") == EX_CONFIG
    assert device.targets == []


def test_a_device_that_is_trusted_by_an_authority_is_pinned_with_yes_only(
    device: HandConversation, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pairing cannot check the certificate by the authority."""
    (tmp_path / "ca").mkdir()
    authority = certificate(tmp_path / "ca", "device", "gx").cert
    written(config, f"[Battery]\naddress = gx\ntls = yes\nca_file = {authority}\n")
    assert run(config, "gx") == EX_CONFIG
    assert "[Battery] trusts the device by ca_file" in capsys.readouterr().err
    assert device.targets == []
    assert run(config, "gx", yes=True) == EX_OK


def test_obstacles_to_writing_are_reported_before_a_request(
    device: HandConversation, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as that the file is not the service's."""
    assert run(config, write=True) == EX_CONFIG
    assert "--write is for files of the service" in capsys.readouterr().err
    assert device.targets == []


@pytest.fixture
def service(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the file be the service's, and be root; return where the file system begins."""
    root = config.parent.parent.parent
    config.parent.mkdir(parents=True)
    monkeypatch.setattr(paths, "HOME", config.parent)
    monkeypatch.setattr(command, "Place", lambda config, name: placing.Place(config, name, root))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return root


def test_the_login_is_written_and_the_next_command_is_printed(
    device: HandConversation, config: Path, service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The difference is the result; the secret is in neither."""
    assert run(config, "gx", write=True) == EX_OK
    out, err = capsys.readouterr()
    assert "+user = token/bat2influx/pi1" in out
    assert err.endswith("gx accepted the login. Now run: systemctl restart bat2influx\n")
    assert TOKEN.password not in out + err
    assert (service / "etc/credstore/bat2influx.mqtt-password").read_text() == "s3cret\n"
    assert run(config, "gx", write=True) == EX_CONFIG
    assert "already holds a password; --yes" in capsys.readouterr().err
    assert run(config, "gx", write=True, yes=True) == EX_OK


def test_a_file_that_changes_during_the_pairing_is_unchanged(
    device: HandConversation,
    config: Path,
    service: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An editor has saved the file: nothing is written, with a message."""

    def edits(self: HandConversation) -> bool:
        config.write_text("[Battery]\npassword = mine\n")
        return True

    monkeypatch.setattr(HandConversation, "run", edits)
    assert run(config, "gx", write=True) == EX_CANTCREAT
    assert "nothing was written; run the command again" in capsys.readouterr().err
    assert config.read_text() == "[Battery]\npassword = mine\n"
    assert not (service / "etc/credstore/bat2influx.mqtt-password").exists()


def test_without_a_token_nothing_is_printed(
    device: HandConversation, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The problem has been reported before."""
    device.token = None
    assert run(config, "gx") == EX_UNAVAILABLE
    assert capsys.readouterr().out == ""


def test_a_password_is_typed_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, or after Ctrl-C, there is none."""
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt}")
    assert password_of("gx", {}) == "typed at Password of gx: "
    for error in (EOFError, KeyboardInterrupt):

        def ended(prompt: str, error: type[BaseException] = error) -> str:
            raise error

        monkeypatch.setattr(getpass, "getpass", ended)
        assert password_of("gx", {}) is None

    def echoed(prompt: str) -> str:
        warnings.warn("it would be seen", getpass.GetPassWarning, stacklevel=1)
        pytest.fail("it is read nevertheless")

    monkeypatch.setattr(getpass, "getpass", echoed)
    assert password_of("gx", {}) is None


def test_a_password_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one line, spaces included; without one the terminal asks."""
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "typed")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert password_of("gx", environment) == "typed"
    (tmp_path / "device-password").write_text(" sesame \n")
    assert password_of("gx", environment) == " sesame "
    (tmp_path / "device-password").write_text("")
    assert password_of("gx", environment) == "typed"
    (tmp_path / "device-password").write_bytes(b"\xff")
    assert password_of("gx", environment) is None


def test_a_computer_without_an_id_gets_a_random_one(tmp_path: Path) -> None:
    """So that its name at the device is unique."""
    path = tmp_path / "machine-id"
    assert machine_id(path) != machine_id(path)
    path.write_text("")
    assert machine_id(path) != machine_id(path)
    path.write_text("0123\n")
    assert machine_id(path) == b"0123"


def test_the_pinned_fingerprint_may_be_of_a_section_with_tls_only(
    device: HandConversation, config: Path
) -> None:
    """One trusted by an authority is not pinned."""
    section = named("", "gx", tls=Tls(ca_file="x"))
    assert chosen([section], "gx") is section

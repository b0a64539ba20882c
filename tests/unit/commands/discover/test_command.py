"""`bat2influx discover`: the hosts it queries, its use of the ini file, and its output."""

from __future__ import annotations

import argparse
import io
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.discover import command, lan_search
from bat2influx.commands.discover.command import MAX_DEVICES, discover, own_of, register
from bat2influx.commands.discover.device_lines import JsonDevices
from bat2influx.commands.discover.inquiry import InquiryResult, Target
from bat2influx.commands.discover.lan_search import FoundDevice, Interface
from bat2influx.commands.discover.ssdp import Description
from bat2influx.commands.discover.writing import Writing
from bat2influx.config.settings import Battery, ConfigError, Settings
from tests.support.writing import DEFAULTS
from tests.unit.commands.hints_by_hand import HINT, give_hint
from tests.unit.commands.session_by_hand import CONFIG, OTHER, P, battery

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 0, 64, 69, 78
BLOCK = ["# one", "[Battery]", "address = a", "", "[Fields]"]
NOTHING = InquiryResult()
LINE = "#" * 40


class Home:
    """A network and an ini file made by hand; `asked` has each target with what the file has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batteries: tuple[Battery, ...] = ()
        self.problems: list[str] = []
        self.interfaces = (Interface("eth0", "192.0.2.1"), Interface("wlan0", "198.51.100.1"))
        self.found: tuple[FoundDevice, ...] = ()
        self.names: dict[str, list[str]] = {}  # addresses by name; no other one resolves
        self.results: dict[str, InquiryResult] = {}
        self.asked: list[tuple[Target, Battery | None]] = []
        self.options: list[tuple[str, bool]] = []
        self.resolved: list[tuple[str, int]] = []
        home = self

        class Asking:
            """Takes the place of an Inquiry."""

            def __init__(self, target: Target, own: Battery | None, **options: Any) -> None:
                home.asked.append((target, own))
                home.options.append((options["config"], options["everything"]))

            def make(self) -> InquiryResult:
                """Have the result that the test has set."""
                return home.results.get(home.asked[-1][0].host, NOTHING)

        monkeypatch.setattr(command, "Inquiry", Asking)
        monkeypatch.setattr(lan_search, "interfaces", lambda: self.interfaces)
        monkeypatch.setattr(lan_search, "find_devices", lambda *_: self.found)
        monkeypatch.setattr(command.resolver, "resolve", self._resolve)

    def _resolve(self, host: str, port: int, timeout: float) -> list[Any]:
        self.resolved.append((host, port))
        if host not in self.names:
            raise socket.gaierror
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in self.names[host]]

    def load(self) -> Settings:
        """Read the ini file."""
        if self.problems:
            raise ConfigError(self.problems)
        return Settings(Path(CONFIG), self.batteries, DEFAULTS, 10**8)

    def discover(
        self, host: str | None = None, *, everything: bool = False, write: Path | None = None
    ) -> int:
        """Run the command; with `write` it writes there."""
        return discover(
            host,
            everything=everything,
            config=write or Path(CONFIG),
            load=self.load,
            writing=Writing(write) if write else None,
        )

    def find(self, *addresses: str) -> None:
        """Have devices answer the search from these addresses."""
        self.found = tuple(FoundDevice(each, Description(portal=P)) for each in addresses)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Home:
    """Two interfaces, nobody there, and a file without a device."""
    return Home(monkeypatch)


def test_a_password_of_the_service_is_named(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that this command cannot read: otherwise the device seems to need another login."""
    asked = give_hint(monkeypatch, command)
    home.discover("venus.local:8883")
    assert capsys.readouterr().err.startswith(f"note: {HINT}\n")
    home.discover()
    home.discover("gx", write=tmp_path / "new.ini")
    commands = ["discover venus.local:8883", "discover", "discover gx --write"]
    assert asked == [{"command": each, "peers": ("mqtt",)} for each in commands]


# What the ini file has for a host


@pytest.mark.parametrize(
    ("host", "port", "own"),
    [
        ("venus.local", None, 0),
        ("VENUS.local", None, 0),
        ("venus.local.", None, 0),
        ("venus.local", 1883, 0),
        ("venus.local", 8883, 1),
        ("venus.local", 1884, None),
        ("192.0.2.20", None, 2),
        ("192.0.2.21", None, None),
        ("venus", None, None),
        ("evil.venus.local", None, None),
    ],
)
def test_the_file_is_used_for_its_own_hosts_only(
    host: str, port: int | None, own: int | None
) -> None:
    """By address and port, or the first without a port; its password is sent to no other host."""
    batteries = [
        battery(address="Venus.local.", port=1883, password="a"),
        battery(address="venus.local", port=8883, password="b"),
        battery(address="192.0.2.20", password="c"),
    ]
    found = own_of(Target(host, port), batteries)
    assert found is (None if own is None else batteries[own])


def test_a_host_is_queried_with_its_section_of_the_file(home: Home) -> None:
    """And another one without any."""
    home.batteries = (battery(password="s3cret"),)
    home.discover("venus.local:1883", everything=True)
    home.discover("192.0.2.20")
    assert home.asked == [
        (Target("venus.local", 1883), home.batteries[0]),
        (Target("192.0.2.20"), None),
    ]
    assert home.options == [(CONFIG, True), (CONFIG, False)]
    assert home.resolved == []


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        (
            ["x.ini, line 2: port\nmore of it"],
            "x.ini, line 2: port; continuing without the file",
        ),
        (["first", "second", "third"], "first (and 2 more); continuing without the file"),
    ],
)
def test_an_invalid_file_is_reported_in_one_line(
    home: Home, capsys: pytest.CaptureFixture[str], problems: list[str], said: str
) -> None:
    """The search continues."""
    home.problems = problems
    home.results["venus.local"] = InquiryResult((BLOCK,), reached=True)
    assert home.discover("venus.local") == EX_OK
    assert capsys.readouterr().err.splitlines() == [said, "connecting to venus.local"]
    assert home.asked == [(Target("venus.local"), None)]


@pytest.mark.parametrize("host", ["", "host:0", "a b", "192.168.1"])
def test_an_invalid_host_is_a_usage_error(
    home: Home, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """No connection is made."""
    assert home.discover(host) == EX_USAGE
    out, err = capsys.readouterr()
    assert err.startswith(f"bat2influx discover: {host}: ")
    assert (out, home.asked) == ("", [])


# The search


def test_a_search_reports_where_and_for_how_long(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what to do without an answer, which is EX_UNAVAILABLE."""
    home.batteries = (battery(),)
    assert home.discover() == EX_UNAVAILABLE
    out, err = capsys.readouterr()
    first, *rest = err.splitlines()
    assert first == "searching on eth0 (192.0.2.1), wlan0 (198.51.100.1) for 3 s"
    assert rest[0].startswith("no Venus device has answered the search")
    assert rest[-2].endswith("run: bat2influx discover HOST")
    assert rest[-1].endswith("under that profile: bat2influx pair HOST")
    assert (out, home.resolved) == ("", [])


def test_without_a_network_there_is_no_search(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message says so."""
    home.interfaces = ()
    monkeypatch.setattr(lan_search, "find_devices", None)
    assert home.discover() == EX_UNAVAILABLE
    text = "no network interface is up; the search is not possible\n"
    assert capsys.readouterr() == ("", text)


def test_of_many_devices_some_are_queried(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The number is bounded."""
    told = "17 devices have answered; only 16 of them are queried"
    for count in (MAX_DEVICES, MAX_DEVICES + 1):
        home.asked.clear()
        home.find(*(f"192.0.2.{n}" for n in range(20, 20 + count)))
        home.discover()
        assert len(home.asked) == MAX_DEVICES
        first, *rest = capsys.readouterr().err.splitlines()
        assert first.startswith("searching on ")
        assert rest[: -len(home.asked)] == ([told] if count > MAX_DEVICES else [])


def test_a_device_of_the_file_is_queried_by_its_name(home: Home) -> None:
    """Its login is for the address in the file, which resolves to it; others get none."""
    home.batteries = (
        battery(password="s3cret", port=8883),
        battery(address="gone.local", name="gone"),
    )
    home.names = {"venus.local": ["198.51.100.9", "192.0.2.20"]}
    home.find("192.0.2.20", "192.0.2.21")
    home.discover()
    said = Description(portal=P)
    assert home.asked == [
        (Target("venus.local", description=said), home.batteries[0]),
        (Target("192.0.2.21", description=said), None),
    ]
    assert home.resolved == [("venus.local", 8883), ("gone.local", 1883)]


# What is printed


def printed(home: Home, capsys: pytest.CaptureFixture[str], *results: InquiryResult) -> list[str]:
    """Return the lines on stdout where devices have these results."""
    home.find(*(f"192.0.2.{n}" for n in range(len(results))))
    home.results = {f"192.0.2.{n}": result for n, result in enumerate(results)}
    reached = any(result.reached for result in results)
    assert home.discover() == (EX_OK if reached else EX_UNAVAILABLE)
    return capsys.readouterr().out.splitlines()


def a_block(portal: str) -> list[str]:
    """Return lines that are a file."""
    return [f"# {portal}", "[Battery]", "", f"serial = {portal}"]


ABSENT = InquiryResult((["# off: MQTT is switched off on it"],))


def test_of_several_devices_the_first_has_active_lines(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are commented out, so that the output is a valid file."""
    first = InquiryResult((a_block("a"), a_block("b")), reached=True)
    second = InquiryResult((a_block("c"),), reached=True)

    def commented(portal: str) -> Sequence[str]:
        return ("", LINE, f"# # {portal}", "# [Battery]", "#", f"# serial = {portal}")

    lines = printed(home, capsys, first, second)
    assert lines == [*a_block("a"), *commented("b"), *commented("c")]


def test_unreachable_devices_are_last(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """A comment stays a comment, and replaces no block."""
    good = InquiryResult((a_block(OTHER),), reached=True)
    lines = printed(home, capsys, ABSENT, NOTHING, good)
    assert lines == [*a_block(OTHER), "", LINE, *ABSENT.blocks[0]]


def test_an_unreachable_device_is_unavailable(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its description is printed nevertheless."""
    assert printed(home, capsys, ABSENT) == ABSENT.blocks[0]


def test_the_output_is_utf8_like_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the locale."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
    home.results["venus.local"] = InquiryResult((["# Cellar №1"],), reached=True)
    assert home.discover("venus.local") == EX_OK
    sys.stdout.flush()
    assert out.getvalue() == "# Cellar №1\n".encode()


def test_the_command_line_chooses_host_and_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host it searches; the file is read by what it is called."""
    seen: list[tuple[Any, ...]] = []

    def note(
        host: str | None,
        *,
        everything: bool,
        config: Path,
        load: Any,
        writing: Writing | None,
        as_json: JsonDevices | None,
    ) -> int:
        with pytest.raises(ConfigError, match="there is no such file"):
            load()
        seen.append((host, everything, config, writing, as_json is not None))
        return 7

    monkeypatch.setattr(command, "discover", note)
    parser = argparse.ArgumentParser()
    register(parser)
    gone = Path("/nowhere/x.ini")
    lines = ([], ["venus.local:1884", "--all"], ["--write"], ["--write", "--yes"], ["--json"])
    for arguments in lines:
        options = parser.parse_args(arguments)
        options.config = gone
        assert options.function(options) == 7
    assert seen == [
        (None, False, gone, None, False),
        ("venus.local:1884", True, gone, None, False),
        (None, False, gone, Writing(gone), False),
        (None, False, gone, Writing(gone, confirmed=True), False),
        (None, False, gone, None, True),
    ]


# What it writes


def test_the_lines_are_written_instead_of_printed(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout has the difference."""
    path = tmp_path / "x.ini"
    home.results["gx"] = InquiryResult((BLOCK,), reached=True)
    assert home.discover("gx", write=path) == EX_OK
    assert path.read_text() == "[Battery]\naddress = a\n"
    assert "+address = a" in capsys.readouterr().out.splitlines()


def test_without_a_device_nothing_is_written(home: Home, tmp_path: Path) -> None:
    """Neither after a search, nor for a host."""
    path = tmp_path / "x.ini"
    assert home.discover("gx", write=path) == EX_UNAVAILABLE
    assert home.discover(write=path) == EX_UNAVAILABLE
    assert not path.exists()


def test_an_invalid_file_prevents_writing(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All its problems are printed, and no host is queried."""
    path = tmp_path / "x.ini"
    path.touch()
    home.problems = ["x.ini, line 2: port", "x.ini, line 3: tls"]
    assert home.discover("gx", write=path) == EX_CONFIG
    assert capsys.readouterr().err.splitlines() == home.problems
    assert home.asked == []

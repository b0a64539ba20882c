"""Valid configuration files: the settings in them, and the defaults."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from configobj import ConfigObj

from bat2influx.config.settings import SPEC, Settings, load
from bat2influx.net.tls import Tls
from bat2influx.venus.presets import fields_of
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS
from tests import TOP

TEMPLATE = TOP / "etc/bat2influx.ini"


def read(directory: Path, text: str | bytes, credentials: Path | None = None) -> Settings:
    """Load `text` as a file."""
    path = directory / "bat2influx.ini"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, credentials=credentials)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    """Without a setting, everything has the documented default."""
    settings = read(tmp_path, "")
    (battery,) = settings.batteries
    assert settings.path == tmp_path / "bat2influx.ini"
    assert settings.max_size == 256_000_000
    assert battery._asdict() | {"fields": battery.fields} == {
        "name": "",
        "address": "venus.local",
        "port": 1883,
        "user": "bat2influx",
        "password": "",
        "serial": "",
        "instance": None,
        "interval": 1.0,
        "soc_interval": 10.0,
        "fields": DEFAULT_FIELDS,
        "tls": None,
        "mode": "poll",
        "topic_prefix": "",
        "instances": "one",
        "kinds": (),
        "vrm": False,
        "share_group": "",
        "max_memory": 24_000_000,
        "clock": "own",
    }
    assert settings.influx._asdict() == {
        "address": "localhost",
        "port": 8086,
        "tls": None,
        "user": "",
        "password": "",
        "token": "",
        "use_environment": False,
        "db": "battery",
        "measurement": "dc",
        "retention_policy": "",
        "timestamps": "arrival",
        "tags": (),
        "self_measurement": "",
        "device_tags": (),
        "path": "",
    }


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each setting arrives in the dataclass, in its type."""
    settings = read(
        tmp_path,
        """
        [Battery]
        address = 192.168.1.5
        port = 11883
        tls = yes
        fingerprint = 7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A
        user = remoteconsole
        password = geheim
        serial = c0619ab12345
        instance = 276
        interval = 0.5
        soc_interval = 60
        mode = notify
        topic_prefix = home/boat
        [Influx]
        address = influx.lan
        port = 18086
        user = writer
        password = "a#b,c"
        db = house
        measurement = power
        retention_policy = year
        timestamps = tick
        tags = site:home, room:the cellar
        device_tags = service, portal
        [Fields]
        presets = solar
        instances = name
        Pv = solarcharger/288/Yield/Power
        Grid = system/Ac/Grid/L1/Power
        [Spool]
        max_size = 64 MiB
        """,
    )
    (battery,) = settings.batteries
    assert battery == battery._replace(
        address="192.168.1.5",
        port=11883,
        tls=Tls(fingerprint=":".join(["7A"] * 32)),
        user="remoteconsole",
        password="geheim",
        serial="c0619ab12345",
        instance=276,
        interval=0.5,
        soc_interval=60.0,
        mode="notify",
        topic_prefix="home/boat/",
        instances="name",
    )
    assert battery.fields == (
        *DEFAULT_FIELDS,
        *fields_of(["solar"]),
        Field("Pv", "solarcharger", 288, "Yield/Power"),
        Field("Grid", "system", None, "Ac/Grid/L1/Power"),
    )
    assert settings.influx == settings.influx._replace(
        address="influx.lan",
        port=18086,
        user="writer",
        password="a#b,c",
        db="house",
        measurement="power",
        retention_policy="year",
        timestamps="tick",
        tags=(("site", "home"), ("room", "the cellar")),
        device_tags=("portal", "service"),
    )
    assert settings.max_size == 64 * 1024**2


def test_the_documented_overview_is_a_valid_file(tmp_path: Path) -> None:
    """Empty values with a comment are defaults, those of later features included."""
    overview = """
        [Battery]
        address = venus.local
        port =            # 1883; 8883 with tls
        tls = no
        fingerprint =     # SHA-256
        ca_file =
        verify_host = yes
        user = bat2influx
        password =
        serial =          # portal id; empty: found
        instance =        # of vebus; empty: found
        interval = 1.0    # s, 0.2 to 30
        soc_interval = 10 # s, paths ending in /Soc
        mode = poll       # or notify
        topic_prefix =    # a bridge's
        share_group =
        max_memory = 24MB
        [Fields]
        defaults = yes
        presets =         # battery, grid, solar, system, phases
        instances = one   # or tag, name
        [Influx]
        address = localhost
        port = 8086
        tls = no
        ca_file =
        fingerprint =
        user =
        password =
        token =           # InfluxDB 2 and 3
        db = battery
        measurement = dc
        retention_policy =
        timestamps = arrival   # or tick
        tags =            # name:value, ...
        device_tags =     # portal, service, instance
        self_measurement =
        [Spool]
        max_size = 256MB
        [Metrics]
        textfile = no
        """
    assert read(tmp_path, overview) == read(tmp_path, "")


def test_the_template_changes_no_default(tmp_path: Path) -> None:
    """The file that users start from gives the settings of an empty one."""
    assert load(TEMPLATE)._replace(path=Path()) == read(tmp_path, "")._replace(path=Path())


def test_the_template_has_every_key_and_no_other() -> None:
    """Each key stands in its section of the template."""
    spec: Any = ConfigObj(str(SPEC), interpolation=False, _inspec=True)
    known = {f"[{section}] {key}" for section in spec.sections for key in spec[section].scalars}
    template: Any = ConfigObj(str(TEMPLATE), interpolation=False)
    found = {f"[{section}] {key}" for section in template.sections for key in template[section]}
    assert found == known - {"[Fields] __many__"}


def test_the_template_names_each_default() -> None:
    """A reader of the template sees what an empty value stands for."""
    spec: Any = ConfigObj(str(SPEC), interpolation=False, _inspec=True)
    text = TEMPLATE.read_text()
    for section in ("Battery", "Influx", "Spool", "Fields"):
        part = text[text.index(f"\n[{section}]") :].partition("\n\n\n")[0]
        for key in spec[section].scalars:
            default = re.search(r'default="?([\w.]+)"?\)', spec[section][key])
            if default and default[1] != "None":
                assert f"{default[1]}" in part, key


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [
        ("1000000", 10**6),
        ("256MB", 256 * 10**6),
        ("2M", 2 * 10**6),
        ("64 MiB", 64 * 2**20),
        ("1024kb", 1_024_000),
        ("1gib", 2**30),
        ("5 G", 5 * 10**9),
    ],
)
def test_sizes(tmp_path: Path, written: str, bytes_: int) -> None:
    """A size has a unit of 1000, with an i of 1024, or is in bytes."""
    assert read(tmp_path, f"[Spool]\nmax_size = {written}").max_size == bytes_


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("cerbo", "cerbo"),
        ("my_venus.lan.", "my_venus.lan."),
        ("10.0.0.7", "10.0.0.7"),
        ("fe80::1", "fe80::1"),
        ("[fe80::1]", "fe80::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("3com.example", "3com.example"),
    ],
)
def test_addresses(tmp_path: Path, written: str, address: str) -> None:
    """An address is a host name, IPv4 or IPv6; brackets are not a part of it."""
    settings = read(tmp_path, f"[Battery]\naddress = {written}\n[Influx]\naddress = {written}")
    assert settings.batteries[0].address == settings.influx.address == address


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("plain", "plain"),
        ("two words", "two words"),
        ("it's", "it's"),
        ('"it\'s #1, really"', "it's #1, really"),
        ("'#'", "#"),
        ('"a" # of the device', "a"),
        ("100%(x)s", "100%(x)s"),
        ("a=b:c", "a=b:c"),
        ("a\"b'c", "a\"b'c"),
        ('"a" # it\'s, mine', "a"),
        ("'a' # say \"it\"", "a"),
        ("'a' # it's of 'x', too", "a"),
        ("a;b", "a;b"),
        ("a;", "a;"),
        ('"a ; b // c"', "a ; b // c"),
        ('"a"   # b ; c // d', "a"),
        ("a//b", "a//b"),
        ("//a", "//a"),
        ("http://a", "http://a"),
        ("grün", "grün"),
        ("# a comment", ""),
        ('""', ""),
    ],
)
def test_secrets_are_read_as_written(tmp_path: Path, written: str, secret: str) -> None:
    """Quotes around a secret are removed; nothing in it is replaced."""
    settings = read(tmp_path, f"[Battery]\npassword = {written}\n[Influx]\npassword={written}")
    assert settings.batteries[0].password == settings.influx.password == secret


def test_own_fields_only(tmp_path: Path) -> None:
    """With `defaults = no`, only the file's fields are read, and the names of the nine are free."""
    settings = read(tmp_path, '[Fields]\ndefaults = no\n"Power" = system/0/Dc/Battery/Power')
    assert settings.batteries[0].fields == (Field("Power", "system", 0, "Dc/Battery/Power"),)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_windows_files(tmp_path: Path, mark: bytes, end: bytes) -> None:
    """A byte order mark and CRLF make no difference."""
    text = mark + end.join([b"[Battery]", b"password = geheim", b"port = 1884", b""])
    (battery,) = read(tmp_path, text).batteries
    assert (battery.password, battery.port) == ("geheim", 1884)


def test_credentials_replace_secrets_of_the_file(tmp_path: Path) -> None:
    """Also if the file has one; their last newline is removed."""
    (tmp_path / "mqtt-password").write_text("# one, two\n")
    (tmp_path / "influx-password").write_text("other")
    text = "[Battery]\npassword = x\n[Influx]\npassword = y"
    settings = read(tmp_path, text, credentials=tmp_path)
    assert settings.batteries[0].password == "# one, two"
    assert settings.influx.password == "other"


def test_without_credential_files_the_ini_is_used(tmp_path: Path) -> None:
    """A credentials directory without a file, or a missing one, changes nothing."""
    for directory in (tmp_path, tmp_path / "absent"):
        settings = read(tmp_path, "[Battery]\npassword = x", credentials=directory)
        assert settings.batteries[0].password == "x"


def test_a_mark_of_other_comments_within_a_value_is_a_part_of_it(tmp_path: Path) -> None:
    """Without a space beside it, in quotes, or in a comment, ; and // have no meaning."""
    settings = read(
        tmp_path,
        """
        [Battery] # ; of mine // too
        user = me;you # a ; b // c
        [Influx]
        user = "a ; b"
        measurement = 'a // b'    # c, "d"
        tags = "x:1 ;", y:a;b, "z:// 2", w:c//d
        [Fields]
        Pv = solarcharger/Yield/Power # W; of the sun
        """,
    )
    assert settings.batteries[0].user == "me;you"
    assert (settings.influx.user, settings.influx.measurement) == ("a ; b", "a // b")
    assert dict(settings.influx.tags) == {"x": "1 ;", "y": "a;b", "z": "// 2", "w": "c//d"}
    assert settings.batteries[0].fields[-1].path == "Yield/Power"


def test_a_token_is_extracted_from_pasted_text(tmp_path: Path) -> None:
    """A note says what was ignored, with the line or the file of the token."""
    said = "ignored, because not part of it: 'Bearer'; write the token alone"
    ini = "[Influx]\ntoken = Bearer geheim"
    settings = read(tmp_path, ini)
    assert settings.influx.token == "geheim"
    assert settings.notes == (f"{settings.path}, line 2: [Influx] token: {said}",)
    credential = tmp_path / "influx-token"
    credential.write_text(" 'other'\n")
    settings = read(tmp_path, ini, credentials=tmp_path)
    assert settings.influx.token == "other"
    said = said.replace("'Bearer'", "spaces, quotes")
    assert settings.notes == (f"{credential}: {said}",)
    credential.write_text("other\n")
    settings = read(tmp_path, ini, credentials=tmp_path)
    assert (settings.influx.token, settings.notes) == ("other", ())


def test_passwords_are_not_in_the_repr(tmp_path: Path) -> None:
    """Settings can be logged."""
    settings = read(tmp_path, "[Battery]\npassword = geheim\n[Influx]\npassword = geheim")
    assert "geheim" not in repr(settings)


def test_loading_needs_neither_broker_nor_database_code() -> None:
    """Errors are reported before the slow imports."""
    code = "import sys, bat2influx.config.settings; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=TEMPLATE.parents[1],
    ).stdout.split()
    assert not {"paho", "influxdb", "requests", "sqlite3"} & set(loaded)

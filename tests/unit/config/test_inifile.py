"""Invalid configuration files: every problem is reported, and no secret."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bat2influx.config.settings import ConfigError, load

SECRET = "hunter-Zq7"


def problems(directory: Path, text: str | bytes, credentials: Path | None = None) -> list[str]:
    """Return the problems of `text`, without the file's name; no secret may be in them."""
    path = directory / "b.ini"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as raised:
        load(path, credentials=credentials)
    error: BaseException | None = raised.value
    while error is not None:
        assert SECRET not in repr(error) + str(error)
        assert not isinstance(error, UnicodeError)
        error = error.__cause__ or error.__context__
    return [problem.removeprefix(f"{path}, ") for problem in raised.value.problems]


def test_every_problem_at_once(tmp_path: Path) -> None:
    """Five mistakes are five messages: line, key, value, and what is allowed."""
    text = f"""\
[Battery]
address = venus.local
password: {SECRET}
intervall = 1
[Influxdb]
url = http://x
[Influx]
port = 80860
db = house
db = home
"""
    assert problems(tmp_path, text) == [
        "line 3: [Battery] password: has ':' and no '='; write password = …",
        "line 4: [Battery] intervall: unknown key; did you mean interval?",
        "line 5: [Influxdb]: unknown section; did you mean [Influx]?",
        "line 8: [Influx] port = 80860: must be a whole number from 1 to 65535",
        "line 10: [Influx] db: is set twice, first in line 9; keep one of the two",
    ]


SECONDS = "must be a number of seconds from 0.2 to 30, such as 0.5"
NAME = "must be a printable name without \\"
HOST = "must be a host name or an IP address alone"
SIZE = "must be a size from 1MB to 1000GB, such as 256MB or 64MiB"
TAGS = "must be name:value, …, as in site:home, room:cellar"


@pytest.mark.parametrize(
    ("section", "line", "problem"),
    [
        ("Battery", "interval = 0.1", f"interval = 0.1: {SECONDS}"),
        ("Battery", "interval = nan", f"interval = nan: {SECONDS}"),
        ("Battery", "interval = inf", f"interval = inf: {SECONDS}"),
        ("Battery", "interval = 1,5", f"interval = 1, 5: {SECONDS}"),
        ("Battery", "interval = fast # very", f"interval = fast: {SECONDS}"),
        ("Battery", "soc_interval = 3601", "soc_interval = 3601: must be a number of seconds"),
        ("Battery", "instance = -1", "instance = -1: must be a whole number from 0 to 65535"),
        ("Battery", "port = " + "9" * 900, "port = " + "9" * 59 + "…: must be a whole number"),
        ("Battery", "serial = c06/+", "serial = c06/+: must be a portal id"),
        ("Battery", "address = 300.1.1.1", f"address = 300.1.1.1: {HOST}"),
        ("Battery", "address = a b", f"address = a b: {HOST}"),
        ("Battery", "address = a,b", f"address = a, b: {HOST}"),
        (
            "Battery",
            "address = mqtt://venus.local/x",
            f"address = mqtt://venus.local/x: {HOST}; write address = venus.local",
        ),
        (
            "Battery",
            "address = venus.local:8883",
            f"address = venus.local:8883: {HOST}; write address = venus.local and port = 8883",
        ),
        (
            "Influx",
            "address = http://[::1]:8086",
            f"address = http://[::1]:8086: {HOST}; write address = ::1 and port = 8086",
        ),
        ("Influx", f"address = http://me:{SECRET}@x", f"address = …: {HOST}"),
        ("Influx", f"address = http://x/?p={SECRET}", f"address = …: {HOST}"),
        ("Influx", "timestamps = tik", "timestamps = tik: must be arrival or tick; did you mean"),
        ("Influx", "db = a/b/c", f"db = a/b/c: {NAME} and /"),
        (
            "Influx",
            "db = home/autogen",
            "db = home/autogen: must be one name; write db = home and retention_policy = autogen",
        ),
        (
            "Influx",
            "retention_policy = home/raw",
            "retention_policy = home/raw: must be one name; write db = home and retention_policy =",
        ),
        ("Influx", f"token = my {SECRET}", "token: must be one word of printable ASCII"),
        ("Influx", "token = Bearer", "token: must be one word of printable ASCII"),
        ("Influx", "db = a[b", f"db = a[b: {NAME} and / and ["),
        ("Influx", "db = ..", f"db = ..: {NAME}"),
        ("Influx", "db = a, b", f"db = a, b: {NAME}"),
        ("Influx", "retention_policy = a\\b", f"retention_policy = a\\b: {NAME}"),
        ("Influx", "measurement = a=b", f"measurement = a=b: {NAME} and ="),
        ("Influx", "measurement = '#1'", f"measurement = #1: {NAME}"),
        ("Influx", "measurement = ' x'", f"measurement =  x: {NAME}"),
        ("Influx", "user = a\u2028b", "user = a?b: must be printable"),
        ("Influx", "tags = home", f"tags = home: {TAGS}"),
        ("Influx", "tags = site:", f"tags = site:: {TAGS}"),
        ("Influx", "tags = time:1", f"tags = time:1: {TAGS}"),
        ("Influx", "tags = a:1, a:2", f"tags = a:1, a:2: {TAGS}"),
        ("Influx", "tags = a:1, Power:2", "tags: Power is also a field; rename one of them"),
        ("Spool", "max_size = 1KB", f"max_size = 1KB: {SIZE}"),
        ("Spool", "max_size = 9999GB", f"max_size = 9999GB: {SIZE}"),
        ("Spool", "max_size = much", f"max_size = much: {SIZE}"),
        ("Spool", "max_size = -1MB", f"max_size = -1MB: {SIZE}"),
        ("Fields", "defaults = maybe", "defaults = maybe: must be yes or no"),
        ("Fields", "defaults = no", "defaults = no: leaves no field"),
        ("Fields", "default = no", "default: unknown key; did you mean defaults?"),
        ("Fields", "Pv = N/1/solarcharger", "Pv = N/1/solarcharger: write it without"),
        ("Fields", "Pv = a/b, c/d", "Pv = a/b, c/d: must be service[/instance]/path"),
        ("Fields", "Pv = vebus/a@b", "Pv = …: must be service[/instance]/path"),
        ("Fields", "Pv =", "Pv: is empty; write service[/instance]/path"),
        (
            "Fields",
            "Soc = system/Dc/Battery/Soc",
            "Soc: is one of the nine default fields; rename it",
        ),
        ("Fields", "time = vebus/Soc", "time: must be printable, without \\ or _ in front"),
        ("Fields", "__many__ = vebus/Soc", "must be printable, without \\ or _ in front"),
        ("Fields", "'a\\b' = vebus/Soc", "must be printable, without \\"),
        ("Fields", f"password = {SECRET}", "password: unknown key; it belongs to [Battery] or"),
        ("Fields", f"Passwd = {SECRET}", "Passwd: unknown key; there are defaults"),
        ("Battery", f"frobnicate = {SECRET}", "frobnicate: unknown key; there are address, port"),
        ("Battery", "db = x", "db: unknown key; it belongs to [Influx]"),
        ("Battery", "Password = x", "Password: unknown key; did you mean password?"),
    ],
)
def test_values_that_are_not_allowed(tmp_path: Path, section: str, line: str, problem: str) -> None:
    """An invalid value is shown with its key, and with what it must be."""
    (told,) = problems(tmp_path, f"[{section}]\n{line}")
    assert told.startswith((f"line 2: [{section}] {problem}", f"line 2: [{section}]: {problem}"))


@pytest.mark.parametrize(
    "line",
    [
        f"password = {SECRET}#1",
        f"password = {SECRET}, 1",
        f"password = {SECRET} # comment",
        f"password = #{SECRET}",
        f'password = "{SECRET}',
        f'password = "{SECRET}"#1',
        f'password = "{SECRET}", "x"',
        f"password = '{SECRET}'s'",
    ],
)
def test_a_secret_that_would_be_cut_is_rejected(tmp_path: Path, line: str) -> None:
    """ConfigObj would read a comment, a list or nothing; it has to be put in quotes."""
    assert problems(tmp_path, f"[Battery]\n{line}\n[Influx]\n{line}") == [
        f'line {number}: [{section}] password: has a stray quote, comma or #; put it in quotes: "…"'
        for number, section in ((2, "Battery"), (4, "Influx"))
    ]


@pytest.mark.parametrize("line", ["db = a#b", "db = a,,b", 'tags = "a:b" c', "user = ,", 'db = "a'])
def test_a_value_that_would_be_cut_is_rejected(tmp_path: Path, line: str) -> None:
    """A # begins a comment only after a space; quotes and commas have to match."""
    (told,) = problems(tmp_path, f"[Influx]\n{line}")
    assert told.endswith('has a stray quote, comma or #; put it in quotes: "…"')


def outside(mark: str) -> str:
    """Return the message about a comment of another syntax."""
    return (
        f"has a {mark} outside of quotes; begin a comment with #, and put a value that holds"
        f' {mark} in quotes: "…"'
    )


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("interval = 1 ; seconds", ";"),
        ("interval = 1 ;seconds", ";"),
        ("interval = 1; seconds", ";"),
        ("interval = 1\t; seconds", ";"),
        ("interval = 1 ; a # b", ";"),
        ("interval = 1 // seconds", "//"),
        ("interval = 1 //seconds", "//"),
        ("address = 10.0.0.1 ; my gx", ";"),
        ("address = 10.0.0.1 ; http://gx", ";"),
        ("address = http://gx // mine", "//"),
        ("port = ; default", ";"),
        ("port = ;default", ";"),
        ("port = // default", "//"),
        ('user = "me" ; mine', ";"),
        ('user = "me" ; "mine"', ";"),
        ("user = it's ; mine", ";"),
        ("user = me ; it's", ";"),
        ('user = "a", b ; c', ";"),
        ("user = me; mine", ";"),
        (f"password = {SECRET} ; {SECRET}", ";"),
        (f"password = {SECRET} ;{SECRET}", ";"),
        (f"password = {SECRET}; {SECRET}", ";"),
        (f"password = ;{SECRET}", ";"),
        (f"password = {SECRET} // {SECRET}", "//"),
        (f"password = {SECRET} //{SECRET}", "//"),
        (f"password = // {SECRET}", "//"),
        (f'password = "{SECRET}" ; {SECRET}', ";"),
        (f"password = '{SECRET}' // {SECRET}", "//"),
    ],
)
def test_found_a_comment_of_another_syntax_became_a_part_of_the_value(
    tmp_path: Path, line: str, mark: str
) -> None:
    """A ; or // beside a space is a comment elsewhere; the message asks for # or quotes."""
    key = line.split(maxsplit=1)[0]
    assert problems(tmp_path, f"[Battery]\n{line}\n[Spool]\nmax_size = 1") == [
        f"line 2: [Battery] {key}: {outside(mark)}",
        f"line 4: [Spool] max_size = 1: {SIZE}",
    ]


@pytest.mark.parametrize("mark", [";", "//"])
@pytest.mark.parametrize("blank", [" ", "", "\t"])
def test_a_comment_of_another_syntax_after_a_section(tmp_path: Path, mark: str, blank: str) -> None:
    """It is reported, and the settings of the section are still checked."""
    text = f"[Influx]{blank}{mark} {SECRET} [x]\nport = 0\n[Infux] {mark} x"
    assert problems(tmp_path, text) == [
        f"line 1: [Influx]: a comment begins with #, not with {mark}",
        "line 2: [Influx] port = 0: must be a whole number from 1 to 65535",
        "line 3: [Infux]: unknown section; did you mean [Influx]?",
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"password = '{SECRET}' # it's '{SECRET}'",
        f'password = "{SECRET}" # {SECRET}"',
        f'password = "{SECRET}" #{SECRET}"',
        f'password = "{SECRET}" # "',
        f'password = "{SECRET}" # {SECRET}" # mine',
        f"password = '' #, {SECRET}'",
    ],
)
def test_found_a_secret_cut_at_a_quote_and_a_hash_within_it(tmp_path: Path, line: str) -> None:
    """ConfigObj ends it at the first quote, although the last one may be meant."""
    quote = line.split()[2][0]
    (told,) = problems(tmp_path, f"[Influx]\n{line}")
    assert told == (
        f"line 2: [Influx] password: could end at either {quote}; put the comment on a separate"
        f" line, or a secret that holds {quote} in the other kind of quotes"
    )


STRAY = 'has a stray quote, comma or #; put it in quotes: "…"'


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (f"{SECRET}\"'#1", STRAY),
        (f"{SECRET}\"',1", STRAY),
        (f'"{SECRET}"\'#1"', STRAY),
        (f"'{SECRET}\"'#1'", STRAY),
        (f'"it\'s" {SECRET}', STRAY),
        (f"{SECRET} ; \"'", outside(";")),
        (f'"\'" # {SECRET}"', 'could end at either "'),
        (f"'''{SECRET}\"'#1'''", "a value has one line, and one quote at each end"),
        (f'"""{SECRET}\'#1"""', "a value has one line, and one quote at each end"),
    ],
)
@pytest.mark.parametrize(
    ("section", "key", "credential"),
    [
        ("Battery", "password", "mqtt-password"),
        ("Battery the boat", "password", "mqtt-password-the_boat"),
        ("Influx", "password", "influx-password"),
        ("Influx", "token", "influx-token"),
    ],
)
def test_a_secret_with_both_quotes_belongs_in_a_separate_file(
    tmp_path: Path, raw: str, problem: str, section: str, key: str, credential: str
) -> None:
    """No quotes can hold it beside a # or a comma; the message names the file."""
    (told,) = problems(tmp_path, f"[{section}]\n{key} = {raw}")
    assert told.startswith(f"line 2: [{section}] {key}: {problem}")
    assert told.endswith(
        "; if it holds both \" and ', leave it empty here, and write it as the only line of the"
        f" file {credential} in the directory that CREDENTIALS_DIRECTORY names"
    )


@pytest.mark.parametrize(
    "line", [f"password: \"'{SECRET}", f"pasword = \"'{SECRET}", f"token = \"'{SECRET}"]
)
def test_other_faults_of_a_secret_name_no_separate_file(tmp_path: Path, line: str) -> None:
    """Another sign or key has to be corrected first."""
    (told,) = problems(tmp_path, f"[Battery]\n{line}")
    assert "CREDENTIALS" not in told


def test_a_stray_quote_in_a_long_list_is_detected_at_once(tmp_path: Path) -> None:
    """ConfigObj alone would try every split of this list, more than 2**300."""
    (told,) = problems(tmp_path, "[Influx]\ntags = " + "a ," * 300 + '"')
    assert "stray quote" in told


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"password {SECRET}", "[Battery] password: has no '='; write password = …"),
        ("interval", "[Battery] interval: has no '='; write interval = …"),
        (SECRET, "is neither a [Section] nor key = value"),
        (f"{SECRET}=", "[Battery]: unknown key; there are address"),
        (f"password{SECRET} = x", "[Battery]: unknown key; did you mean password?"),
        (f"password: a={SECRET}", "[Battery] password: has ':' and no '='; write password = …"),
        (f"pasword: {SECRET}", "[Battery] pasword: has ':' and no '='; write password = …"),
        (f"{SECRET}: x", "[Battery]: has ':' and no '='; write key = …"),
        (f"= {SECRET}", "is neither a [Section] nor key = value"),
        (f"; {SECRET}", "a comment begins with #, not with ;"),
        (f";password = {SECRET}", "a comment begins with #, not with ;"),
        (f"; a: {SECRET}", "a comment begins with #, not with ;"),
        (f"// {SECRET}", "a comment begins with #, not with //"),
        (f"//password = {SECRET}", "a comment begins with #, not with //"),
        (f"/ {SECRET}", "is neither a [Section] nor key = value"),
        (f"[Influx] x ; {SECRET}", "a section is one name in brackets"),
        (f"[Influx] / {SECRET}", "a section is one name in brackets"),
        (f"[[{SECRET}]]", "a section is one name in brackets, such as [Battery]"),
        (f"[Battery] {SECRET}", "a section is one name in brackets"),
        ("password = '''x'''", "[Battery] password: a value has one line"),
        (f"password = {SECRET}\x1b", "holds a control character (0x1b)"),
        (f"password = {SECRET}\ra", "holds a control character (0x0d)"),
        (f"password = {SECRET * 200}", "is longer than 1000 characters"),
    ],
)
def test_invalid_lines(tmp_path: Path, line: str, problem: str) -> None:
    """An invalid line is reported without its content, and the rest of the file is checked."""
    told = problems(tmp_path, f"[Battery]\n{line}\n[Spool]\nmax_size = 1")
    assert told[0].startswith(f"line 2: {problem}")
    assert told[1:] == [f"line 4: [Spool] max_size = 1: {SIZE}"]


def test_values_of_several_lines(tmp_path: Path) -> None:
    """A value in triple quotes is one problem, whatever its lines look like."""
    text = f"[Battery]\npassword = '''\n[Influx]\n{SECRET}\nport = 0'''\nport = 0"
    assert problems(tmp_path, text) == [
        "line 2: [Battery] password: a value has one line, and one quote at each end",
        "line 6: [Battery] port = 0: must be a whole number from 1 to 65535",
    ]


def test_triple_quotes_that_never_end(tmp_path: Path) -> None:
    """The lines after them are checked as usual."""
    text = '[Battery]\npassword = """x\n[Battery]\nport = 0'
    assert [problem.split(":")[0] for problem in problems(tmp_path, text)] == [
        "line 2",
        "line 3",
        "line 4",
    ]


def test_sections(tmp_path: Path) -> None:
    """Repeated, unknown and missing sections are reported, and so are problems within them."""
    text = f"""\
password = {SECRET}
{SECRET} = x
[Battery]
port = 1
[Battery]
port = 0
[{SECRET}]
password = {SECRET}
[DEFAULT]
port = x
[influx]
"""
    sections = "there are [Battery], [Influx], [Fields], [Spool], [Metrics]"
    hidden, *rest = problems(tmp_path, text.replace(f"[{SECRET}]", "[12/3]"))
    assert hidden == (
        "line 1: password: is before the first section; write [Battery] or [Influx] above it"
    )
    assert rest == [
        "line 2: is before the first [Section]",
        "line 5: [Battery]: is repeated, first in line 3; merge the two",
        "line 6: [Battery] port: is set twice, first in line 4; keep one of the two",
        f"line 7: […]: unknown section; {sections}",
        f"line 9: [DEFAULT]: unknown section; {sections}",
        "line 11: [influx]: unknown section; did you mean [Influx]?",
    ]


def test_fields_by_the_same_name(tmp_path: Path) -> None:
    """A name stands for one field; quotes do not make it another."""
    text = "[Fields]\nPv = solarcharger/Yield/Power\n'Pv' = solarcharger/Pv/V"
    assert problems(tmp_path, text) == [
        "line 3: [Fields] Pv: is set twice, first in line 2; keep one of the two"
    ]


ORIGINAL = f"""\
; my battery
[Battery]
address: 192.168.1.5
password: {SECRET}#%%1
serial: c0619ab12345
interval: 0.95

[Influx]
address : influx.lan
port: 8086
user: me@home
password: a: b={SECRET}
measurement: sen,sors
# of my own
colour: {SECRET}
"""


def test_a_file_of_the_original_script(tmp_path: Path) -> None:
    """One message covers it as a whole, with each line as it has to be written."""
    (told,) = problems(tmp_path, ORIGINAL)
    lines = told.splitlines()
    assert lines[0].startswith("line 3: this is a file of the original script")
    assert lines[1:12] == [
        "  line 1: begin the comment with #",
        "  line 3: write address = 192.168.1.5",
        "  line 4: write password = …",
        "  line 5: write serial = c0619ab12345",
        "  line 6: write interval = 0.95",
        "  line 9: write address = influx.lan",
        "  line 10: write port = 8086",
        "  line 11: write user = …",
        "  line 12: write password = …",
        '  line 13: write measurement = "sen,sors"',
        "  line 15: remove the line, because there is no such key here",
    ]
    assert "write db = bat in [Influx]" in lines[-1]


def test_a_file_of_the_original_script_with_its_database(tmp_path: Path) -> None:
    """If the file names the database, the message does not mention the default."""
    (told,) = problems(tmp_path, ORIGINAL + "db: bat\n")
    assert "db = bat" in told
    assert "default" not in told


def test_the_command_for_a_file_of_the_original_script_works(tmp_path: Path) -> None:
    """After the command in the message, and its quotes, the file is valid."""
    directory = tmp_path / "it's here"
    directory.mkdir()
    (told,) = problems(directory, ORIGINAL.replace("colour", "# colour"))
    (command,) = (line for line in told.splitlines() if "sed -i" in line)
    subprocess.run(command.partition(":  ")[2], shell=True, check=True)
    text = (directory / "b.ini").read_text()
    assert [problem.partition(":")[0] for problem in problems(directory, text)] == [
        "line 4",
        "line 13",
    ]
    text = text.replace(f"{SECRET}#%%1", f'"{SECRET}#%1"').replace("sen,sors", '"sen,sors"')
    (directory / "b.ini").write_text(text)
    loaded = load(directory / "b.ini")
    assert loaded.batteries[0].password == f"{SECRET}#%1"
    assert loaded.batteries[0].interval == 0.95
    assert loaded.influx.password == f"a: b={SECRET}"
    assert loaded.influx.measurement == "sen,sors"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[Battery]\n\npassword = hunter-Zq7\xff", "line 3: holds a byte that is not UTF-8;"),
        (b"[Battery]\n\0\0\0", "line 2: holds a NUL byte;"),
        ("[Battery]\npassword = hunter-Zq7".encode("utf-16"), "line 1: holds a byte that is not"),
        (b"#" * 65537, "is larger than 64 KiB; check that it is the right file"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, problem: str) -> None:
    """There is one problem, with the line of the first invalid byte."""
    (told,) = problems(tmp_path, content)
    assert told.removeprefix(f"{tmp_path / 'b.ini'}: ").startswith(problem)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a directory, or a file without permission is a problem."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(ConfigError, match=r"there is no such file$"):
        load(tmp_path / "absent.ini")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load(tmp_path)
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigError, match=r"x\.ini: cannot be read: Permission denied$"):
        load(tmp_path / "x.ini")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("mqtt-password", SECRET.encode() + b"\xff", ", line 1: holds a byte that is not UTF-8"),
        ("influx-password", f"me\n{SECRET}\n".encode(), ": holds more than one line"),
        ("influx-password", f"{SECRET}\n\n".encode(), ": holds more than one line"),
        ("influx-token", f"{SECRET}\n{SECRET}\n".encode(), ": holds more than one line"),
        ("influx-token", f"my {SECRET}\n".encode(), ": must be one word of printable ASCII"),
    ],
)
def test_invalid_credentials(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    """The problem names the credential's file, after those of the ini file."""
    (tmp_path / name).write_bytes(content)
    first, told = problems(tmp_path, "[Battery]\nport = 0", credentials=tmp_path)
    assert first.startswith("line 2")
    assert told.startswith(f"{tmp_path / name}{problem}")


def test_a_credential_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory in its place is a problem, not a reason to use the ini's password."""
    (tmp_path / "mqtt-password").mkdir()
    (told,) = problems(tmp_path, "[Battery]\npassword = x", credentials=tmp_path)
    assert told == f"{tmp_path / 'mqtt-password'}: cannot be read: Is a directory"


SPECIAL = st.sampled_from([*"\"'#,=:[];\n\r\t\\@% \x00\x85\u2028\ufeff", '"""', "'''"])
SECTIONS = [
    "[Battery]",
    "[Influx]",
    "[Fields]",
    "[Spool]",
    "[DEFAULT]",
    "[Battery x]",
    "[Fields x]",
    "[x",
]
KEYS = [
    "password",
    "token",
    "address",
    "port",
    "interval",
    "serial",
    "tags",
    "defaults",
    "presets",
    "instances",
    "device_tags",
    "topic_prefix",
    "max_size",
]
VALUES = [
    "__many__",
    "yes",
    "no",
    "1",
    "0.5",
    "nan",
    "vebus/Soc",
    "a:b",
    "64MiB",
    "vrm",
    "tag",
    "grid",
]
PIECES = SPECIAL | st.sampled_from(KEYS + VALUES) | st.text(max_size=5)
TEXTS = st.lists(PIECES, max_size=6).map("".join)
LINES = (
    st.sampled_from(SECTIONS) | TEXTS | st.builds("{} = {}".format, st.sampled_from(KEYS), TEXTS)
)
FILES = st.lists(LINES, max_size=10).map("\n".join)
SECRET_LINES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["password", "token", "pasword", "Password", "passwd", ""]),
    st.sampled_from(["=", " = ", ": ", ":", " ", "", " == ", " = '", ' = """', "=[", "\u2028"]),
    st.just(SECRET),
    TEXTS,
)


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file name for all examples."""
    return tmp_path_factory.mktemp("config") / "b.ini"


@settings(deadline=None, max_examples=300)
@given(content=st.one_of(st.binary(max_size=200), FILES.map(str.encode)))
@example(content=b"[Fields]\n__many__ = x")
def test_any_bytes_are_settings_or_problems(somewhere: Path, content: bytes) -> None:
    """Any content gives settings or messages, and nothing else."""
    somewhere.write_bytes(content)
    try:
        load(somewhere)
    except ConfigError as error:
        assert error.problems
        assert all(problem.startswith(str(somewhere)) for problem in error.problems)


@settings(deadline=None, max_examples=300)
@given(before=FILES, line=SECRET_LINES, after=FILES)
@example(before="[Fields]", line=f"pasword {SECRET} = 1", after="")
@example(before="[Fields]", line=f"pasword = {SECRET}", after="")
def test_a_secret_never_shows(somewhere: Path, before: str, line: str, after: str) -> None:
    """Wherever a password is and however invalid the file, no message repeats it."""
    somewhere.write_bytes(f"{before}\n{line}\n{after}".encode())
    try:
        load(somewhere)
    except ConfigError as error:
        assert SECRET not in str(error)

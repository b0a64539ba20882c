"""Each check of a single value: what it accepts and returns, and what it rejects."""

from __future__ import annotations

import re
from typing import Any

import pytest
from configobj.validate import ValidateError

from bat2influx.config.checks import CHECKS, host_and_port, is_key, is_name
from bat2influx.venus.presets import PRESETS
from bat2influx.venus.protocol import Field

Value = str | list[str]
DIGITS = "ab" * 32
COLONS = ":".join(["AB"] * 32)
WHICH = "one or tag or name, or for a kind alone as in battery/tag, each once"
MODES, ORIGIN = ("poll", "notify"), ("portal", "service", "instance")
PORT, INTERVAL = ("1", "65535"), ("0.2", "30")

GOOD: list[tuple[str, tuple[str, ...], Value, object]] = [
    ("yes_no", (), "yes", True),
    ("yes_no", (), "no", False),
    ("choice", MODES, "poll", "poll"),
    ("choice", MODES, "notify", "notify"),
    ("some", ORIGIN, [], ()),
    ("some", ORIGIN, "service", ("service",)),
    ("some", ORIGIN, ["instance", "portal", "instance"], ("portal", "instance")),
    ("presets", (), "grid", ("grid",)),
    ("presets", (), [*PRESETS][::-1], tuple(PRESETS)),
    ("presets", (), "battery/512", ("battery/512",)),
    ("presets", (), "battery/0065", ("battery/65",)),
    (
        "presets",
        (),
        ["grid", "battery/513", "battery/0", "battery/513"],
        ("battery/0", "battery/513", "grid"),
    ),
    ("instances", (), "one", (("", "one"),)),
    ("instances", (), "name", (("", "name"),)),
    ("instances", (), "battery/tag", (("", "one"), ("battery", "tag"))),
    (
        "instances",
        (),
        ["battery/name", "tag", "vebus/one"],
        (("", "tag"), ("battery", "name"), ("vebus", "one")),
    ),
    ("whole", PORT, "1", 1),
    ("whole", PORT, "65535", 65535),
    ("whole", PORT, "00080", 80),
    ("seconds", INTERVAL, "0.2", 0.2),
    ("seconds", INTERVAL, "30", 30.0),
    *[("seconds", INTERVAL, value, 10.0) for value in ("1e1", "10.", "1.0E+1")],
    ("seconds", INTERVAL, ".5", 0.5),
    ("seconds", INTERVAL, repr(3 * 0.2), 3 * 0.2),
    ("size", (), "1MB", 10**6),
    ("size", (), "1000000", 10**6),
    ("size", (), "1000000B", 10**6),
    ("size", (), "1000000 kb", 10**9),
    ("size", (), "1000GB", 10**12),
    ("size", (), "977KiB", 977 * 2**10),
    ("size", (), "64mi", 64 * 2**20),
    ("size", (), "931 GiB", 931 * 2**30),
    ("text", (), "", ""),
    ("text", (), "caf\xe9 & co", "caf\xe9 & co"),
    ("secret", (), "a, b # c", "a, b # c"),
    ("token", (), "a#b", "a#b"),
    ("token", (), "Bearer a", "Bearer a"),  # of which `tokens.bare` makes a
    ("serial", (), "", ""),
    ("serial", (), "c0619ab12345", "c0619ab12345"),
    ("serial", (), "*", "*"),
    ("serial", (), "site_2-b", "site_2-b"),
    ("group", (), "", ""),
    ("group", (), "store 1", "store 1"),
    ("prefix", (), "", ""),
    ("prefix", (), "boat", "boat/"),
    ("prefix", (), "home/boat/", "home/boat/"),
    ("prefix", (), "N/boat", "N/boat/"),
    ("url_path", (), "", ""),
    ("url_path", (), "insert/0/influx", "/insert/0/influx"),
    ("url_path", (), "//a//b/", "/a/b"),
    ("url_path", (), "~a.b:c@d!", "/~a.b:c@d!"),
    ("fingerprint", (), "", ""),
    ("fingerprint", (), DIGITS, COLONS),
    ("fingerprint", (), COLONS, COLONS),
    ("fingerprint", (), COLONS.replace(":", " "), COLONS),
    ("path", (), "", ""),
    ("path", (), "/etc/ssl/my ca.pem", "/etc/ssl/my ca.pem"),
    ("name", ("/[",), "", ""),
    ("name", ("/[",), "my battery=1", "my battery=1"),
    ("name", ("=",), "a/b[c", "a/b[c"),
    ("name", ("=",), ".a#", ".a#"),
    ("tags", (), [], ()),
    ("tags", (), "site:home", (("site", "home"),)),
    ("tags", (), ["b : x 1", "a:y:z"], (("b", "x 1"), ("a", "y:z"))),
    ("field", (), "vebus/Dc/0/Voltage", Field("", "vebus", None, "Dc/0/Voltage")),
    ("field", (), "solarcharger/288/Pv/V", Field("", "solarcharger", 288, "Pv/V")),
    ("host", (), "venus.local", "venus.local"),
    ("host", (), "venus.local.", "venus.local."),
    ("host", (), "x" * 63, "x" * 63),
    ("host", (), "10.0.0.7", "10.0.0.7"),
    ("host", (), "1a.2b", "1a.2b"),
    ("host", (), "[fe80::1%eth0]", "fe80::1%eth0"),
]

BAD: list[tuple[str, tuple[str, ...], Value, str]] = [
    *[("yes_no", (), value, "be yes or no") for value in ("Yes", "true", "1", "", ["yes", "no"])],
    ("choice", MODES, "Poll", "be poll or notify; did you mean poll?"),
    ("choice", MODES, "xyz", "be poll or notify"),
    ("choice", MODES, ["poll", "notify"], "be poll or notify"),
    ("some", ORIGIN, ["portal", "site"], "be a list of portal, service, instance"),
    ("some", ORIGIN, ["x", "servise"], "be a list of portal, service, instance"),
    ("some", ORIGIN, "servise", "be a list of portal, service, instance; did you mean service?"),
    ("presets", (), "gird", f"be a list of {', '.join(PRESETS)}; did you mean grid?"),
    ("presets", (), "gird/30", f"be a list of {', '.join(PRESETS)}; did you mean grid?"),
    *[
        (
            "presets",
            (),
            f"battery/{what}",
            "be battery/ and an instance from 0 to 65535, as in battery/512",
        )
        for what in ("", "x", "65536", "-1", "512/513", "\uff11", "000512", " 512")
    ],
    ("presets", (), "system/0", "be system without an instance, because there is only one"),
    ("presets", (), ["grid", "grid/30"], "be grid with instances or without one, not both"),
    *[
        ("instances", (), value, f"be {WHICH}")
        for value in ("all", ["one", "tag"], ["battery/tag", "battery/name"], "/tag", "Battery/tag")
    ],
    ("instances", (), "battery/tags", f"be {WHICH}; did you mean tag?"),
    ("instances", (), "a/b/tag", f"be {WHICH}"),
    *[
        ("whole", PORT, value, "be a whole number from 1 to 65535")
        for value in ("0", "65536", "-1", "+1", "1.0", "1e3", " 1", "\uff11", "0000000001", "")
    ],
    *[
        ("seconds", INTERVAL, value, "be a number of seconds from 0.2 to 30, such as 0.5")
        for value in (
            "0.19",
            "30.01",
            "-1",
            "nan",
            "inf",
            "fast",
            "",
            "1_5",
            "\uff11",
            ".",
            "1e",
            " 1",
            ["1", "5"],
        )
    ],
    *[
        ("size", (), value, "be a size from 1MB to 1000GB, such as 256MB or 64MiB")
        for value in ("999999", "1000000000001", "932GiB", "1TB", "1.5GB", "-1MB", "MB", ["5MB"])
    ],
    *[
        ("text", (), value, 'be printable, and in quotes if it holds a comma: "…"')
        for value in ("a\tb", "a\u2028b", ["a", "b"])
    ],
    *[
        (
            "serial",
            (),
            value,
            "be a portal id: up to 64 letters, digits, - and _, as in c0619ab12345",
        )
        for value in ("c06/+", "c06 ", "**", "c*", "\xe4", "c" * 65, ["a", "b"])
    ],
    *[
        ("group", (), value, "be a name without /, + and #, as in store")
        for value in ("a/b", "+", "a#", " a", "a ")
    ],
    ("group", (), ["a", "b"], "be printable"),
    *[
        ("prefix", (), value, "be the beginning of topics, as in boat or home/boat;")
        for value in ("/", "/boat", "a//b", "boat//", "$SYS/x", "a/+", "#")
    ],
    ("prefix", (), "boat/N", "be what stands in front of N/, without that itself"),
    ("prefix", (), "R/", "be what stands in front of R/, without that itself"),
    ("prefix", (), "W", "be what stands in front of W/, without that itself"),
    ("prefix", (), ["a", "b"], "be printable"),
    *[
        ("url_path", (), value, "be what stands between port and /write in the server's")
        for value in ("http://x/y", "a?b", "a#b", "a b", "a%20b", "\xe4", ["a", "b"])
    ],
    *[
        ("fingerprint", (), value, "be a SHA-256 fingerprint, 64 hexadecimal digits, with or")
        for value in (DIGITS[1:], DIGITS + "ab", "g" + DIGITS[1:], [DIGITS])
    ],
    *[
        ("path", (), value, "be a path from the root, as in /etc/bat2influx/ca.pem")
        for value in ("ca.pem", "./ca.pem", "~/ca.pem")
    ],
    ("path", (), ["/a", "/b"], "be printable"),
    ("token", (), "a b", "be one word of printable ASCII characters, and holds a space"),
    *[
        ("name", ("/[",), value, "be a printable name without \\ and / and [, without spaces")
        for value in ("a[b", "a\\b", " a", "a ", "#a", ".", "..", "a\nb", ["a", "b"])
    ],
    *[
        ("name", ("/[",), value, "be a printable name without \\ and / and [, without spaces")
        for value in ("a/b/c", "a/", "/b", "/", "a/..", "a[/b", "a@b/c", 'a"/b', ["a/b", "c"])
    ],
    *[
        ("name", ("/[",), value, f"be one name; write db = {db} and retention_policy = {policy}")
        for value, db, policy in (
            ("home/autogen", "home", "autogen"),
            (" my home / raw", "my home", "raw"),
            ("a.b/c:d", "a.b", "c:d"),
            ("a,b/c#d", '"a,b"', '"c#d"'),
            ("a ;b/it's", '"a ;b"', '"it\'s"'),
        )
    ],
    ("name", ("=",), "a=b", "be a printable name without \\ and =, without spaces"),
    *[
        ("tags", (), value, "be name:value, …, as in site:home, room:cellar;")
        for value in ("home", "site:", ":home", "time:1", "_a:1", "#a:1", "a\\:1", "a:#1", "a:..")
    ],
    ("tags", (), ["a:1", "b:1", "a:2"], "each name once"),
    ("field", (), ["a/b", "c/d"], "be service[/instance]/path, as in vebus/Dc/0/Voltage"),
    ("field", (), "vebus/a@b", "be service[/instance]/path, as in vebus/Dc/0/Voltage"),
    *[
        ("host", (), value, "be a host name or an IP address alone")
        for value in ("", "a b", "300.1.1.1", "192.168.1", "1.2.3.4.", "-a", "a-", "a..b", "[::1")
    ],
    *[
        ("host", (), value, "be a host name or an IP address alone")
        for value in ("x" * 64, ".".join(["x" * 63] * 4), "fe80::1%a b", "\xe4", ["a", "b"])
    ],
    ("host", (), "venus:1883", "alone; write address = venus and port = 1883"),
    ("host", (), "MQTT://[::1]/x", "alone; write address = ::1"),
]


@pytest.mark.parametrize(("check", "given", "value", "expected"), GOOD)
def test_an_allowed_value_is_returned_in_its_type(
    check: str, given: tuple[str, ...], value: Value, expected: object
) -> None:
    """In the form that the program uses."""
    made: Any = CHECKS[check](value, *given)  # type: ignore[operator]
    assert (made, type(made)) == (expected, type(expected))


@pytest.mark.parametrize(("check", "given", "value", "problem"), BAD)
def test_a_value_is_rejected_with_what_it_must_be(
    check: str, given: tuple[str, ...], value: Value, problem: str
) -> None:
    """The text continues `KEY = VALUE:`, and says what is allowed."""
    with pytest.raises(ValidateError, match=re.escape(problem)) as raised:
        CHECKS[check](value, *given)  # type: ignore[operator]
    assert str(raised.value).startswith("must be ")


def test_no_hint_without_a_near_value() -> None:
    """`did you mean` needs a plausible guess."""
    for check, given, value in (
        ("choice", MODES, "xyz"),
        ("choice", MODES, ["poll"]),
        ("some", ORIGIN, "x"),
        ("host", (), "a b"),
        ("host", (), "me:secret@venus"),
    ):
        with pytest.raises(ValidateError) as raised:
            CHECKS[check](value, *given)  # type: ignore[operator]
        assert ";" not in str(raised.value)


def test_every_check_is_in_the_tables() -> None:
    """A check without a valid value would be untested; only a secret rejects nothing."""
    assert {row[0] for row in GOOD} == CHECKS.keys()
    assert {row[0] for row in BAD} == CHECKS.keys() - {"secret"}


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("Voltage", True, True),
        ("a b,c=d", True, True),
        ("time", True, False),
        ("_a", True, False),
        ("timer", True, True),
        ("", False, False),
        ("..", False, False),
        ("#a", False, False),
        ("a#", True, True),
        ("a\\", False, False),
        (" a", False, False),
        ("a\n", False, False),
    ],
)
def test_names_that_are_unambiguous(text: str, name: bool, key: bool) -> None:
    """A key, of a field or a tag, is a name that InfluxDB does not reserve."""
    assert (is_name(text), is_key(text)) == (name, key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("venus", ("venus", None)),
        ("venus:1", ("venus", 1)),
        ("10.0.0.7:65535", ("10.0.0.7", 65535)),
        ("::1", ("::1", None)),
        ("[::1]", ("::1", None)),
        ("[fe80::1%eth0]:8883", ("fe80::1%eth0", 8883)),
    ],
)
def test_a_host_of_the_command_line_may_have_a_port(
    text: str, expected: tuple[str, int | None]
) -> None:
    """An IPv6 address has one only in brackets."""
    assert host_and_port(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("venus:0", "venus:0: a port must be from 1 to 65535"),
        ("venus:65536", "venus:65536: a port must be from 1 to 65535"),
        ("venus:", "venus:: must be a host name or an IP address alone"),
        ("venus:123456", "write address = venus and port = 123456"),
        ("a b", "a b: must be a host name or an IP address alone"),
        ("a\x1bb", "a b: must be a host name or an IP address alone"),
        ("", ": must be a host name or an IP address alone"),
    ],
)
def test_a_host_of_the_command_line_is_rejected_by_name(text: str, problem: str) -> None:
    """The message repeats the argument, without control characters."""
    with pytest.raises(ValueError, match=re.escape(problem)) as raised:
        host_and_port(text)
    assert str(raised.value).isprintable()

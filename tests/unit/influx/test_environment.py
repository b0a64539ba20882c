"""Proxies and logins from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.influx.environment import (
    Proxy,
    ProxyError,
    basic,
    login_for,
    proxy_for,
    secrets_for,
)


@pytest.fixture(autouse=True)
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home, and no proxy."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NETRC", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


PROXY = Proxy("p", 3128)


@pytest.mark.parametrize(
    ("variables", "scheme", "found"),
    [
        ({}, "http", None),
        ({"http_proxy": "http://p:3128"}, "http", PROXY),
        ({"HTTP_PROXY": "http://p:3128"}, "http", PROXY),
        ({"http_proxy": "http://p:3128"}, "https", None),
        ({"https_proxy": "http://p:3128/"}, "https", PROXY),
        ({"all_proxy": "p:3128"}, "https", PROXY),
        ({"all_proxy": "http://q", "http_proxy": "http://p:3128"}, "http", PROXY),
        ({"http_proxy": "http://q"}, "http", Proxy("q", 80)),
        ({"http_proxy": "https://q"}, "http", Proxy("q", 443, tls=True)),
        ({"http_proxy": "http://[::1]:3128"}, "http", Proxy("::1", 3128)),
        ({"http_proxy": "http://me:p%C3%BC%3A@p:3128"}, "http", Proxy("p", 3128, login="x")),
        ({"http_proxy": "http://p:3128", "no_proxy": "db.example"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "other, .example"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "db.example:8086"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "db.example:80"}, "http", PROXY),
        ({"http_proxy": "http://p:3128", "NO_PROXY": "*"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "10.0.0.0/8"}, "http", PROXY),
    ],
)
def test_a_proxy_is_that_of_the_scheme(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], scheme: str, found: Proxy | None
) -> None:
    """Or all_proxy, unless no_proxy has the host."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made = proxy_for(scheme, "db.example", 8086)
    if found is not None and found.login:
        found = Proxy("p", 3128, login=basic("me", "pü:"))
    assert made == found


@pytest.mark.parametrize(
    ("networks", "through"),
    [
        ("10.0.0.0/8", False),
        ("192.168.0.0/16, 10.1.2.0/24", False),
        ("10.1.2.3/24", False),
        ("10.1.2.3", False),
        ("10.2.0.0/16", True),
        ("10.0.0.0/99, nonsense/8, /", True),
        ("fd00::/8", True),
    ],
)
def test_no_proxy_may_name_networks(
    monkeypatch: pytest.MonkeyPatch, networks: str, through: bool
) -> None:
    """Such as 10.0.0.0/8, for a database that is configured by its address."""
    monkeypatch.setenv("http_proxy", "http://p:3128")
    monkeypatch.setenv("no_proxy", networks)
    assert (proxy_for("http", "10.1.2.3", 8086) is not None) is through


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("socks5://p:1080", "type socks5 is not supported"),
        ("http://", "is not an address"),
        ("http://p:port", "is not an address"),
        ("http://[::1", "is not an address"),
    ],
)
def test_an_unusable_proxy_is_reported(
    monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    """Its address may contain a password, which the text does not."""
    monkeypatch.setenv("http_proxy", url)
    with pytest.raises(ProxyError, match=words):
        proxy_for("http", "db", 8086)


def test_the_login_of_a_proxy_is_not_shown() -> None:
    """Its host and port are."""
    made = Proxy("p", 3128, login=basic("me", "secret"))
    assert "Basic" not in repr(made)
    assert made.where == "p:3128"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("machine db login me password pw\n", ("me", "pw")),
        ("machine db login mé password pü\n", ("mé", "pü")),
        ("machine other login me password pw\n", None),
        ("default login me password pw\n", ("me", "pw")),
        ("machine db account me password pw\n", ("me", "pw")),
        ("machine db nonsense\n", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("place", [".netrc", "_netrc", "elsewhere"])
def test_a_login_is_that_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: object, place: str
) -> None:
    """In ~/.netrc, ~/_netrc, or the file in NETRC; an invalid file has none."""
    (tmp_path / place).write_text(text)
    if place == "elsewhere":
        monkeypatch.setenv("NETRC", str(tmp_path / place))
    assert login_for("db") == found


def test_a_missing_or_binary_file_has_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is an error."""
    assert login_for("db") is None
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert login_for("db") is None
    (tmp_path / "none").mkdir()
    assert login_for("db") is None


def test_a_login_is_encoded_in_utf_8() -> None:
    """Also for a user in another alphabet."""
    assert basic("ü", "ö:") == "Basic w7w6w7Y6"


def test_passwords_of_requests_are_known_as_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's password decoded; an invalid address has none."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:gehe%69m@proxy:3128")
    monkeypatch.setenv("https_proxy", "http://[nobody")
    file = tmp_path / "netrc"
    file.write_text("machine db login bob password Netrc\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    assert secrets_for("db") == ["Netrc", "geheim"]
    assert secrets_for("other") == ["geheim"]

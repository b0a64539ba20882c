"""Unused modules take no memory, whatever is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bat2influx.service import lean_imports
from tests import TOP

UNUSED = ("pandas", "chardet", "brotli", "brotlicffi", "zstandard", "simplejson")
COMMANDS_ALONE = {"influxdb", "requests", "urllib3", "urllib.request"}  # for statements
NEEDED_SELDOM = {"hashlib", "netrc", "html", "ssl", "pprint", "platform"}
NOT_BY_THE_DAEMON = {"argparse", "dataclasses", "inspect", "ast"}


def run(code: str, path: str) -> list[str]:
    """Return the words that a program prints in a separate Python."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


def test_the_commands_import_nothing_that_they_do_not_use(tmp_path: Path) -> None:
    """A later import still works, and nothing is printed."""
    for name in UNUSED:
        (tmp_path / f"{name}.py").write_text(f"print('{name}')\n")
    code = f"import bat2influx.influx.package; print('ready'); import {', '.join(UNUSED)}"
    assert run(code, f"{tmp_path}:{TOP}") == ["ready", *UNUSED]


def test_the_daemon_imports_little() -> None:
    """Each of these modules takes a fraction of a megabyte, or ten megabytes."""
    code = "import bat2influx.commands.run, bat2influx.daemon.main, sys; print(*sys.modules)"
    before = run("import sys; print(*sys.modules)", str(TOP))
    loaded = set(run(code, str(TOP))) - set(before)
    assert not loaded & (COMMANDS_ALONE | NEEDED_SELDOM | NOT_BY_THE_DAEMON | set(UNUSED))
    assert "paho.mqtt.client" in loaded
    assert "bat2influx.device.device" in loaded
    assert not [name for name in loaded if name.startswith("bat2influx.fleet")]


def test_modules_that_paho_sees_empty_are_complete_for_others() -> None:
    """A proxy and a pinned certificate need them."""
    code = "import bat2influx.daemon.main, hashlib; from urllib.request import getproxies"
    assert run(f"{code}; print(hashlib.sha256().name)", str(TOP)) == ["sha256"]


def test_imported_modules_stay() -> None:
    """An empty module in their place would break their users."""
    import hashlib

    with lean_imports.imports_of_paho():
        assert sys.modules["hashlib"] is hashlib
    assert sys.modules["hashlib"] is hashlib


def test_an_import_that_fails_leaves_no_trace() -> None:
    """A missing library is reported as such, and hides no other module."""
    before = dict(sys.modules)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"), lean_imports.imports():
        import nothing_of_that_name  # noqa: F401
    assert sys.modules.get("pandas", "hidden") == before.get("pandas", "hidden")


@pytest.mark.parametrize("way", ["tls = context(Tls())", "error = fault_of(OSError())"])
def test_ssl_is_imported_only_with_tls(way: str) -> None:
    """Its 4 MB are not in a daemon without TLS; no other module sees the stand-in."""
    code = f"""
import sys, bat2influx.daemon.main
from bat2influx.net.tls import Tls, context, fault_of, is_ssl_error
early = "ssl" in sys.modules
{way}
import ssl, http.client
print(early, hasattr(ssl, "SSLContext"), hasattr(http.client, "HTTPSConnection"))
print(is_ssl_error(ssl.SSLError()), is_ssl_error(OSError()))
"""
    assert run(code, str(TOP)) == ["False", "True", "True", "True", "False"]


def test_paho_survives_what_a_socket_raises() -> None:
    """2.1 checks for two TLS exceptions after each exception of a socket."""
    code = """
import bat2influx.mqtt.paho_client as ours
caught = ours.mqtt.ssl
print(*sorted(name for name in vars(caught) if name.startswith("SSL")))
"""
    assert run(code, str(TOP)) == ["SSLWantReadError", "SSLWantWriteError"]

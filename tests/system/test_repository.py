"""The package from its apt repository: installed if the key is trusted, and rejected otherwise.

The repository is made and signed as by a release (tests/tools/release), with a temporary key. A web
server on the machine serves it on the loopback interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.keys import key_ring, make_key
from tests.system.machine import Completed
from tests.system.package import version
from tests.system.plant import Plant
from tests.tools.release import repository

PORT = 8000
URL = f"http://127.0.0.1:{PORT}"
SOURCES = "/etc/apt/sources.list.d/bat2influx.sources"
GOOD, OTHER, SERVED = "/srv/good", "/srv/other", "/srv/served"
RELEASE = f"{SERVED}/dists/{repository.SUITE}"
UNSIGNED = "is not signed"  # also apt's text for a signature that it does not accept


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The fingerprints of the key that clients trust, and of another key."""
    with key_ring(tmp_path_factory.mktemp("keys")):
        yield make_key("bat2influx"), make_key("somebody else")


@pytest.fixture(scope="module")
def client(
    shared_machine: Plant,
    package: Path,
    keys: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Plant:
    """A machine with the web server, the key, and the repository as its only source."""
    machine = shared_machine
    for key, place in zip(keys, (GOOD, OTHER), strict=True):
        public = repository.add(tmp_path_factory.mktemp("apt"), [package], key, URL)
        machine.copy_in(public, f"{place}/public")
    machine.run(f"rm -rf /etc/apt/sources.list /etc/apt/sources.list.d {SERVED}")
    for file, place in (("bat2influx.asc", repository.KEYRING), ("bat2influx.sources", SOURCES)):
        machine.run("install", "-D", "-m", "644", f"{GOOD}/public/{file}", place)
    server = ("python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", SERVED)
    machine.run("systemd-run", "--quiet", "--unit=web", *server, str(PORT))
    return machine


@pytest.fixture(autouse=True)
def served(client: Plant) -> None:
    """The unchanged repository is served, and the client has neither its lists nor the package."""
    client.run(f"rm -rf {SERVED} && cp -r {GOOD}/public {SERVED}")
    client.run("dpkg", "--purge", "bat2influx")
    client.run("rm -rf /var/lib/apt/lists /var/cache/apt/*.bin")
    client.run("apt-get", "clean")
    fetch = f"import urllib.request as r; r.urlopen('{URL}/bat2influx.asc')"
    client.wait(
        "the web server", lambda: client.run("python3", "-c", fetch, check=False).returncode == 0
    )


def update(client: Plant) -> Completed:
    """Make the client fetch the lists."""
    return client.run("apt-get", "-q", "update", check=False)


def install(client: Plant) -> Completed:
    """Make it install the package by its name."""
    return client.run("apt-get", "-q", "-y", "install", "bat2influx", check=False)


def installed(client: Plant) -> bool:
    """Return whether the package is installed."""
    return client.exists("/usr/bin/bat2influx")


def test_a_client_that_trusts_the_key_installs_the_package(client: Plant, package: Path) -> None:
    """By name, without a prompt or a warning, and shows its origin."""
    updated = update(client)
    assert updated.returncode == 0, updated.stderr
    assert updated.stderr == ""
    done = install(client)
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(client)
    policy = client.run("apt-cache", "policy", "bat2influx").stdout
    assert f"Installed: {version(package)}\n" in policy
    assert f"{URL} {repository.SUITE}/{repository.COMPONENT}" in policy


def test_a_tampered_package_is_rejected(client: Plant) -> None:
    """One byte is changed; the lists are as signed."""
    client.run(
        f"deb=$(find {SERVED}/pool -name '*.deb') && printf x |"
        " dd of=$deb bs=1 seek=1000 conv=notrunc status=none"
    )
    assert update(client).returncode == 0
    done = install(client)
    assert done.returncode != 0
    assert "Hash Sum mismatch" in done.stderr
    assert not installed(client)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            f"find {RELEASE} -name Packages -exec sed -i 's/^Size: .*/Size: 1000/' {{}} +"
            f" && find {RELEASE} -name Packages -exec gzip -fk {{}} +",
            "",
        ),
        (f"sed -i 's/^Label: .*/Label: other/' {RELEASE}/InRelease", UNSIGNED),
        (f"rm {RELEASE}/InRelease && echo 'Label: other' >>{RELEASE}/Release", UNSIGNED),
        (f"rm {RELEASE}/InRelease {RELEASE}/Release.gpg", UNSIGNED),
        (f"rm -r {RELEASE} && cp -r {OTHER}/public/dists/* {SERVED}/dists", UNSIGNED),
    ],
    ids=["lists", "InRelease", "Release", "no signature", "another key"],
)
def test_a_tampered_or_unsigned_release_is_rejected(client: Plant, change: str, said: str) -> None:
    """Whatever was changed in it, or whatever other key has signed it again."""
    client.run("/bin/sh", "-ec", change)
    updated = update(client)
    assert updated.returncode != 0, updated.stdout
    assert said in updated.stderr
    assert install(client).returncode != 0
    assert not installed(client)


def test_a_client_without_the_key_installs_nothing(client: Plant) -> None:
    """Only the key in the file that the source names is trusted."""
    client.run("mv", repository.KEYRING, f"{repository.KEYRING}.away")
    try:
        updated = update(client)
        assert updated.returncode != 0
        assert UNSIGNED in updated.stderr
        assert install(client).returncode != 0
        assert not installed(client)
    finally:
        client.run("mv", f"{repository.KEYRING}.away", repository.KEYRING)

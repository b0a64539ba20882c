"""The files of etc/docker, as far as they can be checked without a container."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bat2influx.config import paths, settings
from tests import TOP
from tests.system.container import with_secrets, without_limits

COMPOSE = (TOP / "etc/docker/compose.yml").read_text()
DOCKERFILE = (TOP / "etc/docker/Dockerfile").read_text()
UNIT = (TOP / "systemd/bat2influx.service").read_text()
SERVICE: Any = yaml.safe_load(with_secrets(COMPOSE))["services"]["bat2influx"]
CHECKER = "check-jsonschema==0.39.0"


def instructions(name: str) -> list[str]:
    """Return the arguments of an instruction of the Dockerfile, each use as one line."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE).replace("\\\n", " ")
    lines = (line.partition(" ") for line in text.splitlines())
    return [" ".join(rest.split()) for first, _, rest in lines if first == name]


def environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    pairs = (each.partition("=") for each in " ".join(instructions("ENV")).split())
    return {name: value for name, _, value in pairs}


def assert_published(text: str, directory: Path) -> None:
    """Check a text against the schema of Compose files."""
    venv = subprocess.run(
        [TOP / "tests/tools/venv", CHECKER], check=True, capture_output=True, text=True
    ).stdout.strip()
    file = directory / "compose.yml"
    file.write_text(text)
    checked = subprocess.run(
        [f"{venv}/bin/check-jsonschema", "--builtin-schema", "vendor.compose-spec", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("text", [COMPOSE, with_secrets(COMPOSE)], ids=["as it is", "secrets"])
def test_compose_yml_follows_the_schema(text: str, tmp_path: Path) -> None:
    """With and without the lines for secrets."""
    assert_published(text, tmp_path)


def test_mounts_are_at_the_paths_of_the_image() -> None:
    """The ini (read-only), the state directory and the runtime directory."""
    ini, state = SERVICE["volumes"]
    assert ini["target"] == str(paths.DEFAULT_CONFIG)
    assert ini["read_only"] is SERVICE["read_only"] is True
    assert instructions("VOLUME") == [environment()["STATE_DIRECTORY"]] == [state.split(":")[1]]
    assert [each.split(":")[0] for each in SERVICE["tmpfs"]] == [environment()["RUNTIME_DIRECTORY"]]


def test_every_secret_is_a_credential_of_the_program() -> None:
    """By its name, and by the path where compose mounts it."""
    assert {*SERVICE["secrets"]} < {"mqtt-password", *settings.CREDENTIALS}
    assert {*yaml.safe_load(with_secrets(COMPOSE))["secrets"]} == {*SERVICE["secrets"]}
    assert environment()["CREDENTIALS_DIRECTORY"] == "/run/secrets"


def test_a_container_has_the_stop_timeout_of_the_service() -> None:
    """And the same limit of core dumps."""
    assert f"\nTimeoutStopSec={SERVICE['stop_grace_period'].removesuffix('s')}\n" in UNIT
    assert f"\nLimitCORE={SERVICE['ulimits']['core']}\n" in UNIT


def test_a_container_has_the_bounds_of_the_service() -> None:
    """Of memory, swap and tasks; Docker counts swap with the memory."""
    found = dict(re.findall(r"(?m)^(MemoryMax|MemorySwapMax)=(\d+)M$", UNIT))
    memory, swap = int(found["MemoryMax"]), int(found["MemorySwapMax"])
    assert SERVICE["mem_limit"] == f"{memory}m"
    assert SERVICE["memswap_limit"] == f"{memory + swap}m"
    assert f"\nTasksMax={SERVICE['pids_limit']}\n" in UNIT
    bounds = {"mem_limit", "memswap_limit", "pids_limit"}
    left = yaml.safe_load(without_limits(COMPOSE))["services"]["bat2influx"].keys()
    assert SERVICE.keys() - {"secrets"} == left | bounds
    assert not left & bounds


def test_the_user_has_the_same_id_everywhere() -> None:
    """It owns the files in the volume, also with the next image."""
    (user,) = instructions("USER")
    number = user.partition(":")[0]
    assert user == f"{number}:{number}"
    numbers = re.findall(r"(?:--[ug]id|-[og]) (\d+)", " ".join(instructions("RUN")))
    assert {*numbers} == {number}
    assert set(re.findall(r"(?:user|group) (\d+)", COMPOSE)) == {number}

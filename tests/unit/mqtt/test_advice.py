"""The commands that messages recommend: the program accepts each of them."""

from __future__ import annotations

import pytest

from bat2influx import cli
from bat2influx.config.paths import DEFAULT_CONFIG
from bat2influx.mqtt.advice import pair_command, pin, pin_command

USUAL = str(DEFAULT_CONFIG)


@pytest.mark.parametrize(
    ("config", "again", "command"),
    [
        (USUAL, False, "bat2influx pair gx --write"),
        (USUAL, True, "bat2influx pair gx --write --yes"),
        (
            "/etc/bat2influx/boat.ini",
            False,
            "bat2influx --config /etc/bat2influx/boat.ini pair gx --write",
        ),
        ("./try.ini", True, "bat2influx --config ./try.ini pair gx"),
    ],
)
def test_the_command_for_a_token_names_the_file(config: str, again: bool, command: str) -> None:
    """It writes only into a file of the service."""
    assert pair_command("gx", config, again=again) == f"'{command}'"
    options = cli.parser().parse_args(command.split()[1:])
    assert (options.command, options.host, str(options.config)) == (
        "pair",
        "gx",
        config.removeprefix("./"),
    )


@pytest.mark.parametrize(
    ("host", "port", "command"),
    [
        ("gx", 8883, "bat2influx pin gx"),
        ("gx", 8884, "bat2influx pin gx:8884"),
        ("fe80::1", 8883, "bat2influx pin fe80::1"),
        ("fe80::1", 8884, "bat2influx pin [fe80::1]:8884"),
    ],
)
def test_a_certificate_is_pinned_by_a_command(host: str, port: int, command: str) -> None:
    """The usual port is left out."""
    assert pin_command(host, port) == command
    assert cli.parser().parse_args(command.split()[1:]).command == "pin"
    assert f"'{command}' prints in {USUAL}" in pin(host, USUAL, port)

"""The commands that messages recommend when a device rejects the login or TLS fails. Pure."""

from __future__ import annotations

_TLS_PORT = 8883
_OF_SERVICE = "/etc/bat2influx/"  # the files of the service; only these have credentials
_USUAL = f"{_OF_SERVICE}bat2influx.ini"


def pair_command(host: str, config: str, *, again: bool = False) -> str:
    """Return the command that gets a token from a device; with `again` it replaces one."""
    own = "" if config == _USUAL else f" --config {config}"
    write = (" --write --yes" if again else " --write") if config.startswith(_OF_SERVICE) else ""
    return f"'bat2influx{own} pair {host}{write}'"


def pin(host: str, config: str, port: int = _TLS_PORT) -> str:
    """Return how to pin the certificate of a device."""
    return f"write tls = yes and the line that '{pin_command(host, port)}' prints in {config}"


def pin_command(host: str, port: int) -> str:
    """Return the command that prints the fingerprint of a certificate."""
    shown = f"[{host}]" if ":" in host and port != _TLS_PORT else host
    return f"bat2influx pin {shown}" + ("" if port == _TLS_PORT else f":{port}")

"""What can go wrong with a peer, in the words that people read.

Every text says what is wrong, where, and what to do; the journal, STATUS= and the command line
take it from here, so that one cause has one name everywhere. No text ever holds a secret. What a
broker says itself is in broker_trouble.py, what the database says in database_trouble.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bat2influx.backoff import Backoff


class Trouble(NamedTuple):
    """A failure of a peer: `cause` is its short name; `what` says what is wrong and what to do.

    `meanwhile` is what the daemon does until then, where that is not plain.
    """

    cause: str
    what: str
    backoff: Backoff = Backoff.BROKER
    meanwhile: str = ""

    @property
    def text(self) -> str:
        """What the daemon tells people."""
        return f"{self.what}; {self.meanwhile}" if self.meanwhile else self.what


def name_unknown(host: str, config: str) -> Trouble:
    """No address for `host`."""
    how = "install libnss-mdns, or " if host.rstrip(".").endswith(".local") else ""
    return Trouble(
        "name",
        f"cannot resolve {host}; {how}write the device's IP address as address in {config}",
    )


def refused(host: str, port: int) -> Trouble:
    """The host is there and nobody listens."""
    return Trouble(
        "refused",
        f"{host} refuses port {port}; switch on MQTT in the device's settings"
        " (Services or Integrations, MQTT access)",
    )


def only_tls(host: str, config: str) -> Trouble:
    """1883 is closed and 8883 open. VENUS: so it is under the profiles Secured and Paired."""
    return Trouble(
        "only tls",
        f"{host} refuses port 1883 and has 8883 open: its security profile wants TLS and a"
        f" password; {_pin(host, config)}, and password",
    )


def no_tls_port(host: str, config: str) -> Trouble:
    """8883 is closed and 1883 open, as before Venus OS 3.50."""
    return Trouble(
        "no tls port",
        f"{host} refuses port 8883 and has 1883 open, which is without TLS; write tls = no in"
        f" {config}, or update the device to Venus OS 3.50 or later, which has it",
    )


def unreachable(host: str, port: int, why: str) -> Trouble:
    """No way to the host, or no answer from it."""
    return Trouble(
        "unreachable",
        f"cannot reach {host} port {port} ({why}); is the device on, and in this network?",
    )


def not_mqtt(host: str, port: int, what: str) -> Trouble:
    """Connected, and then nothing that is MQTT."""
    return Trouble(
        "protocol", f"{host} port {port} {what}; are address and port those of the device?"
    )


def says_nothing(host: str, port: int) -> Trouble:
    """Connected, and then no word."""
    return not_mqtt(host, port, "accepts connections and says nothing")


def tls_wanted(host: str, port: int, config: str) -> Trouble:
    """TLS is not configured, and the port speaks it."""
    return Trouble("tls wanted", f"{host} port {port} speaks TLS; {_pin(host, config, port)}")


def no_tls(host: str, port: int, config: str) -> Trouble:
    """TLS is configured, and the port does not speak it."""
    what = "write port = 8883" if port == 1883 else "write the port that does, or tls = no,"
    return Trouble("no tls", f"{host} port {port} does not speak TLS; {what} in {config}")


def tls_too_old(host: str, port: int) -> Trouble:
    """No version of TLS in common."""
    return Trouble(
        "tls version",
        f"{host} port {port} has no TLS 1.2, and nothing older is used; update its firmware",
        Backoff.CERTIFICATE,
    )


def tls_failed(host: str, port: int, why: str) -> Trouble:
    """Any other end of a handshake."""
    return Trouble(
        "tls",
        f"{host} port {port} and we come to no agreement on TLS ({why}); is it the device?",
        Backoff.CERTIFICATE,
    )


def certificate_changed(host: str, port: int, shown: str, pinned: str, config: str) -> Trouble:
    """Not the certificate that is pinned."""
    return Trouble(
        "certificate changed",
        f"{host} shows another certificate than the one pinned in {config}:"
        f" {shown} instead of {pinned}; a device makes a new one when the old one nears its end or"
        f" its firmware is installed anew, and else it is not that device; if you have a reason to"
        f" trust it, replace the line by the one that '{_pin_command(host, port)}' prints",
        Backoff.CERTIFICATE,
    )


def certificate_untrusted(host: str, port: int, why: str, ca_file: str, config: str) -> Trouble:
    """No authority that we trust has signed it. VENUS: a device's own is self-signed."""
    if ca_file:
        what = f"no certificate in {ca_file} vouches for that of {host} ({why}); is it the device's"
        how = (
            f"own? Else write the line that '{_pin_command(host, port)}' prints in place of ca_file"
        )
    else:
        what = (
            f"nobody whom we trust vouches for the certificate of {host} ({why}), as is usual for"
        )
        how = f"a device; {_pin(host, config, port)}"
    return Trouble("certificate untrusted", f"{what} {how}", Backoff.CERTIFICATE)


def certificate_of_another(host: str, port: int, config: str) -> Trouble:
    """The certificate is good, and for another name. VENUS: a device's own is venus.local's."""
    return Trouble(
        "certificate name",
        f"the certificate is not for the name {host}; a device's own is for venus.local: write that"
        f" as address in {config}, or verify_host = no, or the line that"
        f" '{_pin_command(host, port)}' prints",
        Backoff.CERTIFICATE,
    )


def certificate_out_of_date(host: str, port: int, what: str, config: str) -> Trouble:
    """The certificate has expired, or is not valid yet."""
    return Trouble(
        "certificate date",
        f"the certificate of {host} {what}; is the clock of this computer right? Then restart the"
        f" device, which makes a new one, or write the line that"
        f" '{_pin_command(host, port)}' prints in {config}",
        Backoff.CERTIFICATE,
    )


def ca_unreadable(ca_file: str, why: str, config: str) -> Trouble:
    """The file with the authorities is not there any more, or no longer one."""
    return Trouble(
        "ca file",
        f"ca_file {ca_file} cannot be used ({why}); put certificates in PEM there, or correct"
        f" {config}",
        Backoff.CERTIFICATE,
    )


def _pin(host: str, config: str, port: int = 8883) -> str:
    command = _pin_command(host, port)
    return f"write tls = yes and the line that '{command}' prints in {config}"


def _pin_command(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host and port != 8883 else host
    return f"bat2influx pin {shown}" + ("" if port == 8883 else f":{port}")


def no_portal(host: str, config: str) -> Trouble:
    """No retained Serial, so that the portal id is not known."""
    return Trouble(
        "portal",
        f"no device has said its portal id at {host}; is that the device? Where it is a broker that"
        f" a device is bridged to, set serial in {config}",
    )


def wrong_portal(host: str, portal: str, there: Sequence[str], config: str) -> Trouble:
    """Other devices are behind this broker, and the configured one is not."""
    found = "has the portal id" if len(there) == 1 else "is not among the portal ids"
    return Trouble(
        "wrong portal",
        f"no device {portal} at {host}: what is there {found} {', '.join(there)}; set serial in"
        f" {config} to it, or leave it empty",
    )


def wrong_instance(
    host: str, service: str, instance: int, there: Sequence[int], config: str
) -> Trouble:
    """The device has the service under other instances."""
    numbers = " and ".join(map(str, there))
    key = "instance" if service == "vebus" else "the instance under [Fields]"
    return Trouble(
        f"wrong instance: {service} {instance}",
        f"the device at {host} has no {service} {instance}, but {service} {numbers}; correct {key}"
        f" in {config}, or leave it out",
    )


def fields_missing(host: str, services: Sequence[str], silent: Sequence[str]) -> Trouble:
    """The device answers, but not for everything: services it has not, paths that stay silent."""
    parts = []
    if services:
        parts.append(f"has no {', '.join(services)} (is that connected, and switched on?)")
    if silent:
        what = ", ".join(silent)
        parts.append(
            f"does not answer for {what}, and so has no such path (correct it, or take it out)"
        )
    what = " and ".join(parts)
    return Trouble(
        f"missing: {what}",
        f"the device at {host} {what}",
        meanwhile="asking again now and then",
    )


def fields_void(host: str, names: Sequence[str]) -> Trouble:
    """Answered with null, and never yet with a number."""
    what = ", ".join(names)
    return Trouble(
        f"no value: {what}",
        f"the device at {host} has no value (null) for {what}; is that phase or sensor there? Else"
        " take it out of [Fields]",
    )


def fields_odd(host: str, names: Sequence[str], kind: str) -> Trouble:
    """Answered, and never with a number."""
    what = ", ".join(names)
    return Trouble(
        f"no number: {what}",
        f"the device at {host} has {kind} for {what}, and no number; take it out of [Fields]",
    )


def device_silent(host: str, portal: str, *, given: bool) -> Trouble:
    """The broker is there and the device behind it says nothing; `given`: by its configured id."""
    how = "is it on, and is serial right?" if given else "is it on? Then restart it"
    return Trouble("silent", f"device {portal} at {host} is silent; {how}")

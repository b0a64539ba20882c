"""The messages of a pairing: each says what is wrong, and what to do. No secret is in one.

`host` is the device as given, `refusal_text` its own reason, printable, or ''.
"""

from __future__ import annotations

from bat2influx.venus.pairing import SINCE, Refusal, Refused

_SETTINGS = "Settings, General, Access & Security"


def certificate(host: str, fingerprint: str, *, pinned: bool) -> str:
    """Return which certificate is trusted from here on."""
    if pinned:
        return f"the certificate of {host} is the one pinned in the file"
    return (
        f"the certificate of {host} has the SHA-256 fingerprint\n  {fingerprint}\n"
        "It is trusted from now on; only you can check that it is your device's."
    )


def pairing_instructions(host: str) -> str:
    """Return what a person has to do at the device."""
    return (
        f"Switch on the pairing mode of {host} now: on its screen or in its remote console\n"
        f"({_SETTINGS}), or press its button twice, if it has one."
    )


def time_up(host: str, seconds: float, refusal_text: str, unanswered: str) -> str:
    """Pairing mode was not switched on. `unanswered` is why the last request had no answer."""
    minutes = f"{seconds / 60:g} min"
    if unanswered:
        return f"{host} issued no token in {minutes}, and at last {_no_answer(unanswered)}"
    return (
        f"{host} issued no token in {minutes}{_in_parentheses(refusal_text)}; run the command again"
        f" and, while it waits, switch on pairing mode ({_SETTINGS}), or use --password. A"
        f" device without pairing mode needs Venus OS {SINCE} or later"
    )


def refused(host: str, refusal: Refused, *, with_password: bool) -> str:
    """The device has rejected the request, and a retry would not help."""
    quoted = _in_parentheses(refusal.refusal_text)
    match refusal.why:
        case Refusal.CLOSED if with_password:
            return (
                f"{host} rejects the password{quoted}; use that of its security profile"
                f" ({_SETTINGS}), or pairing mode, without --password"
            )
        case Refusal.UNKNOWN:
            return (
                f"{host} has no pairing (status {refusal.status}{_more(refusal.refusal_text)});"
                f" update it to Venus OS {SINCE} or later, or check that the address is the"
                " device's"
            )
        case Refusal.TOO_OFTEN:
            return (
                f"{host} received too many requests{quoted}; wait for some minutes, then try again"
            )
        case Refusal.STARTING:
            return (
                f"{host} is not ready (status {refusal.status}{_more(refusal.refusal_text)}); it"
                " may be starting: try again in two minutes"
            )
    return (
        f"{host} sent an unexpected answer (status {refusal.status}"
        f"{_more(refusal.refusal_text)}); check that the address is the device's"
    )


def no_http(host: str, port: int) -> str:
    """The port does not answer in HTTP."""
    return f"{host} port {port} does not use HTTPS; check that the address is the device's"


def closed(host: str, port: int) -> str:
    """The port for HTTPS is closed."""
    return (
        f"connection refused by {host} port {port}, which pairing needs; check that it is a Venus"
        " device, and that its remote console on the local network is switched on"
    )


def unanswered(host: str, why: str) -> str:
    """A request with a password had no answer; there is no automatic retry."""
    return f"{host} {_no_answer(why)}; try again"


def other_certificate(host: str, shown: str, known: str, config: str, *, pinned: bool) -> str:
    """Not the certificate that is pinned, or was shown at the beginning.

    `shown` is '' if its fingerprint is unknown.
    """
    which = f": {shown} instead of {known}" if shown else f" than {known}"
    if pinned:
        return (
            f"{host} shows a certificate other than the one pinned in {config}{which};"
            " nothing was sent. A device creates a new one before the old one expires;"
            " otherwise this may not be your device. If you have a reason to trust it, empty"
            f" fingerprint in {config} and run the command again"
        )
    return (
        f"{host} has changed its certificate during the pairing{which}; nothing more was sent."
        " Another machine may be answering in its place: check whose address it is, and run"
        " the command again"
    )


def no_login(host: str, why: str) -> str:
    """The device issued a token, but the login with it fails."""
    return (
        f"{host} issued a token, but the MQTT login with it fails: {why}. Nothing was written;"
        " run the command again, which replaces the token"
    )


def login_refused() -> str:
    """The broker rejects the token that the device has just issued."""
    return "its broker rejects the token"


def no_password() -> str:
    """There is no password of the device."""
    return (
        "no password was given; without a terminal it is read from the credential"
        " device-password (systemd-run -p LoadCredential=device-password:FILE)"
    )


def _no_answer(why: str) -> str:
    return f"did not answer ({why})"


def _in_parentheses(refusal_text: str) -> str:
    return f' ("{refusal_text}")' if refusal_text else ""


def _more(refusal_text: str) -> str:
    return f', "{refusal_text}"' if refusal_text else ""

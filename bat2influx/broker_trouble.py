"""What a broker can say against us, in the words that people read; the rest is in trouble.py.

`why` and `said` hold the broker's own reason where it gives one, made plain. What the VRM cloud
says has texts of its own: what to do about it is done on the portal and not on the device.
"""

from __future__ import annotations

from bat2influx.backoff import Backoff
from bat2influx.trouble import Trouble

_PLACE = "VRM Portal: Preferences, Integrations, Access tokens"
_UNTRUSTED = {
    "certificate changed": "is not the one that fingerprint names",
    "certificate name": "is for another name",
    "certificate date": "is out of date, or the clock of this computer is wrong",
}


def closed(host: str, why: str) -> Trouble:
    """The connection was there and has ended."""
    return Trouble("closed", f"{host} ended the connection ({why})")


def login_refused(host: str, user: str, has_password: bool, config: str, said: str = "") -> Trouble:
    """CONNACK 4 or 5. VENUS: it comes after 1 to 6 s, and any user will do unless it is a token."""
    place = "on it: Settings, General, Access & Security"
    if user.startswith("token/"):
        what = "the token or its password is wrong, or is not paired any more"
        how = f"pair it anew ({place}), and set user and password in {config}"
    else:
        what = "the password is wrong" if has_password else "it wants a password"
        how = (
            f"set password in {config} to that of the device ({place}). Under its security profile"
            ' "Paired devices only" that one does not count: pair there, and set user (token/…)'
            " and password to what it shows"
        )
    return Trouble(
        "login",
        f"{host} refused the login of {user!r}{_aside(said)}: {what}; {how}; then restart"
        " bat2influx",
        Backoff.LOGIN,
    )


def vrm_login_refused(host: str, user: str, config: str, said: str = "") -> Trouble:
    """The same of the VRM cloud. VENUS: e-mail address and access token."""
    return Trouble(
        "vrm login",
        f"{host} refused the login of {user!r}{_aside(said)}: that is not the e-mail address of a"
        f" VRM account, or password is no access token of it; make a token ({_PLACE}) and set user"
        f" and password in {config}; then restart bat2influx",
        Backoff.LOGIN,
    )


def vrm_certificate(host: str, cause: str, ca_file: str, config: str) -> Trouble:
    """VRM's certificate is not trusted. VENUS: an authority of Victron's own has signed it."""
    untrusted = f"is signed by nobody whom {ca_file or 'this computer'} vouches for"
    return Trouble(
        "vrm certificate",
        f"the certificate of {host} {_UNTRUSTED.get(cause, untrusted)}; Victron signs it with an"
        " authority of its own, whose certificate is the file venus-ca.crt of Victron's project"
        " dbus-flashmq, or /etc/ssl/certs/ccgx-ca.pem on a device: put it on this computer, and"
        f" its path as ca_file into {config}",
        Backoff.CERTIFICATE,
    )


def connack_refused(host: str, what: str) -> Trouble:
    """Any other refusal by CONNACK."""
    return Trouble("connack", f"{host} refused the connection: {what}", Backoff.LOGIN)


def subscription_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """SUBACK with 128 or more."""
    return Trouble(
        "subscription refused",
        f"{host} does not let {user!r} subscribe to {topic} ({why}); {_rules('read', config)}",
        Backoff.LOGIN,
    )


def share_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """The same, of a subscription that several clients share."""
    return Trouble(
        "subscription refused: shared",
        f"{host} does not let {user!r} share the subscription {topic} ({why}); see that the"
        f" broker has shared subscriptions switched on, and {_rules('read', config)}, or leave"
        " share_group empty and run one daemon",
        Backoff.LOGIN,
    )


def publish_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """PUBACK with 128 or more."""
    return Trouble(
        "publish refused",
        f"{host} does not let {user!r} publish to {topic} ({why}); {_rules('write', config)}",
        Backoff.LOGIN,
    )


def vrm_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """Either of them by the VRM cloud. VENUS: a user has the devices of one's own list alone."""
    return Trouble(
        "vrm refused",
        f"{host} does not let {user!r} have {topic} ({why}): has this VRM account the"
        f' device in its list, with the right "Full Control", and is serial in {config} its portal'
        " id? On the device, VRM Portal has to be Full or Read-only (Settings, VRM)",
        Backoff.LOGIN,
    )


def _aside(said: str) -> str:
    return f" ({said})" if said else ""


def _rules(right: str, config: str) -> str:
    return (
        f"give it the right to {right} that in the broker's access rules, or set user and password"
        f" in {config} to one who has it"
    )

"""The messages about a broker and the connection to it.

Every message says what is wrong, where, and what to do. No message holds a secret.

`why` and `reason` hold the broker's own reason if it gives one, in printable characters. The VRM
cloud has separate messages, because its remedies are on the portal and not on the device.
"""

from __future__ import annotations

from bat2influx.failure import Backoff, Trouble
from bat2influx.mqtt.advice import pair_command, pin, pin_command

_PLACE = "VRM Portal: Preferences, Integrations, Access tokens"
_UNTRUSTED = {
    "certificate changed": "is not the one that fingerprint names",
    "certificate name": "is for another name",
    "certificate date": "has expired or is not valid yet, or the clock of this computer is wrong",
}


def closed(host: str, why: str) -> Trouble:
    """An open connection has ended."""
    return Trouble("closed", f"{host} ended the connection ({why})")


def login_refused(
    host: str, user: str, has_password: bool, config: str, reason: str = ""
) -> Trouble:
    """CONNACK 4 or 5. VENUS: it comes after 1 to 6 s; any user is accepted, except for tokens."""
    place = "Settings, General, Access & Security"
    if is_token(user):
        what = "the token or its password is wrong, or the token was removed at the device"
        how = f"pair again: {pair_command(host, config, again=True)} (pairing mode: {place})"
    else:
        what = "the password is wrong" if has_password else "it requires a password"
        how = (
            f"set password in {config} to that of the device (on it: {place}). Under its security"
            ' profile "Paired devices only" it does not accept that password:'
            f" run {pair_command(host, config)} for a token"
        )
    return Trouble(
        "login",
        f"{host} rejected the login of {user!r}{_in_parentheses(reason)}: {what}; {how}; then"
        " reload bat2influx",
        Backoff.LOGIN,
    )


def is_token(user: str) -> bool:
    """Tell whether a user is a token that a device has issued. VENUS: token/<role>/<id>."""
    return user.startswith("token/")


def login_starting(host: str, user: str) -> Trouble:
    """The same of a login that has worked. VENUS, "Presence": a booting device rejects it."""
    return Trouble(
        "login: starting",
        f"{host} rejected the login of {user!r}, which has worked before; the device may be"
        " starting",
        Backoff.STARTING,
        "retrying every 5 s for two minutes",
    )


def vrm_login_refused(host: str, user: str, config: str, reason: str = "") -> Trouble:
    """The same of the VRM cloud. VENUS: e-mail address and access token."""
    return Trouble(
        "vrm login",
        f"{host} rejected the login of {user!r}{_in_parentheses(reason)}: that is not the e-mail"
        f" address of a VRM account, or password is not an access token of this account; create a"
        f" token ({_PLACE}) and set user and password in {config}; then reload bat2influx",
        Backoff.LOGIN,
    )


def vrm_certificate(host: str, cause: str, ca_file: str, config: str) -> Trouble:
    """VRM's certificate is not trusted. VENUS: Victron's own authority has signed it."""
    authority = f"in {ca_file}" if ca_file else "that this computer trusts"
    untrusted = f"is not signed by a certificate authority {authority}"
    return Trouble(
        "vrm certificate",
        f"the certificate of {host} {_UNTRUSTED.get(cause, untrusted)}; Victron signs it with its"
        " own authority, whose certificate is the file venus-ca.crt of Victron's project"
        " dbus-flashmq, or /etc/ssl/certs/ccgx-ca.pem on a device: copy that file to this"
        f" computer, and write its path as ca_file in {config}",
        Backoff.CERTIFICATE,
    )


def connack_refused(host: str, what: str) -> Trouble:
    """Any other refusal by CONNACK."""
    return Trouble("connack", f"{host} rejected the connection: {what}", Backoff.LOGIN)


def subscription_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """SUBACK with 128 or more."""
    return Trouble(
        "subscription refused",
        f"{host} rejected the subscription of {user!r} to {topic} ({why});"
        f" {_rules('read', config)}",
        Backoff.LOGIN,
    )


def share_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """The same, for a shared subscription."""
    return Trouble(
        "subscription refused: shared",
        f"{host} rejected the shared subscription of {user!r} to {topic} ({why}); check that the"
        f" broker has shared subscriptions switched on, and {_rules('read', config)}, or leave"
        " share_group empty and run one daemon",
        Backoff.LOGIN,
    )


def publish_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """PUBACK with 128 or more."""
    return Trouble(
        "publish refused",
        f"{host} rejected the publish of {user!r} to {topic} ({why}); {_rules('write', config)}",
        Backoff.LOGIN,
    )


def vrm_refused(host: str, user: str, topic: str, why: str, config: str) -> Trouble:
    """Either of them by the VRM cloud. VENUS: a user has access to the devices in the list only."""
    return Trouble(
        "vrm refused",
        f"{host} denied {user!r} access to {topic} ({why}): check that this VRM account has the"
        f' device in its list, with the right "Full Control", and that serial in {config} is the'
        " device's portal id. On the device, VRM Portal must be Full or Read-only (Settings, VRM)",
        Backoff.LOGIN,
    )


def _in_parentheses(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _rules(right: str, config: str) -> str:
    return (
        f"give this user the right to {right} it in the broker's access rules, or set user and"
        f" password in {config} to those of a user who has that right"
    )


def name_unknown(host: str, config: str) -> Trouble:
    """No address for `host`."""
    how = "install libnss-mdns, or " if host.rstrip(".").endswith(".local") else ""
    return Trouble(
        "name",
        f"cannot resolve {host}; {how}set address in {config} to the device's IP address",
    )


def refused(host: str, port: int) -> Trouble:
    """The host responds, and the port is closed."""
    return Trouble(
        "refused",
        f"connection refused by {host} port {port}; switch on MQTT in the device's settings"
        " (Services or Integrations, MQTT access)",
    )


def only_tls_port(host: str, config: str) -> Trouble:
    """1883 is closed and 8883 open. VENUS: true of the profiles Secured and Paired."""
    return Trouble(
        "only tls",
        f"connection refused by {host} port 1883, and port 8883 is open: the device's security"
        f" profile requires TLS and a password; {pin(host, config)}, and password",
    )


def no_tls_port(host: str, config: str, *, trusted: bool = False) -> Trouble:
    """8883 is closed and 1883 open, as before Venus OS 3.50.

    With `trusted` the file names the certificate: then no advice is to leave out TLS.
    """
    what = f"connection refused by {host} port 8883, and port 1883 (without TLS) is open"
    if trusted:
        how = f"{_PERHAPS_ANOTHER}: check address in {config}, and that TLS is switched on there"
    else:
        how = (
            f"write tls = no in {config}, or update the device to Venus OS 3.50 or later, which has"
            " TLS"
        )
    return Trouble("no tls port", f"{what}; {how}")


def unreachable(host: str, port: int, why: str) -> Trouble:
    """No route to the host, or no answer."""
    return Trouble(
        "unreachable",
        f"{host} port {port} is unreachable ({why}); check that the device is on, and in this"
        " network",
    )


def not_mqtt(host: str, port: int, what: str) -> Trouble:
    """Connected, but the answer is not MQTT."""
    return Trouble(
        "protocol", f"{host} port {port} {what}; check that address and port are the device's"
    )


def too_large(host: str, size: str, most: int) -> Trouble:
    """A packet of so many bytes has begun. Its topic is unknown, because it is not read."""
    return Trouble(
        "packet: too large",
        f"{host} started to send a packet of {size} bytes (the limit is {most:,}); no value of a"
        " device is that large: find the retained message of that size on the broker, and remove"
        " it",
        Backoff.PROTOCOL_ERROR,
    )


def unexpected(host: str, name: str) -> Trouble:
    """A packet that no broker sends to a client that subscribes with QoS 0."""
    return Trouble(
        "packet: unexpected",
        f"{host} violated the MQTT protocol (unexpected packet {name}); update or restart the"
        " broker; if that does not help, check that address and port are the device's",
        Backoff.PROTOCOL_ERROR,
    )


def not_processing(host: str, what: str) -> Trouble:
    """A broker has left so much undone that the connection is treated as dead.

    `what` says what, and how often.
    """
    return Trouble(
        "not taking",
        f"{host} does not process what is sent to it ({what}); if that happens again, the broker"
        " hangs or is overloaded: restart it",
        Backoff.PROTOCOL_ERROR,
    )


def no_answer(host: str, port: int) -> Trouble:
    """Connected, and no answer."""
    return not_mqtt(host, port, "accepts connections and does not answer")


def no_password(host: str, port: int) -> Trouble:
    """The port does not answer in a way that permits sending the password."""
    what = "answers neither MQTT nor TLS, so the password was not sent"
    return not_mqtt(host, port, what)


def tls_required(host: str, port: int, config: str) -> Trouble:
    """TLS is not configured, and the port uses it."""
    return Trouble("tls wanted", f"{host} port {port} requires TLS; {pin(host, config, port)}")


def no_tls(host: str, port: int, config: str, *, trusted: bool = False) -> Trouble:
    """TLS is configured, and the port does not use it; `trusted`: so is a certificate."""
    if port == 1883:
        how = f"write port = 8883 in {config}"
    elif trusted:
        how = f"{_PERHAPS_ANOTHER}: check address and port in {config}"
    else:
        how = f"write the port that does use TLS, or tls = no, in {config}"
    return Trouble("no tls", f"{host} port {port} does not use TLS; {how}")


def tls_too_old(host: str, port: int) -> Trouble:
    """No version of TLS in common."""
    return Trouble(
        "tls version",
        f"{host} port {port} does not support TLS 1.2 or later; update the device's firmware",
        Backoff.CERTIFICATE,
    )


def tls_failed(host: str, port: int, why: str) -> Trouble:
    """Any other end of a handshake."""
    return Trouble(
        "tls",
        f"TLS handshake with {host} port {port} failed ({why}); check that it is the device",
        Backoff.CERTIFICATE,
    )


def certificate_changed(host: str, port: int, shown: str, pinned: str, config: str) -> Trouble:
    """Not the certificate that is pinned."""
    return Trouble(
        "certificate changed",
        f"{host} shows a certificate other than the one pinned in {config}:"
        f" {shown} instead of {pinned}; a device creates a new one before the old one expires or"
        f" when its firmware is reinstalled; otherwise {_PERHAPS_ANOTHER}. If you have a reason to"
        f" trust the new one, replace the line with what '{pin_command(host, port)}' prints",
        Backoff.CERTIFICATE,
    )


def certificate_untrusted(host: str, port: int, why: str, ca_file: str, config: str) -> Trouble:
    """No trusted authority has signed it. VENUS: a device's own is self-signed."""
    if ca_file:
        what = (
            f"the certificate of {host} is not signed by a certificate authority in {ca_file}"
            f" ({why});"
        )
        how = (
            f"{_PERHAPS_ANOTHER}. If you know that it is, and ca_file is for another certificate,"
            f" write the line that '{pin_command(host, port)}' prints in its place"
        )
    else:
        what = (
            f"the certificate of {host} is not signed by a trusted certificate authority ({why}),"
        )
        how = f"as is usual for a device; {pin(host, config, port)}"
    return Trouble("certificate untrusted", f"{what} {how}", Backoff.CERTIFICATE)


def certificate_name_mismatch(host: str, port: int, config: str) -> Trouble:
    """The certificate is valid, for another name. VENUS: a device's own is for venus.local."""
    return Trouble(
        "certificate name",
        f"the certificate is not for the name {host}; {_PERHAPS_ANOTHER}. A device's own is for"
        f" venus.local: write that as address in {config}; or, if you know that it is your device,"
        f" write verify_host = no, or the line that '{pin_command(host, port)}' prints",
        Backoff.CERTIFICATE,
    )


def certificate_out_of_date(host: str, port: int, what: str, config: str) -> Trouble:
    """The certificate has expired, or is not valid yet."""
    return Trouble(
        "certificate date",
        f"the certificate of {host} {what}; check the clock of this computer. If that is right,"
        f" restart the device, which creates a new one; or, if you know that it is your device,"
        f" write the line that '{pin_command(host, port)}' prints in {config}",
        Backoff.CERTIFICATE,
    )


def ca_unreadable(ca_file: str, why: str, config: str) -> Trouble:
    """The file with the authorities no longer exists, or is invalid."""
    return Trouble(
        "ca file",
        f"ca_file {ca_file} cannot be used ({why}); put certificates in PEM there, or correct"
        f" {config}",
        Backoff.CERTIFICATE,
    )


_PERHAPS_ANOTHER = "this may not be your device"  # before any advice to trust it

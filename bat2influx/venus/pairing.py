"""Pairing: how a device gives out a token, the login of its profile "Paired devices only".

A form is sent by HTTPS, and JSON with the user and the password for MQTT comes back. It takes the
device's pairing mode, which a person switches on at the device and which lasts some two minutes, or
the password of the security profile. The same name paired again replaces the token before.

Source: VENUS, "Pairing" (Venus OS 3.80). What a refusal's status means is not written down there:
without a password every refusal of the request itself is taken for a pairing mode that is off.

Rules: pure. What comes is a stranger's: a token that is none, or would not fit into a CONNECT or
the file, is refused, and of a text only some printable characters are kept.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlencode

from bat2influx.printable import plain
from bat2influx.safe_json import parse_object

HTTPS_PORT = 443
PATH = "/auth/generate-token/"
ROLE = "bat2influx"
PAIRING_MODE = 120.0  # s that a device's pairing mode lasts
SINCE = "3.80"  # of Venus OS
MOST_SECRET = 256  # characters of a user or a password; those of a device have some 40
LONGEST_REASON = 120  # characters of the text with which a device refuses
_LONGEST_HOST = 20  # characters of the host's name in that of the device

# VENUS: token/<role>/<id>; + and # are refused in a user, and neither may hold a blank
_USER = re.compile(r"token/[!-~]+/[!-~]+")
_PASSWORD = re.compile(r"[!-~]+")
_TEXTS = ("error", "message", "detail", "reason")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_NO_SUCH_PAGE = (404, 405, 410, 501)


class Refusal(Enum):
    """Why a device gives out no token."""

    CLOSED = "its pairing mode is off, or the password is wrong"
    TOO_OFTEN = "it was asked too often"
    STARTING = "its web server is not ready"
    UNKNOWN = "it has no pairing"
    ODD = "its answer is not that of a pairing"


@dataclass(frozen=True, slots=True)
class Token:
    """A login for MQTT; `user` is token/<role>/<id>."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer without a token; `said` is the device's own text, made plain, or ''."""

    why: Refusal
    status: int
    said: str = ""


def name_of_client(host: str, machine: bytes, unit: str) -> str:
    """Return the name under which a device lists us: letters and digits only.

    It begins with the name of this computer, for the person who looks through the list at the
    device, and tells it from others of that name. `machine` is the id of this computer, which is
    not to be known elsewhere and does not leave; `unit` is the service that is paired.
    """
    letters = "".join(char for char in host.partition(".")[0].lower() if _is_name(char))
    own = hashlib.blake2b(unit.encode(), key=machine[:64], digest_size=4).hexdigest()
    return f"{letters[:_LONGEST_HOST]}{own}"


def form(name: str, password: str = "") -> bytes:
    """Return the form that asks for a token; without a password it counts in pairing mode alone."""
    fields = {"role": ROLE, "device_id": name}
    if password:
        fields["password"] = password
    return urlencode(fields).encode("ascii")


def answer(status: int, body: bytes, secret: str = "") -> Token | Refused:
    """Return what a device has answered; `secret` is what its text must not show."""
    if status == 200:
        found = parse_object(body)
        user, password = found.get("token_name"), found.get("password")
        if _fits(user, _USER) and not {*"+#"} & {*str(user)} and _fits(password, _PASSWORD):
            return Token(str(user), str(password))
        return Refused(Refusal.ODD, status)
    return Refused(_why(status), status, _said(body, secret))


def _why(status: int) -> Refusal:
    if status in _NO_SUCH_PAGE:
        return Refusal.UNKNOWN
    if status == 429:
        return Refusal.TOO_OFTEN
    if status >= 500:
        return Refusal.STARTING
    return Refusal.CLOSED if status // 100 == 4 else Refusal.ODD


def _fits(value: object, form_of_it: re.Pattern[str]) -> bool:
    short = isinstance(value, str) and len(value) <= MOST_SECRET
    return short and bool(form_of_it.fullmatch(str(value)))


def _said(body: bytes, secret: str) -> str:
    """Return the text of a refusal, without the markup of a page."""
    found = parse_object(body)
    texts = [found[key] for key in _TEXTS if isinstance(found.get(key), str)]
    text = texts[0] if texts else "" if found else body.decode("utf-8", "replace")
    # A page may repeat the password, in whatever spelling: who sent one hears nothing of its text.
    return "" if secret else plain(_TAG.sub(" ", text[:4096]), LONGEST_REASON)


def _is_name(char: str) -> bool:
    return char.isascii() and char.isalnum()

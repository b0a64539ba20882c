"""Pairing: how a device issues a token, the login of its profile "Paired devices only".

A form is sent by HTTPS; the answer is JSON with user and password for MQTT. It requires the
device's pairing mode, which a person switches on at the device and which lasts about two minutes,
or the password of the security profile. Pairing the same name again replaces the earlier token.

Source: VENUS, "Pairing" (Venus OS 3.80). The meaning of a refusal's status is not documented there:
without a password, every refusal of the request itself is interpreted as pairing mode being off.

Rules: pure. Answers are untrusted: a token that is malformed, or would not fit into a CONNECT or
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
PAIRING_MODE = 120.0  # s; how long a device's pairing mode lasts
SINCE = "3.80"  # of Venus OS
MAX_SECRET = 256  # characters of a user or a password; those of a device have about 40
LONGEST_REASON = 120  # characters of the text of a refusal
_LONGEST_HOST = 20  # characters of the host's name in the client's name

# VENUS: token/<role>/<id>; + and # are not allowed in a user, and a blank in neither
_USER = re.compile(r"token/[!-~]+/[!-~]+")
_PASSWORD = re.compile(r"[!-~]+")
_TEXTS = ("error", "message", "detail", "reason")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_NO_SUCH_PAGE = (404, 405, 410, 501)


class Refusal(Enum):
    """Why a device issues no token."""

    CLOSED = "its pairing mode is off, or the password is wrong"
    TOO_OFTEN = "it received too many requests"
    STARTING = "its web server is not ready"
    UNKNOWN = "it does not support pairing"
    ODD = "its answer is not an answer to a pairing request"


@dataclass(frozen=True, slots=True)
class Token:
    """A login for MQTT; `user` is token/<role>/<id>."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer without a token; `refusal_text` is the device's own text, sanitized, or ''."""

    why: Refusal
    status: int
    refusal_text: str = ""


def name_of_client(host: str, machine: bytes, unit: str) -> str:
    """Return the name under which a device lists this client: letters and digits only.

    It begins with the name of this computer, for the person who reads the list at the device; the
    rest distinguishes clients of the same name. `machine` is the id of this computer, which is
    private and is not sent; `unit` is the service that is paired.
    """
    letters = "".join(char for char in host.partition(".")[0].lower() if _is_name(char))
    own = hashlib.blake2b(unit.encode(), key=machine[:64], digest_size=4).hexdigest()
    return f"{letters[:_LONGEST_HOST]}{own}"


def form(name: str, password: str = "") -> bytes:
    """Return the form that requests a token; without a password it works only in pairing mode."""
    fields = {"role": ROLE, "device_id": name}
    if password:
        fields["password"] = password
    return urlencode(fields).encode("ascii")


def answer(status: int, body: bytes, secret: str = "") -> Token | Refused:
    """Interpret a device's answer; `secret` is what the returned text must not contain."""
    if status == 200:
        found = parse_object(body)
        user, password = found.get("token_name"), found.get("password")
        if _fits(user, _USER) and not {*"+#"} & {*str(user)} and _fits(password, _PASSWORD):
            return Token(str(user), str(password))
        return Refused(Refusal.ODD, status)
    return Refused(_why(status), status, _refusal_text(body, secret))


def _why(status: int) -> Refusal:
    if status in _NO_SUCH_PAGE:
        return Refusal.UNKNOWN
    if status == 429:
        return Refusal.TOO_OFTEN
    if status >= 500:
        return Refusal.STARTING
    return Refusal.CLOSED if status // 100 == 4 else Refusal.ODD


def _fits(value: object, form_of_it: re.Pattern[str]) -> bool:
    short = isinstance(value, str) and len(value) <= MAX_SECRET
    return short and bool(form_of_it.fullmatch(str(value)))


def _refusal_text(body: bytes, secret: str) -> str:
    """Return the text of a refusal, without the markup of a page."""
    found = parse_object(body)
    texts = [found[key] for key in _TEXTS if isinstance(found.get(key), str)]
    text = texts[0] if texts else "" if found else body.decode("utf-8", "replace")
    # A page may repeat the password in any encoding: its text is dropped if one was sent.
    return "" if secret else plain(_TAG.sub(" ", text[:4096]), LONGEST_REASON)


def _is_name(char: str) -> bool:
    return char.isascii() and char.isalnum()

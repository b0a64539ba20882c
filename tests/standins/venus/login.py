"""The rules of logins to a Venus device: security profiles, and the lock against guessing.

Source of all of it: VENUS, "Login and security profiles".

Rules: pure; times are parameters, in seconds of any monotonic clock. A wrong password is stored as
a salted hash, never in the clear.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tests.standins.venus.packets import MQTT_5, Connect

BURST = 20  # different wrong passwords that are checked without a pause
REFILL = 1.0  # s until one more is
DAILY = 150  # maximum per day
DAY = 86_400.0  # s


class Profile(Enum):
    """The security profiles of Venus OS 3.5 and later; OFF has MQTT switched off."""

    SECURED = "secured"
    WEAK = "weak"
    UNSECURED = "unsecured"
    PAIRED = "paired"
    OFF = "off"

    @property
    def plain(self) -> bool:
        """Whether port 1883 is open."""
        return self in {Profile.WEAK, Profile.UNSECURED}

    @property
    def tls(self) -> bool:
        """Whether port 8883 is open."""
        return self is not Profile.OFF


class Outcome(Enum):
    """The result of a login; all but ACCEPTED and DROPPED are refusals by CONNACK."""

    ACCEPTED = "accepted"
    WRONG = "wrong or missing password, or unknown user"
    LOCKED = "too many different wrong passwords"
    BAD_USER = "+ or # in the user name"
    BOOTING = "the setting that allows passwords has not been read yet"
    TAKEN = "the client id is another user's"
    DROPPED = "a password without a user name"


@dataclass(frozen=True)
class Attempt:
    """A CONNECT that was understood; `at` is monotonic, in s."""

    at: float
    tls: bool
    client_id: str
    user: str | None
    given: bool  # whether there was a password
    right: bool
    outcome: Outcome


class Login:
    """Decides on logins; `tokens` has the password of each token/<role>/<id>."""

    def __init__(self, profile: Profile, password: str, tokens: Mapping[str, str]) -> None:
        self.profile = profile
        self.booting = False  # while every password is rejected, a right one too
        self._password = password
        self._tokens = tokens
        self._salt = os.urandom(16)
        self._wrong: set[bytes] = set()
        self._left, self._refilled = float(BURST), 0.0
        self._today, self._day_began = 0, 0.0

    def is_right(self, connect: Connect) -> bool:
        """Whether the profile accepts this user with this password."""
        if self.profile is Profile.UNSECURED:
            return True
        paired = self.profile is Profile.PAIRED
        wanted = self._tokens.get(connect.user or "") if paired else self._password
        if wanted is None or connect.password is None:
            return False
        return hmac.compare_digest(wanted.encode(), connect.password)

    def decide(self, connect: Connect, now: float, owners: Mapping[str, str | None]) -> Outcome:
        """Judge a login at `now`; `owners` has the user of each client id that is connected."""
        if connect.password is not None and connect.user is None and connect.level < MQTT_5:
            return Outcome.DROPPED
        if set("+#") & set(connect.user or ""):
            return Outcome.BAD_USER
        if self.profile is not Profile.UNSECURED and self._locked(now):
            return Outcome.LOCKED
        if self.booting and not (connect.user or "").startswith("token/"):
            return Outcome.BOOTING
        if not self.is_right(connect):
            self._remember(connect.password or b"")
            return Outcome.WRONG
        if connect.client_id and owners.get(connect.client_id, connect.user) != connect.user:
            return Outcome.TAKEN
        return Outcome.ACCEPTED

    def _locked(self, now: float) -> bool:
        if now - self._day_began >= DAY:
            self._today, self._day_began = 0, now
        self._left = min(float(BURST), self._left + (now - self._refilled) / REFILL)
        self._refilled = now
        return self._left < 1.0 or self._today >= DAILY

    def _remember(self, password: bytes) -> None:
        known = hashlib.sha256(self._salt + password).digest()
        if known not in self._wrong:
            self._wrong.add(known)
            self._left -= 1.0
            self._today += 1

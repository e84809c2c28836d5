"""Whether a user's id leaves as it is, hashed, or not at all.

Pure: text in, text out, by the settings of the process. An id that looks like an e-mail address
is hashed in every mode; without a key for that it is left out. Hashes are HMAC-SHA-256, in
hexadecimal, after the name of the key where it has one (`k2:4f0d…`): so a key can be replaced, and
it can be seen which one made a hash.
"""

from __future__ import annotations

import hmac
import re
from typing import Final
from uuid import UUID

from otelier.fixed import fixed
from otelier.pattern import pattern
from otelier.values import Refused

RAW, HASH, OFF = MODES = ("raw", "hash", "off")

LONGEST: Final = 256
"""Characters of an id; a longer one is none."""

_NAMED_KEY = pattern(r"([A-Za-z0-9_-]{1,16}):(.*)", re.DOTALL)
_EMAIL = pattern(r"[^@\s](?:@|%40)[^@\s]", re.IGNORECASE)


@fixed
class Key:
    """What hashes are made with. name: put before each of them; may be empty."""

    secret: bytes
    name: str = ""

    def __repr__(self) -> str:
        return f"Key(name={self.name!r})"

    def hash(self, text: str) -> str:
        digest = hmac.digest(self.secret, text.encode("utf-8"), "sha256").hex()
        return f"{self.name}:{digest}" if self.name else digest


def user_key(value: str) -> Key:
    """`NAME:SECRET`, or a secret alone."""
    named = _NAMED_KEY.fullmatch(value)
    name, secret = named.groups() if named else ("", value)
    if not secret:
        raise Refused("expected a secret, or NAME:SECRET")
    return Key(secret.encode("utf-8", "surrogateescape"), name)


@fixed
class Identity:
    """How ids of users and of their sessions leave. mode: one of MODES."""

    mode: str = RAW
    key: Key | None = None

    def shown(self, value: object) -> str | None:
        """The id as it leaves; None where it does not."""
        text = id_text(value) if self.mode != OFF else None
        if text is None or (self.mode == RAW and not is_email(text)):
            return text
        return self.key.hash(text) if self.key is not None else None


def id_text(value: object) -> str | None:
    """An id as text: of a text, a whole number or a UUID; None of anything else.

    What cannot be printed (controls, line breaks, bidirectional marks) is in no id.
    """
    if isinstance(value, str):
        text = str(value)
    elif isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        text = str(value) if not isinstance(value, int) or abs(value) < 1 << 128 else ""
    else:
        return None
    return text if 0 < len(text) <= LONGEST and text.isprintable() else None


def is_email(text: str) -> bool:
    return _EMAIL.search(text) is not None


class InForce:
    """The one `Identity` of this process; set at start."""

    identity = Identity()


def shown(value: object) -> str | None:
    """What leaves of an id, by the settings in force."""
    return InForce.identity.shown(value)

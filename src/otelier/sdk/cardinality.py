"""What may stand on a business metric: keys and values of which there are few.

Each set of attributes is a series of its own, kept in memory, sent every minute and paid for. What
looks like an id (a UUID, a long number, an e-mail address, a hash, a token) is left off, and said
in a line; the measurement itself counts. A metric has so many sets, and all further ones are one:
`otel.metric.overflow`. No lock: any thread may ask, and a lost race costs a place, never adds one.
Nothing is raised, whatever is given.

Source: OpenTelemetry specification, metrics SDK, cardinality limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from otelier import _guard
from otelier.identity import is_email
from otelier.sdk.metrics import MOST_SERIES, OVERFLOW

Value = str | bool | int | float
Attributes = Mapping[str, Value]

LONGEST: Final = 64
"""Characters of a key, and of a value."""

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_IDS = frozenset(
    (
        *("id", "ids", "uid", "uuid", "guid", "ulid", "hash", "token"),
        *("accountid", "clientid", "customerid", "orderid", "requestid", "sessionid", "spanid"),
        *("tenantid", "traceid", "userid", "email", "ip", "mail", "phone", "username"),
    )
)
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\d{6}|(?:\d\D*){9}")
_TOKEN = re.compile(r"[A-Za-z0-9]{7,}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_TURN = re.compile(r"(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)")


def why_no_key(key: object) -> str:
    """Why this is no key of an attribute, empty if it is one."""
    if not isinstance(key, str) or len(key) > LONGEST or not _KEY.fullmatch(key):
        return f"a key has up to {LONGEST} letters, digits, dots, hyphens and underscores"
    words = _WORDS.findall(key)
    if (words and words[-1].lower() in _IDS) or is_id(key):
        return "ids have too many values for a metric"
    return ""


def why_no_value(value: object) -> str:
    """Why this is no value of an attribute, empty if it is one."""
    if not isinstance(value, str | int | float):
        return f"a value is a text, a number or a truth value, not {type(value).__name__[:40]}"
    text = str(_plain(value))
    if len(text) > LONGEST or not text.isprintable():
        return f"a value has up to {LONGEST} characters, all of which can be printed"
    return "its value looks like an id, of which there are too many for a metric" * is_id(text)


def is_id(text: str) -> bool:
    """Whether it looks like an id: a UUID, a long number, an e-mail address, a hash, a token."""
    if _UUID.search(text) or _LONG_NUMBER.search(text) or is_email(text):
        return True
    return any(_is_token(found) for found in _TOKEN.findall(text))


def _is_token(word: str) -> bool:
    """Twelve digits of hexadecimal, or letters and digits by turns, as nobody writes them."""
    turns = len(_TURN.findall(word))
    if _HEX.fullmatch(word):
        return turns > 1 or len(word) >= 12
    return turns > 2 and len(word) >= 12


class Sets:
    """The sets of attributes of one metric. most: how many there may be beside the overflow."""

    def __init__(self, metric: str, most: int = MOST_SERIES) -> None:
        self._metric = metric
        self._most = most
        self._places = count()
        self._known: dict[frozenset[tuple[str, Value]], Attributes] = {}

    def kept(self, given: Any) -> Attributes:
        """What is left of these attributes, or the overflow."""
        try:
            found = self._known.get(frozenset(given.items()))
        except (AttributeError, TypeError):  # no mapping, or a list for a value
            found = None
        return self._checked(given) if found is None else found

    def _checked(self, given: Any) -> Attributes:
        if not isinstance(given, Mapping):
            self.say(f"attributes are a mapping, not {type(given).__name__[:40]}")
            given = {}
        kept = {_plain(k): _plain(v) for k, v in given.items() if self._may_stay(k, v)}
        key = frozenset(kept.items())
        found = self._known.get(key)
        if found is not None:
            return found
        if next(self._places) >= self._most:
            self.say(f"more than {self._most} sets of attributes, further ones count as one")
            return OVERFLOW
        return self._known.setdefault(key, kept)

    def _may_stay(self, key: Any, value: Any) -> bool:
        if value is None:
            return False
        if reason := why_no_key(key):
            name = "" if "letters" in reason or is_id(key) else f" {key!r}"
            self.say(f"attribute{name} left out, {reason}", cause=reason)
        elif reason := why_no_value(value):
            self.say(f"attribute {key!r} left out, {reason}", cause=reason)
        return not reason

    def say(self, what: str, cause: str = "") -> None:
        """In a line, at most once a minute."""
        cause = f"business metric {self._metric}: {cause or what}"
        _guard.say(f"business metric {self._metric!r}: {what}", cause=cause)


def _plain(value: Any) -> Any:
    """Without the class of an enumeration's member."""
    return str.__str__(value) if isinstance(value, str) else value

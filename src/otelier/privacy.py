"""The one mask: what no value may tell, whichever way it leaves the process.

`mask_text` takes secrets out of a text by their shape and by the keys that stand before them,
`mask_value` masks a value by its own key first. Both leave a mark of the kind (`[masked:token]`)
and count it. What is not masked is returned as it is. `use` sets the policy, once at start: e-mail
and IP addresses, keys of queries that are safe, and rules of the user's, which see every value.

Runs in the thread that delivers, and wherever a line of ours is written. A rule that raises hides
the value and is said once a minute; nothing here raises. Linear in the length of a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from otelier import addresses
from otelier.addresses import mask_addresses, mask_query, mask_url
from otelier.error_texts import mask_error, statement
from otelier.fixed import fixed
from otelier.logged_sql import mask_logged
from otelier.marks import REDACTED, count, mark, masked
from otelier.meanings import MEANINGS
from otelier.secret_keys import is_count, is_harmless, kind_of_key, kinds_of_items
from otelier.secret_pairs import mask_pairs
from otelier.secret_phrases import mask_commands
from otelier.secret_shapes import (
    has_digits,
    is_card,
    mask_cards,
    mask_emails,
    mask_ips,
    mask_issued,
    mask_schemes,
)
from otelier.secret_signs import is_suspect, may_have_pairs, may_have_sql, may_repeat
from otelier.signals import REQUEST_ID, SESSION_ID, USER_ID
from otelier.spelled import mask_entities, mask_spelled
from otelier.sql_tokens import ANY, GRAMMARS
from otelier.store_commands import mask_command
from otelier.torn import cut

__all__ = [
    "REDACTED",
    "Policy",
    "Rule",
    "keeps_texts",
    "mask_attributes",
    "mask_cut",
    "mask_deep",
    "mask_field",
    "mask_name",
    "mask_query",
    "mask_statement",
    "mask_text",
    "mask_url",
    "mask_value",
    "use",
]

Rule = Callable[[str, Any], Any]
"""Takes where a value stands (its key, `body`, `name`, `status`) and the value; returns a value."""

IDS = frozenset((REQUEST_ID, USER_ID, SESSION_ID))
"""What joins a record to its request. They are as the app has bound them."""


@fixed
class Policy:
    """email, ip: mask addresses of that kind. safe_keys: of queries. rules: in their order."""

    email: bool = False
    ip: bool = False
    safe_keys: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()


policy = Policy()
_told: Callable[[str, BaseException], object] = lambda doing, error: None  # noqa: E731
changed: list[Callable[[], object]] = []
"""Called when the policy changes, by those who keep what they have masked."""


def use(chosen: Policy, tell: Callable[[str, BaseException], object] | None = None) -> None:
    """Set the policy of this process, before anything is sent. tell: of what raised."""
    global policy, _told
    policy, _told = chosen, tell or _told
    addresses.keep(chosen.safe_keys)
    for forget in (_scanned.cache_clear, *changed):
        forget()


_SHORT, _OVER, _LONGEST = 256, 1024, 20_000
_CONTAINERS = (Mapping, list, tuple, set, frozenset)


def keeps_texts() -> bool:
    """Whether what `mask_text` has looked at needs no other look: no rules of the user's see it."""
    return not policy.rules


def mask_text(text: str) -> str:
    """The text without secrets; itself if it has none. What is short and comes back is kept."""
    found = _scanned(text) if len(text) <= _SHORT else _scan(text)
    if found is not text and found != text:
        try:
            count(text, found)
        except Exception as error:
            _told("counting what is masked", error)
        return found
    return text


def _scan(text: str) -> str:
    try:
        if len(text) <= _SHORT and text.isascii():
            suspect = _has_sign(text.encode("ascii").translate(_DIGITLESS))
        else:
            suspect = is_suspect(text)
        return _masked(text) if suspect or policy.email or policy.ip else text
    except Exception as error:
        _told("masking a text", error)
        return mark("unknown")


_scanned = lru_cache(maxsize=2048)(_scan)
_DIGITLESS = bytes.maketrans(b"0123456789", b"0000000000")


@lru_cache(maxsize=1024)
def _has_sign(shape: bytes) -> bool:
    """Of all texts that differ in nothing but digits: lines that a program writes again and again
    with other numbers. 0.2 microseconds, where the look at each takes 1.2."""
    text = shape.decode("ascii")
    return is_suspect(text) or "ya00." in text


def _masked(text: str) -> str:
    if "%" in text:
        text = mask_spelled(text, _masked)
    if "&" in text:
        text = mask_entities(text, _masked)
    lower = text.lower()
    found = mask_issued(_unrepeated(text, lower) if may_repeat(text) else text)
    if has_digits(found):
        found = mask_cards(found)
    if "bearer" in lower or "basic" in lower:
        found = mask_schemes(found)
    found = mask_addresses(found)
    if may_have_pairs(lower):
        found = mask_pairs(found)
    if " -" in found or "'-" in found:
        found = mask_commands(found)
    if policy.email:
        found = mask_emails(found)
    return mask_ips(found) if policy.ip else found


def _unrepeated(text: str, lower: str) -> str:
    text = mask_error(text)
    return mask_logged(text) if may_have_sql(text, lower) else text


def mask_value(path: str, value: Any, limit: int | None = None) -> Any:
    """A value by its key, then by its shape; a container under an ordinary key as it is.

    path: the key, those of the mappings around it before it. limit: characters that are of use.
    """
    if path in IDS:
        return value
    try:
        if kind_of_key(path):
            found = _hidden(path, value)
        elif isinstance(value, _CONTAINERS):
            return value
        else:
            found = _shown(path, value, limit)
        for rule in policy.rules:
            found = _ruled(rule, path, found)
    except Exception as error:
        _told("masking a value", error)
        return f"<{type(value).__name__}>"
    return found


def mask_cut(text: str, longest: int) -> str:
    """Not longer than that, and masked before it is cut: half a secret looks like none."""
    return mask_text(cut(text[: longest + _OVER + 1], longest + _OVER))[:longest]


def mask_name(path: str, text: Any) -> Any:
    """A text that has no key: `name`, `body`, `status` … are its path."""
    if policy.rules or type(text) is not str:
        return mask_value(path, text)
    return mask_text(text if len(text) <= _LONGEST else cut(text, _LONGEST))


def is_ordinary(key: str) -> bool:
    """Whether `mask_text` is all that the texts under a key need."""
    return not (policy.rules or kind_of_key(key) or key in MEANINGS or key in STATEMENTS)


def mask_deep(path: str, value: Any, limit: int | None = None) -> Any:
    """A copy in which everything is masked, down to a depth; what lies deeper is text."""
    try:
        return _deep(path, value, limit, 0)
    except Exception as error:
        _told("masking a value", error)
        return f"<{type(value).__name__}>"


def _deep(path: str, value: Any, limit: int | None, depth: int) -> Any:
    if isinstance(value, Mapping) and not kind_of_key(path) and depth < _DEEPEST:
        return {
            mask_text(str(key)): _deep(f"{path}.{key}", item, limit, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)) and not kind_of_key(path) and depth < _DEEPEST:
        items = masked_neighbours(value, within=depth > 0)
        return type(value)([_deep(path, item, limit, depth + 1) for item in items])
    found = mask_value(path, value, limit)
    return found if isinstance(found, _PLAIN) or found is None else mask_text(str(found))


def masked_neighbours(items: Sequence[Any], within: bool) -> Sequence[Any]:
    """A list with the items masked whose key stands before them; itself if there is none."""
    kinds = kinds_of_items(items, within)
    masked.update(kinds.values())
    if not kinds:
        return items
    return [mark(kinds[n]) if n in kinds else item for n, item in enumerate(items)]


_ordinary: dict[str, bool] = {}
changed.append(_ordinary.clear)
_MOST_KEYS, _CARDS_FROM = 4096, 10**13


def mask_field(path: str, value: Any) -> Any:
    """`mask_deep`, quick where it is asked about the same few keys: fields of a log line."""
    ordinary = _ordinary.get(path)
    if ordinary if ordinary is not None else _learned(path):
        kind = type(value)
        if kind is str:
            return mask_text(value)
        if (kind is int and value <= _CARDS_FROM) or kind is float or kind is bool:
            return value
    return mask_deep(path, value)


def _learned(path: str) -> bool:
    """Whether it is an ordinary key."""
    try:
        found = path not in IDS and is_ordinary(path)
    except Exception as error:
        _told("masking a value", error)
        return False
    if len(path) <= _SHORT:
        if len(_ordinary) >= _MOST_KEYS:  # keys that are data
            _ordinary.clear()
        _ordinary[path] = found
    return found


def mask_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of attributes, each masked."""
    return {
        mask_text(key): mask_statement(value, system_of(attributes))
        if key in STATEMENTS
        else mask_deep(key, value)
        for key, value in (attributes or {}).items()
    }


def system_of(attributes: Any) -> Any:
    """What kind of database a statement went to."""
    return attributes.get("db.system.name") or attributes.get("db.system")


_PLAIN = (str, bool, int, float, bytes, list, tuple)
_DEEPEST = 8


def _hidden(path: str, value: Any) -> Any:
    if value is None or isinstance(value, bool) or value in ("", b"") or is_count(path, value):
        return value
    kind = kind_of_key(path) or "unknown"
    if is_harmless(kind, value):
        return _shown(path, value, None)
    made = mark(kind)
    masked[made[8:-1]] += 1
    return [made] * len(value[:_MOST_ITEMS]) if isinstance(value, (list, tuple)) else made


_MOST_ITEMS = 16


def _shown(path: str, value: Any, limit: int | None) -> Any:
    if isinstance(value, str):
        if limit is None:
            return _by_meaning(path, str.__str__(value))
        return _by_meaning(path, cut(value[: limit + _OVER + 1], limit + _OVER))
    if isinstance(value, bytes):
        return _bytes(value if limit is None else value[: limit + _OVER])
    if type(value) is int and value > _CARDS_FROM and is_card(str(value)):
        masked["card"] += 1
        return mark("card")
    return value


def _bytes(value: bytes) -> bytes:
    """As a text, if they are one: a body has its own encoding, or is cut within a letter."""
    try:
        text, encoding = value.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = value.decode("latin-1"), "latin-1"
    is_binary = encoding != "utf-8" and _CONTROL.search(text)
    found = mask_issued(text) if is_binary else mask_text(text)
    return value if found == text else found.encode(encoding)


_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def _by_meaning(path: str, text: str) -> str:
    how = MEANINGS.get(path)
    if how is None:
        return mask_text(text)
    found = how(text, mask_text)
    count(text, found)
    return found


def _ruled(rule: Rule, path: str, value: Any) -> Any:
    try:
        return rule(path, value)
    except Exception as error:
        _told("masking by a rule", error)
        masked["rule"] += 1
        return mark("rule")


STATEMENTS = frozenset(("db.query.text", "db.statement"))
_STORES = frozenset(("redis", "memcached", "valkey"))


def mask_statement(text: Any, system: Any) -> Any:
    """A statement by the grammar of its database; a mark where that is not sure."""
    if not isinstance(text, str):
        return mark("sql")
    for rule in policy.rules:
        text = _ruled(rule, "db.query.text", text)
    if system in _STORES:
        made = mask_command(text)
    else:
        made = (_statement if len(text) <= _LONGEST_KEPT else _read)(text, str(system))
    if made != text:
        count(text, made)
    return made


def _read(text: str, system: str) -> str:
    return statement(text, GRAMMARS.get(system, ANY))


_statement = lru_cache(maxsize=1024)(_read)
_LONGEST_KEPT = 8192

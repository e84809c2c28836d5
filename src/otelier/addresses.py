"""URLs without what they should not tell: keys of a query stay, its values go, and users do too.

`REDACTED` is the conventions' word for both. Keys that an operator has listed as safe keep their
values. Pure but for that list, which is set once at start; any thread.

Source: semantic conventions, `url.full`, `url.query`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote_plus, urlsplit

from otelier.marks import REDACTED, mark
from otelier.pattern import pattern
from otelier.secret_pairs import mask_pairs
from otelier.secret_shapes import mask_issued

_LONGEST = 4096
_safe_keys: frozenset[str] = frozenset()

# In a text: what follows a question mark, and who is named before a host.
_QUERY = pattern(r"(?<=[\w/.~%:\]}>*-])\?([^\s'\"<>)\]\\]++)")
_USER = pattern(
    r"(/\\?/)(?:[^\s/?#'\"<>\\]+@"
    r"|[^\s/@:'\"<>\\]{0,128}:(?!\d{0,5}(?:[/?#\s'\"<>,;)\]]|\Z))[^\s'\"<>\\]{1,128}@)"
)
_QUOTED_USER = pattern(r"(%2F%2F)(?:[^\s&'\"<>%@]|%(?!40|2F|3F|23))++%40(?=[\w.])", re.IGNORECASE)
_PAIR = pattern(r"[\w.%\[\]$-]{1,128}=")
# What mails link to: `/reset/…`, `/verify-email/…`, with what nobody has typed behind it.
_LINK = pattern(
    r"(/(?:reset|(?:verif[yi]|confirm|activat|unlock)[\w-]{0,24}|magic[\w-]{0,8}|invit(?:e|ation)s?"
    r"|one-?time(?:-\w{1,16})?)/(?:[a-z]{2,8}/)?)"
    r"(?=[A-Za-z_~.-]{0,64}\d)(?=[\d_~.-]{0,64}[A-Za-z])[\w~.-]{20,}+"
)
_LONGEST_WORD = 512


def keep(keys: Collection[str]) -> None:
    """The values of these keys of queries stay."""
    global _safe_keys
    _safe_keys = frozenset(keys)


def mask_query(query: bytes | str) -> str:
    """A URL query with its keys kept and every value masked: `page=REDACTED&q=REDACTED`.

    What has a semicolon is several values to some: none of it is safe.
    """
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    return "&".join(map(_part, text.split("&")))


def _part(part: str) -> str:
    key, equals, value = part.partition("=")
    if not equals:
        return REDACTED
    key = mask_issued(key)
    if _safe_keys and ";" not in value and unquote_plus(key) in _safe_keys:
        return f"{key}={mask_pairs(mask_issued(value))}"
    return f"{key}={REDACTED}"


def mask_url(url: str) -> str:
    """An address without user, password and fragment, and with every value of its query masked."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
        query = mask_query(parts.query.encode("utf-8", "replace")) if parts.query else ""
        return parts._replace(netloc=netloc, query=query, fragment="").geturl()[:_LONGEST]
    except ValueError:
        return REDACTED


def mask_addresses(text: str) -> str:
    """A text with the queries, users and tokens of all addresses in it masked."""
    if "/" in text and may_be_link(text):
        text = _LINK.sub(rf"\1{mark('token')}", text)
    if "?" in text:
        text = _QUERY.sub(_query, text)
    if "@" in text and "/" in text:
        text = _USER.sub(rf"\1{REDACTED}:{REDACTED}@", text)
    if "%40" in text:
        text = _QUOTED_USER.sub(rf"\1{REDACTED}%3A{REDACTED}%40", text)
    return text


def may_be_link(text: str) -> bool:
    """Whether it has a part of a path that a token follows."""
    return (
        "/reset/" in text or "/verif" in text or "/confirm" in text or "/activat" in text
        or "/unlock" in text or "/magic" in text or "/invit" in text or "/one" in text
    )  # fmt: skip


def _query(found: re.Match[str]) -> str:
    """Only of what is an address: a pair in it, or a slash in the word before."""
    asked = found[1]
    if not asked[0].isalnum() and asked[0] not in "_%[.-$":
        return found[0]
    before = found.string[max(0, found.start() - _LONGEST_WORD) : found.start()]
    if _PAIR.match(asked) or "/" in before.rsplit(None, 1)[-1]:
        return f"?{mask_query(asked)}"
    return found[0]

"""Secrets in what is spelled out: for a URL (forms, baggage, addresses within addresses), for HTML.

Each part of a text that has a `%20` or the like is read as what it stands for, and masked as that;
what is changed is spelled out again. Pure; any thread; parts do not overlap, and what is spelled
out within another is shorter: linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote_plus

from otelier.pattern import pattern

_PART = pattern(r"[^\s'\"<>&;,=?\\%]*+(?:%[0-9A-Fa-f]{2}[^\s'\"<>&;,=?\\%]*+)++")


def mask_spelled(text: str, mask: Callable[[str], str]) -> str:
    """mask: of a text that is not spelled out."""

    def masked(found: re.Match[str]) -> str:
        plain = unquote_plus(found[0])
        shown = mask(plain)
        if shown == plain:
            return found[0]
        spell = quote_plus if "+" in found[0] else quote
        return spell(shown, safe="[]:/" if "/" in found[0] else "[]:")

    return _PART.sub(masked, text)


_QUOTES = (("&quot;", '"'), ("&#34;", '"'), ("&#x22;", '"'), ("&#39;", "'"), ("&#x27;", "'"))


def mask_entities(text: str, mask: Callable[[str], str]) -> str:
    """JSON in a page: what is masked there has quotes again in their place."""
    plain = text
    for entity, sign in _QUOTES:
        plain = plain.replace(entity, sign)
    if plain == text:
        return text
    shown = mask(plain)
    return text if shown == plain else shown

"""Commands of Redis and its like as text, without their arguments: `SET ? ?`.

A text may have several, each on its line; an argument may have lines as well, so that only what
looks like a command stays. Pure; any thread.
"""

from __future__ import annotations

import re

from otelier.pattern import pattern


def mask_command(text: str) -> str:
    """Commands of a store, each on its line, without arguments; those may have lines as well."""
    first, *others = text[:4096].split("\n")
    shown = [_without_arguments(_NAME, *first.split(" "))]
    return "\n".join([*shown, *(_without_arguments(_FURTHER_NAME, *o.split(" ")) for o in others)])


_NAME = pattern(r"[A-Za-z][A-Za-z0-9._-]{0,31}")
_FURTHER_NAME = pattern(r"[A-Z][A-Z._-]{1,31}")
_MASKED = frozenset(("?", "..."))
_SECOND_NAME = pattern(r"[A-Za-z_-]{1,24}")

# Commands whose second word is part of their name.
TWO_WORDS = frozenset(
    (
        "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "HIMPORT", "LATENCY",
        "MEMORY", "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO",
    )
)  # fmt: skip


def _without_arguments(names: re.Pattern[str], first: str, *others: str) -> str:
    """`...`, for arguments that are left out, stays."""
    has_two = first.upper() in TWO_WORDS and others and _SECOND_NAME.fullmatch(others[0])
    kept = others[:1] if has_two else ()
    hidden = ("..." if other == "..." else "?" for other in others[len(kept) :])
    if others and _MASKED.issuperset(others):  # a line of a text that was made so
        names = _NAME
    return " ".join((first if names.fullmatch(first) else "?", *kept, *hidden))

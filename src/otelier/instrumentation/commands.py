"""Pure: what of a Redis command may be said, from the arguments that the client was given.

Its name, and a `?` for each argument; never a key or a value. redis-py also takes a whole command
in its first argument (`"GET a-key"`): a second word is part of the name for the commands that are
known to have one, and an argument otherwise.

Source: semantic conventions, database client spans, Redis; the command tables of Redis 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from otelier.store_commands import TWO_WORDS

SYSTEM = "redis"


def words(text: str) -> frozenset[str]:
    """A table that can be read."""
    return frozenset(text.split())


MOST_ARGUMENTS = 8
"""As many are shown; whatever comes after them is `...`."""

# They wait as long as the app asks them to: how long says nothing of the server.
_BLOCKING = words("BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN WAIT WAITAOF")

# They wait only if BLOCK is among their options, which stand before the names of streams.
_MAY_BLOCK = frozenset(("XREAD", "XREADGROUP"))
_BLOCK = frozenset(("BLOCK", "block", b"BLOCK", b"block"))
_LAST_OPTION = 8

# What the cluster clients send on their own behalf to find their way: part of connecting.
_QUIET = frozenset(("ASKING", "CLUSTER SLOTS", "COMMAND", "COMMAND GETKEYS", "HELLO"))

_LONGEST = 32
_IN_NAMES = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def name_of(given: Any) -> tuple[str, int]:
    """The command's name in the app's own letters, and how many arguments stood behind it.

    The name is empty where the first argument cannot be one.
    """
    text = given.decode("ascii", "replace") if isinstance(given, bytes) else given
    words = text.split() if isinstance(text, str) else []
    if not words or not _can_be_name(words[0]):
        return "", max(len(words) - 1, 0)
    if len(words) > 1 and words[0].upper() in TWO_WORDS and _can_be_name(words[1]):
        return f"{words[0]} {words[1]}", len(words) - 2
    return words[0], len(words) - 1


def text_of(name: str, arguments: int) -> str:
    """The command as it may be sent: `SET ? ?`."""
    shown = ["?"] * min(arguments, MOST_ARGUMENTS)
    more = ["..."] if arguments > MOST_ARGUMENTS else []
    return " ".join([name, *shown, *more])


def is_quiet(name: str) -> bool:
    """Is it part of connecting, and so neither a span nor a measurement?"""
    return name.upper() in _QUIET


def is_blocking(name: str) -> bool:
    """Does it always wait for something to happen?"""
    return name.upper() in _BLOCKING


def may_block(name: str) -> bool:
    """Does it wait if it is told to? `waits` then looks at the arguments."""
    return name.upper() in _MAY_BLOCK


def waits(args: Sequence[Any]) -> bool:
    """Is BLOCK among the options of an XREAD or XREADGROUP?"""
    return any(option in _BLOCK for option in args[1:_LAST_OPTION])


def _can_be_name(word: str) -> bool:
    return len(word) <= _LONGEST and _IN_NAMES.issuperset(word)

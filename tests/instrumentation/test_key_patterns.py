"""Keys without what may be an id, a token or an address."""

from __future__ import annotations

import base64
import random
import uuid
from typing import Any

import pytest

from otelier.instrumentation.key_patterns import FAN_OUT, KEYED, MOST, KeyPatterns


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("user:123:profile", "user:?:profile"),
        (b"user:123:profile", "user:?:profile"),
        ("user:profile", "user:profile"),
        (f"session:{uuid.UUID(int=7)}", "session:?"),
        (f"session:{uuid.UUID(int=7).hex}", "session:?"),
        ("blob:deadbeefcafe", "blob:?"),
        ("mail:alice@example.com:inbox", "mail:?:inbox"),
        (f"token:{base64.b64encode(b'a secret').decode()}", "token:?"),
        ("token:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "token:?"),
        ("token:dGVzdA", "token:?"),
        ("app.cache.v2|orderLines|de", "app.cache.v2|orderLines|de"),
        ("rate-limit/10.0.0.1", "rate-limit/?"),
        ("{user:9}:cart", "{user:?}:cart"),
        ("cache::page::7", "cache::page::?"),
        ("a" * 21, "?"),
        ("one:two:three:four:five:six:seven:eight", "one:two:three:four:five:six:?"),
        ("42", "?"),
        ("größe:1", "?:?"),
        (b"\xff\xfe\x00", "?"),
        ("", ""),
        (42, "?"),
        (None, "?"),
        (["user"], "?"),
    ],
)
def test_patterns(key: Any, pattern: str) -> None:
    """Words stay, and all else is `?`."""
    assert KeyPatterns().of(key) == pattern


def test_many_names() -> None:
    """Words at one place that are too many for words are names: they become `?`."""
    patterns = KeyPatterns()
    letters = random.Random(1)
    found = {
        patterns.of(f"user:{''.join(letters.choices('abcdefghijklm', k=9))}:x") for _ in range(999)
    }
    assert len(found) == FAN_OUT + 1
    assert patterns.of("user:somebody:x") == "user:?:x"
    assert patterns.of("order:7") == "order:?"


def test_the_number_of_patterns_is_bounded() -> None:
    """Whatever the keys are, there is an end to their patterns."""
    patterns = KeyPatterns()
    letters = random.Random(2)
    found = {
        patterns.of(":".join("".join(letters.choices("aeiou", k=3)) for _ in range(3)))
        for _ in range(20_000)
    }
    assert len(found) < 2 * MOST


def test_a_long_key() -> None:
    """A pattern is short, however long the key."""
    assert len(KeyPatterns().of("word:" * 100_000)) < 100
    assert len(KeyPatterns().of(":".join(["abcdefghijklmnopqrst-abcdefghij-klmnop"] * 9))) <= 96


def test_commands_with_keys() -> None:
    """Commands whose first argument is no key are not among them."""
    assert {"GET", "HSET", "ZADD", "UNLINK"} <= KEYED
    assert not {"ECHO", "AUTH", "EVAL", "EVALSHA", "PUBLISH", "XREAD", "BITOP", "KEYS"} & KEYED

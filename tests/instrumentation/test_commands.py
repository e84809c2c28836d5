"""What may be said of a Redis command."""

from __future__ import annotations

from typing import Any

import pytest

from otelier.instrumentation import commands


@pytest.mark.parametrize(
    ("given", "name", "behind"),
    [
        ("GET", "GET", 0),
        ("get", "get", 0),
        (b"GET", "GET", 0),
        ("GET a-key", "GET", 1),
        (" SET a-key a-value ", "SET", 2),
        ("CONFIG GET", "CONFIG GET", 0),
        ("client setinfo lib-name x", "client setinfo", 2),
        ("JSON.SET", "JSON.SET", 0),
        ("BITFIELD_RO", "BITFIELD_RO", 0),
        ("CONFIG a:key", "CONFIG", 1),
        ("a:key", "", 0),
        ("user@example.com", "", 0),
        ("X" * 33, "", 0),
        ("", "", 0),
        ("Straße", "", 0),
        (b"\xff\x00", "", 0),
        (7, "", 0),
        (None, "", 0),
    ],
)
def test_names(given: Any, name: str, behind: int) -> None:
    """A name is a name, and whatever stands behind it is an argument."""
    assert commands.name_of(given) == (name, behind)


def test_texts() -> None:
    """A `?` for each argument, eight at most."""
    assert commands.text_of("PING", 0) == "PING"
    assert commands.text_of("SET", 2) == "SET ? ?"
    assert commands.text_of("DEL", 8) == "DEL ? ? ? ? ? ? ? ?"
    assert commands.text_of("DEL", 9) == "DEL ? ? ? ? ? ? ? ? ..."


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("XREAD", b"BLOCK", b"0", b"STREAMS", "s", "$"), True),
        (("XREAD", "COUNT", 1, "BLOCK", 5, "STREAMS", "s", "$"), True),
        (("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "BLOCK", 5, "STREAMS", "s", ">"), True),
        (("XREAD", b"STREAMS", "s", "$"), False),
        (("XREAD", b"STREAMS", *"abcdefgh", "BLOCK"), False),
    ],
)
def test_waiting(args: tuple[Any, ...], expected: bool) -> None:
    """Told to block, a reader of streams waits; a stream of that name tells it nothing."""
    assert commands.may_block(args[0])
    assert commands.waits(args) is expected


def test_kinds() -> None:
    """Letters may be small or large."""
    assert commands.is_blocking("blpop")
    assert not commands.is_blocking("LPOP")
    assert commands.is_quiet("cluster slots")
    assert not commands.is_quiet("CLUSTER INFO")

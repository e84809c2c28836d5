"""Whatever an app logs, as values that JSON can hold and that cannot change later.

Nothing here raises an `Exception` and nothing is endless: texts are cut, what is nested too deeply
or goes on for too long becomes a mark, an object becomes its text, one without words the name of
its class. Numbers that are none in JSON, or need more than 64 bits, become text.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from otelier.torn import cut

LONGEST_MESSAGE: Final = 16_384
LONGEST_VALUE: Final = 4096
LONGEST_NAME: Final = 256
MOST_VALUES: Final = 1000
_DEEPEST: Final = 8
_CUT: Final = "…"

_NAME_OF_CLASS: Final = vars(type)["__name__"].__get__
_SEQUENCES: Final = (list, tuple, set, frozenset, deque)
_TIMES: Final = (datetime.datetime, datetime.date, datetime.time)


def sound(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Exactly a `str`, not longer than that, and fit for UTF-8."""
    if type(text) is not str:
        text = str.__str__(text)  # a class of the app's own may say something else of itself
    if len(text) > longest:
        text = cut(text, longest)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def said(value: object, longest: int = LONGEST_VALUE) -> str:
    """What an object says it is; the name of its class where it cannot."""
    try:
        return sound(str(value), longest)
    except Exception:  # it is the app's own
        return sound(class_of(value), longest)


def class_of(value: object) -> str:
    """`<the name of its class>`, whatever that says of itself."""
    return f"<{_NAME_OF_CLASS(type(value))}>"


def plain(value: Any) -> Any:
    """The value as None, bool, int, float, str, list or dict with such values."""
    kind = type(value)
    if kind is str:
        return sound(value, LONGEST_VALUE)
    if kind is bool or value is None:
        return value
    return _plain(value, _Room(), 0)


class _Room:
    """What one value may still unfold into: items, and characters of all texts in it."""

    __slots__ = ("characters", "items")

    def __init__(self) -> None:
        self.items = MOST_VALUES
        self.characters = 4 * LONGEST_VALUE


def _plain(value: Any, room: _Room, depth: int) -> Any:
    room.items -= 1
    try:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, int):
            return _whole(value)
        if isinstance(value, float):
            return _fraction(value)
        if isinstance(value, _SEQUENCES):
            return _items(value, room, depth + 1)
        if isinstance(value, Mapping):
            return _fields(value, room, depth + 1)
        return _text(value, room)
    except Exception:  # it is the app's own, or another thread changes it
        return sound(class_of(value), LONGEST_NAME)


def _whole(value: int) -> int | str:
    number = int.__int__(value)
    return number if -(2**63) <= number < 2**63 else str(number)[:LONGEST_VALUE]


def _fraction(value: float) -> float | str:
    number = float.__float__(value)
    return number if number - number == 0 else float.__repr__(number)  # nan and the infinities


def _text(value: Any, room: _Room) -> str:
    longest = max(0, min(LONGEST_VALUE, room.characters))
    if isinstance(value, str):
        text = sound(value, longest)
    elif isinstance(value, bytes | bytearray):
        text = cut(bytes(value[: longest + 1]).decode("utf-8", "backslashreplace"), longest)
    elif isinstance(value, _TIMES):
        text = value.isoformat()
    elif isinstance(value, Decimal | uuid.UUID):
        text = str(value)[:longest]
    else:
        text = said(value, longest)
    room.characters -= len(text)
    return text


def _items(value: Any, room: _Room, depth: int) -> Any:
    if depth > _DEEPEST:
        return _CUT
    if hasattr(value, "_asdict"):  # the names of its fields say what is secret
        return _fields(value._asdict(), room, depth)
    made = []
    for item in value:
        if room.items <= 0:
            made.append(_CUT)
            break
        made.append(_plain(item, room, depth))
    return made


def _fields(value: Mapping[Any, Any], room: _Room, depth: int) -> Any:
    if depth > _DEEPEST:
        return _CUT
    made: dict[str, Any] = {}
    for key, item in value.items():
        if room.items <= 0 or room.characters <= 0:
            made[_CUT] = _CUT
            break
        name = free_name(made, key)
        room.characters -= len(name)
        made[name] = _plain(item, room, depth)
    return made


def free_name(taken: Mapping[str, Any], key: object) -> str:
    """The key as a text that is not taken: 1 and "1" are two keys of an app, and one in JSON."""
    name = sound(key, LONGEST_NAME) if isinstance(key, str) else said(key, LONGEST_NAME)
    if name in taken:
        name = f"{name}_{len(taken)}"
    while name in taken:
        name += "_"
    return name

"""Whatever the app has put into an attribute or a log body, as an `AnyValue` of OTLP.

Nothing here raises and nothing is endless: texts are cut, what is nested too deeply becomes its
text, an object of another kind too, and one that cannot say what it is becomes `<its class>`. A
value that contains itself ends at the same depth, and one that would unfold into millions of items
(a list of ten lists of ten lists …) at a number of items.

Source: opentelemetry-proto, common.proto.
"""

from __future__ import annotations

import reprlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from otelier.export.wire import field, utf8, varint
from otelier.fixed import fixed
from otelier.privacy import mask_text, mask_value, masked_neighbours
from otelier.torn import cut

_DEEPEST: Final = 8
_MOST_ITEMS: Final = 10_000

STRING: Final = b"\x0a"
BOOL: Final = b"\x10"
INT: Final = b"\x18"
DOUBLE: Final = struct.Struct("<sd").pack
ARRAY: Final = b"\x2a"
MAP: Final = b"\x32"
BYTES: Final = b"\x3a"

_ITEM: Final = b"\x0a"
_KEY: Final = b"\x0a"
_VALUE: Final = b"\x12"

# `str` of a container writes out all that is in it.
_CONTAINERS: Final = (list, tuple, dict, set, frozenset)
_shorten: Final = reprlib.Repr()
_shorten.maxlevel = 3
_shorten.maxlist = _shorten.maxtuple = _shorten.maxdict = 20
_shorten.maxset = _shorten.maxfrozenset = 20
_shorten.maxstring = _shorten.maxother = _shorten.maxlong = 200


@fixed
class Limits:
    """Longest text, in characters, or bytes: of an attribute's value, and of a log record's body.

    What lies within a value is under the same limit as the value.
    """

    value: int = 4096
    body: int = 16384


class _Room:
    """How much of one value may still be encoded: characters of a text, and items.

    masks: whether what lies in it is masked.
    """

    __slots__ = ("items", "limit", "masks")

    def __init__(self, limit: int, masks: bool = False) -> None:
        self.limit = limit
        self.items = _MOST_ITEMS
        self.masks = masks


def any_value(value: Any, limit: int) -> bytes:
    """The content of an `AnyValue`; empty for None."""
    return _any(value, _Room(limit), 0, "")


def masked_value(value: Any, limit: int, path: str) -> bytes:
    """The same, itself and all that lies in it masked. path: its key."""
    return _any(value, _Room(limit, masks=True), 0, path)


def int_value(number: int) -> bytes:
    """An int; one that needs more than 64 bits as text."""
    if -0x8000_0000_0000_0000 <= number <= 0x7FFF_FFFF_FFFF_FFFF:
        return INT + varint(number)
    return field(STRING, str(number).encode())


def shown(value: object, limit: int) -> str:
    """What an object calls itself, else the name of its class."""
    try:
        text = _shorten.repr(value) if isinstance(value, _CONTAINERS) else str(value)
        return cut(text, limit)
    except Exception:  # it is the app's own
        return f"<{type(value).__name__}>"


def _any(value: Any, room: _Room, depth: int, path: str) -> bytes:
    room.items -= 1
    try:
        if room.masks:
            value = mask_value(path, value, room.limit)
        made = _plain(value, room.limit)
        if made is None and depth < _DEEPEST:
            made = _nested(value, room, depth + 1, path)
    except Exception:  # it is the app's own, or another thread changes it
        return field(STRING, utf8(f"<{type(value).__name__}>"))
    if made is None:
        text = shown(value, room.limit)
        made = field(STRING, utf8(mask_text(text)[: room.limit] if room.masks else text))
    return made


def _plain(value: Any, limit: int) -> bytes | None:
    if value is None:
        return b""
    if isinstance(value, bool):
        return BOOL + varint(value)
    if isinstance(value, str):
        return field(STRING, utf8(value[:limit]))
    if isinstance(value, int):
        return int_value(value)
    if isinstance(value, float):
        return DOUBLE(b"\x21", value)
    if isinstance(value, bytes):
        return field(BYTES, value[:limit])
    return None


def _nested(value: Any, room: _Room, depth: int, path: str) -> bytes | None:
    parts: list[bytes] = []
    if hasattr(value, "_asdict"):
        value = value._asdict()  # names of its fields say what is secret
    if isinstance(value, Sequence):
        for item in masked_neighbours(value, depth > 1) if room.masks else value:
            if room.items <= 0:
                break
            parts.append(field(_ITEM, _any(item, room, depth, path)))
        return field(ARRAY, b"".join(parts))
    if isinstance(value, Mapping):
        for key, item in value.items():
            if room.items <= 0:
                break
            text = shown(key, room.limit)
            name = field(_KEY, utf8(mask_text(text) if room.masks else text))
            inner = field(_VALUE, _any(item, room, depth, f"{path}.{text}" if path else text))
            parts.append(field(_ITEM, name + inner))
        return field(MAP, b"".join(parts))
    return None

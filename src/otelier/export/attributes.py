"""Attributes as fields of protobuf: of spans, log records, data points and whatever else has some.

Every attribute is a `KeyValue`, in a field whose tag depends on what it belongs to. Keys come back
all the time, so the bytes of each are kept, up to its value; values rarely do, so only their heads
are looked up. What is constant (`Preset`) and what joins a record to its request (`RequestContext`)
is encoded once, and its bytes stay with it.

All of this runs in the thread that delivers, and in another one at a flush: a lost race costs one
more encoding.

Source: opentelemetry-proto, common.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from otelier import privacy
from otelier.context import RequestContext
from otelier.export.anyvalue import INT, STRING, Limits, masked_value, shown
from otelier.export.preset import Preset
from otelier.export.wire import VARINTS, field, utf8, varint
from otelier.privacy import mask_text
from otelier.signals import REQUEST_ID, SESSION_ID, USER_ID
from otelier.torn import cut

LIMITS: Final = Limits()
_LONGEST: Final = LIMITS.value
_ENOUGH: Final = _LONGEST + 1024  # a secret that a limit cuts in two is still one

Parts = list[bytes]
Openings = tuple[bytes, ...]

# A key of 100 bytes and a value of 126 make a field of less than 256.
_SHORT_KEY, _SHORT, _OPENINGS = 100, 126, 256
_FEW = 1024

_MOST_KEYS: Final = 4096
_known_keys: dict[str, tuple[bytes, int, int]] = {}
privacy.changed.append(_known_keys.clear)

# How the values under a key are masked: as texts, not at all, in a way that depends on the key.
_AS_TEXT, _AS_IT_IS, _BY_KEY = 0, 1, 2

_IDS: Final = frozenset((REQUEST_ID, USER_ID, SESSION_ID))

TEXTS: Final = tuple(VARINTS[size + 2] + STRING + VARINTS[size] for size in range(_SHORT))
"""What stands before a short text in a field that holds an `AnyValue`."""

# The same of a request's own id, after its tag.
_ID: Final = field(b"\x0a", REQUEST_ID.encode()) + b"\x12"
_ID_HEADS: Final = tuple(VARINTS[len(_ID) + 3 + size] + _ID + TEXTS[size] for size in range(_SHORT))

# A field with a small number, after its tag.
_NUMBERS: Final = tuple(
    VARINTS[1 + len(VARINTS[number])] + INT + VARINTS[number] for number in range(_FEW)
)

# The same of a number with a fraction: its size is 9, its tag 0x21.
_double: Final = struct.Struct("<Hd").pack


def openings(tag: bytes) -> Openings:
    """Tag and size of fields that are smaller than 256 bytes."""
    return tuple(tag + VARINTS[size] for size in range(_OPENINGS))


class Place(NamedTuple):
    """Where attributes go. position: of its bytes in what is kept of a request's ids."""

    openings: Openings
    position: int
    kept_as: str


_SPAN_TAG, _LOG_TAG = b"\x4a", b"\x32"
ON_SPAN: Final = Place(openings(_SPAN_TAG), 0, "on_span")
ON_LOG: Final = Place(openings(_LOG_TAG), 1, "on_log")


def write(  # noqa: C901  # one loop: calls in it cost more than the rest
    parts: Parts, heads: Openings, attributes: Mapping[str, Any]
) -> None:
    """Add a field for each attribute. heads: what `openings` made of their tag."""
    for key, value in attributes.items():
        known = _known_keys.get(key)
        if known is None and (known := _learned(key)) is None:
            _write_rare(parts, heads[0][:1], _key(key), shown(key, LIMITS.value), value)
            continue
        name, size, how = known
        kind = type(value)
        if how:
            if how == _BY_KEY:
                value = _masked(key, value, attributes)
                kind = type(value)
        elif kind is str:
            value = mask_text(value if len(value) <= _LONGEST else cut(value, _ENOUGH))
        if kind is str:
            try:
                content = value.encode()
            except UnicodeEncodeError:
                content = utf8(value)
            length = len(content)
            if length < _SHORT:
                parts += (heads[size + length], name, TEXTS[length], content)
            else:
                _write_text(parts, heads[0][:1], name, value)
            continue
        if kind is int and 0 <= value < _FEW:
            number = _NUMBERS[value]
            parts += (heads[size + len(number) - 3], name, number)
            continue
        if kind is float and how == _AS_TEXT:
            parts += (heads[size + 7], name, _double(0x2109, value))
            continue
        _write_rare(parts, heads[0][:1], name, key, value)


def fields(heads: Openings, attributes: Mapping[str, Any] | None) -> bytes:
    """The fields of all attributes."""
    if not attributes:
        return b""
    parts: Parts = []
    write(parts, heads, attributes)
    return b"".join(parts)


def plain(attributes: Any) -> Mapping[str, Any]:
    """A dict of the attributes of an SDK's record: its own mappings are slow to walk through."""
    if not attributes:
        return {}
    copy = getattr(attributes, "copy", None)
    return copy() if copy is not None else attributes  # type: ignore[no-any-return]


def write_all(
    parts: Parts,
    place: Place,
    preset: Preset | None,
    extra: Mapping[str, Any] | None,
    box: RequestContext | None,
    closing: Preset | None = None,
) -> None:
    """Attributes of a lean record; of two with one name the last wins: the ids of its request,
    `preset`, `extra`, `closing`, which shares no name with the first two."""
    heads, position, kept_as = place
    if closing is not None:
        extra = _unless_closed(parts, place, preset, extra, box, closing)
        if extra is None:
            return None
    if extra and (
        (box is not None and _meets(box, extra))
        or (preset is not None and not preset.keys().isdisjoint(extra))
    ):
        return _write_merged(parts, heads, preset, extra, box)
    if preset is not None:
        constant = getattr(preset, kept_as)
        if constant is None and (constant := _keep(preset, place)) is None:
            return _write_merged(parts, heads, preset, extra, box)
        parts.append(constant)
    if box is not None:
        parts.append((box.encoded or keep_ids(box))[position])
    if extra:
        write(parts, heads, extra)
    return None


def _unless_closed(
    parts: Parts,
    place: Place,
    preset: Preset | None,
    extra: Mapping[str, Any] | None,
    box: RequestContext | None,
    closing: Preset,
) -> Mapping[str, Any] | None:
    """Add those that it ended with; what is left of `extra`, None if all is written already."""
    if box is not None and box.bound is not None and _meets(box, closing):
        _write_merged(parts, place.openings, preset, {**(extra or {}), **closing}, box)
        return None
    parts.append(getattr(closing, place.kept_as) or _keep(closing, place) or b"")
    if not extra or closing.keys().isdisjoint(extra):
        return extra or {}
    return {name: extra[name] for name in extra if name not in closing}


def _meets(box: RequestContext, attributes: Mapping[str, Any]) -> bool:
    """Whether a name is in both."""
    if box.bound is not None and not box.bound.keys().isdisjoint(attributes):
        return True
    return not _IDS.isdisjoint(attributes)


def _write_merged(
    parts: Parts,
    heads: Openings,
    preset: Preset | None,
    extra: Mapping[str, Any] | None,
    box: RequestContext | None,
) -> None:
    ids = box.attributes() if box is not None else {}
    write(parts, heads, {**ids, **(preset or {}), **(extra or {})})


def _keep(preset: Preset, place: Place) -> bytes | None:
    """Its bytes, from now on with it; None where it would hide an id of the request."""
    if not _IDS.isdisjoint(preset):
        return None
    made = fields(place.openings, preset)
    setattr(preset, place.kept_as, made)
    return made


def keep_ids(box: RequestContext) -> tuple[bytes, bytes]:
    """A request's ids on a span and on a log record, from now on with it."""
    ids = box.attributes()
    text = utf8(box.request_id)
    if len(ids) == 1 and len(text) < _SHORT:  # most requests have no other
        rest = _ID_HEADS[len(text)] + text
        made = _SPAN_TAG + rest, _LOG_TAG + rest
    else:
        made = fields(ON_SPAN.openings, ids), fields(ON_LOG.openings, ids)
    box.encoded = made
    if box.attributes() != ids:  # the app has changed them meanwhile
        box.encoded = None
    return made


def _learned(key: Any) -> tuple[bytes, int, int] | None:
    """The bytes of a key, the size of its field with an empty text, and how its values are masked;
    None for a rare one."""
    if type(key) is not str or len(name := _key(key)) > _SHORT_KEY:
        return None
    if len(_known_keys) >= _MOST_KEYS:  # keys that are data
        _known_keys.clear()
    how = _AS_IT_IS if key in _IDS else _AS_TEXT if privacy.is_ordinary(key) else _BY_KEY
    known = _known_keys[key] = name, len(name) + 3, how
    return known


def _masked(key: str, value: Any, attributes: Mapping[str, Any]) -> Any:
    if key in privacy.STATEMENTS:
        return privacy.mask_statement(value, privacy.system_of(attributes))
    return privacy.mask_value(key, value, LIMITS.value)


def _key(key: Any) -> bytes:
    """All of a `KeyValue` up to the size of its value."""
    text = key[: LIMITS.value] if type(key) is str else shown(key, LIMITS.value)
    return field(b"\x0a", utf8(mask_text(text))) + b"\x12"


def _write_text(parts: Parts, tag: bytes, name: bytes, text: str) -> None:
    value = field(STRING, utf8(text[: LIMITS.value]))
    size = varint(len(value))
    parts += (tag, varint(len(name) + len(size) + len(value)), name, size, value)


def _write_rare(parts: Parts, tag: bytes, name: bytes, key: str, value: Any) -> None:
    value = masked_value(value, LIMITS.value, key)
    size = varint(len(value))
    parts += (tag, varint(len(name) + len(size) + len(value)), name, size, value)

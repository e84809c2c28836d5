"""Spans as the content of OTLP's `Span`: lean ones, and those of the SDK.

Of both the same pieces are made, in the same order. What nearly every span has is packed at once,
with tags and zeros, in two `struct`s; names come back and are kept. What few spans have (events,
links, a state of the trace, something dropped) costs the others a comparison each.

Source: opentelemetry-proto, trace.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

from otelier import privacy
from otelier.export.anyvalue import shown
from otelier.export.attributes import (
    LIMITS,
    ON_SPAN,
    Parts,
    fields,
    keep_ids,
    openings,
    plain,
    write,
    write_all,
)
from otelier.export.wire import count_field, field, text_field, unsigned
from otelier.privacy import mask_name, mask_text

_U32, _U128 = (1 << 32) - 1, (1 << 128) - 1
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200  # known whether the parent is of another process; it is

# Tags are numbers among the others: 0x0a10 is field 1 with 16 bytes in it.
_root: Final = struct.Struct(">H16sHQ").pack
_child: Final = struct.Struct(">H16sHQHQ").pack
_times: Final = struct.Struct("<HIBBBQBQ").pack
_link_ids: Final = struct.Struct(">H16sHQ").pack
_link_flags: Final = struct.Struct("<BI").pack
_event_time: Final = struct.Struct("<BQ").pack

_NAME, _STATE, _EVENT, _LINK, _STATUS = b"\x2a", b"\x1a", b"\x5a", b"\x6a", b"\x7a"
_STATUS_KINDS: Final = {0: b"", 1: b"\x18\x01", 2: b"\x18\x02"}
_UNSET: Final = _STATUS + b"\x00"

_ON_EVENT: Final = openings(b"\x1a")
_ON_LINK: Final = openings(b"\x22")

_MOST_NAMES, _LONGEST_NAME = 2048, 256
_known_names: dict[str, bytes] = {}
privacy.changed.append(_known_names.clear)

Event = tuple[Any, Any, Any, Any]
Link = tuple[Any, Any, Any]


def lean(span: Any) -> tuple[Any, bytes]:
    """The scope and the content of a span with the attributes of the lean lane."""
    parent, preset, box = span.parent_id, span.preset, span.box
    trace = span.trace_id.to_bytes(16, "big")
    try:
        times = _times(
            0x0185, span.flags, 0x30, span.kind_number, 0x39, span.started_at, 0x41, span.ended_at
        )
        name = _known_names.get(span.title) or _name(span.title)
    except Exception:  # whatever the app took for nanoseconds, or for a name
        times = _bounded_times(span.flags, span.kind_number, span.started_at, span.ended_at)
        name = _name(span.title)
    parts = [
        _child(0x0A10, trace, 0x1208, span.span_id, 0x2208, parent)
        if parent
        else _root(0x0A10, trace, 0x1208, span.span_id),
        times,
        name,
        _status(span.status_number, span.status_text) if span.status_number else _UNSET,
    ]
    if (
        span.extra
        or span.closing is not None
        or preset is None
        or box is None
        or (constant := preset.on_span) is None
    ):
        write_all(parts, ON_SPAN, preset, span.extra, box, span.closing)
    else:
        parts += (constant, (box.encoded or keep_ids(box))[0])
    if span.trace_state_text or span.event_list or span.link_list or span.dropped:
        _write_rest(parts, span)
    return span.tracer.scope, b"".join(parts)


def standard(span: Any) -> tuple[Any, bytes]:
    """A `ReadableSpan` of the SDK."""
    context, parent, status = span.get_span_context(), span.parent, span.status
    trace = unsigned(context.trace_id, _U128).to_bytes(16, "big")
    parts = [
        _root(0x0A10, trace, 0x1208, unsigned(context.span_id)),
        b"\x22\x08" + unsigned(parent.span_id).to_bytes(8, "big") if parent else b"",
        _bounded_times(_flags(parent), span.kind.value + 1, span.start_time, span.end_time),
        _known_names.get(name := _text(span.name)) or _name(name),
    ]
    write(parts, ON_SPAN.openings, plain(span.attributes))
    if context.trace_state:
        parts.append(_state(context.trace_state))
    _write_events(
        parts,
        (
            (event.name, event.timestamp, event.attributes, event.dropped_attributes)
            for event in span.events
        ),
    )
    _write_links(
        parts, ((link.context, link.attributes, link.dropped_attributes) for link in span.links)
    )
    if status is not None:
        parts.append(_status(status.status_code.value, status.description))
    _write_dropped(parts, span.dropped_attributes, span.dropped_events, span.dropped_links)
    return span.instrumentation_scope, b"".join(parts)


def _write_rest(parts: Parts, span: Any) -> None:
    """What few lean spans have."""
    if span.trace_state_text:
        parts.append(text_field(_STATE, mask_text(span.trace_state_text), LIMITS.value))
    _write_events(parts, span.event_list or ())
    _write_links(parts, span.link_list or ())
    if span.dropped is not None:
        _write_dropped(parts, *span.dropped)


def _bounded_times(flags: Any, kind: int, start: Any, end: Any) -> bytes:
    """Of times that the app has set: whatever it took for nanoseconds."""
    flags, start, end = unsigned(flags, _U32), unsigned(start), unsigned(end)
    return _times(0x0185, flags, 0x30, kind, 0x39, start, 0x41, end)


def _text(name: Any) -> str:
    """A name that is a text in any case, and may be looked up."""
    if name is None:
        return ""
    return name if type(name) is str else shown(name, LIMITS.value)


def _name(title: Any) -> bytes:
    name = _text(title)
    made = text_field(_NAME, mask_name("name", name), LIMITS.value) or _NAME + b"\x00"
    if len(name) <= _LONGEST_NAME:
        if len(_known_names) >= _MOST_NAMES:  # names that are data
            _known_names.clear()
        _known_names[name] = made
    return made


def _flags(context: Any) -> int:
    return _HAS_IS_REMOTE | (_IS_REMOTE if context and context.is_remote else 0)


def _state(state: Any) -> bytes:
    text = ",".join(f"{key}={value}" for key, value in state.items())
    return text_field(_STATE, mask_text(text), 8192)


def _status(number: int, text: Any) -> bytes:
    shown = text_field(b"\x12", mask_name("status", text), LIMITS.value) if text else b""
    return field(_STATUS, shown + _STATUS_KINDS[number])


def _write_dropped(parts: Parts, attributes: Any, events: Any, links: Any) -> None:
    if attributes or events or links:
        parts += (
            count_field(b"\x50", attributes),
            count_field(b"\x60", events),
            count_field(b"\x70", links),
        )


def _write_events(parts: Parts, events: Iterable[Event]) -> None:
    for name, time, attributes, dropped in events:
        content = (
            _event_time(0x09, unsigned(time)),
            text_field(b"\x12", mask_name("event", name), LIMITS.value),
            fields(_ON_EVENT, plain(attributes)),
            count_field(b"\x20", dropped),
        )
        parts.append(field(_EVENT, b"".join(content)))


def _write_links(parts: Parts, links: Iterable[Link]) -> None:
    for context, attributes, dropped in links:
        trace = unsigned(context.trace_id, _U128).to_bytes(16, "big")
        content = (
            _link_ids(0x0A10, trace, 0x1208, unsigned(context.span_id)),
            _state(context.trace_state) if context.trace_state else b"",
            fields(_ON_LINK, plain(attributes)),
            count_field(b"\x28", dropped),
            _link_flags(0x35, _flags(context)),
        )
        parts.append(field(_LINK, b"".join(content)))

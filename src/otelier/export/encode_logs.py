"""Log records as the content of OTLP's `LogRecord`: lean ones, and those of the SDK.

Source: opentelemetry-proto, logs.proto.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from otelier.export.anyvalue import STRING, masked_value
from otelier.export.attributes import (
    LIMITS,
    ON_LOG,
    TEXTS,
    Parts,
    keep_ids,
    plain,
    write,
    write_all,
)
from otelier.export.wire import count_field, field, text_field, unsigned, varint
from otelier.privacy import mask_name

_U32: Final = (1 << 32) - 1

# Tags are numbers among the others, as in spans.
_times: Final = struct.Struct("<BQBQBI").pack
_ids: Final = struct.Struct(">H16sHQ").pack

_BODY, _EVENT_NAME = b"\x2a", b"\x62"
_SHORT, _LONGEST = len(TEXTS), LIMITS.body

_MOST_SEVERITIES: Final = 256
_known_severities: dict[tuple[Any, Any], bytes] = {}


def lean(log: Any) -> tuple[Any, bytes]:
    """The scope and the content of a `LeanLog`."""
    (scope, time, observed, number, level, body, preset, extra, box,
        trace_id, span_id, flags, event, _, is_masked) = log  # fmt: skip
    severity = number, level
    try:
        times = _times(0x09, time, 0x59, observed, 0x45, flags)
    except struct.error:
        times = _bounded_times(time, observed, flags)
    parts = [times, _known_severities.get(severity) or _severity(severity)]
    if is_masked and body.isascii() and len(body) < _SHORT:
        parts += (_BODY, TEXTS[len(body)], body.encode())
    else:
        _write_body(parts, body, is_masked)
    if extra or preset is None or box is None or (constant := preset.on_log) is None:
        write_all(parts, ON_LOG, preset, extra, box)
    else:
        parts += (constant, (box.encoded or keep_ids(box))[1])
    if trace_id and span_id:
        parts.append(_ids(0x4A10, trace_id.to_bytes(16, "big"), 0x5208, span_id))
    else:
        _write_ids(parts, trace_id, span_id)
    if event:
        parts.append(_event_name(event))
    return scope, b"".join(parts)


def standard(readable: Any) -> tuple[Any, bytes]:
    """Those of a `ReadableLogRecord` or `ReadWriteLogRecord` of the SDK."""
    log = readable.log_record
    parts = [
        _bounded_times(log.timestamp, log.observed_timestamp, log.trace_flags),
        _severity((getattr(log.severity_number, "value", None), log.severity_text)),
    ]
    _write_body(parts, log.body)
    write(parts, ON_LOG.openings, plain(log.attributes))
    parts.append(count_field(b"\x38", readable.dropped_attributes))
    _write_ids(parts, log.trace_id, log.span_id)
    parts.append(_event_name(log.event_name))
    return readable.instrumentation_scope, b"".join(parts)


def _event_name(name: Any) -> bytes:
    return text_field(_EVENT_NAME, mask_name("event", name), LIMITS.value) if name else b""


def _bounded_times(time: Any, observed: Any, flags: Any) -> bytes:
    """Of times that may be None, or whatever the app took for nanoseconds."""
    time, observed, flags = unsigned(time), unsigned(observed), unsigned(flags, _U32)
    return _times(0x09, time, 0x59, observed, 0x45, flags)


def _severity(severity: tuple[Any, Any]) -> bytes:
    number, text = severity
    number = unsigned(number, 0x7FFF_FFFF)
    made = (b"\x10" + varint(number) if number else b"") + text_field(
        b"\x1a", text and mask_name("severity", text), LIMITS.value
    )
    if len(_known_severities) < _MOST_SEVERITIES:
        _known_severities[severity] = made
    return made


def _write_body(parts: Parts, body: Any, is_masked: bool = False) -> None:
    if type(body) is str and len(body) <= _LONGEST:
        text = body if is_masked else mask_name("body", body)
        try:
            content = text.encode()
        except (AttributeError, UnicodeEncodeError):
            pass  # a rule of the user's has made something else of it, or it is no plain text
        else:
            size = len(content)
            if size < _SHORT:
                parts += (_BODY, TEXTS[size], content)
                return
            if len(text) <= _LONGEST:
                parts.append(field(_BODY, field(STRING, content)))
                return
    parts.append(field(_BODY, masked_value(body, LIMITS.body, "body")))


def _write_ids(parts: Parts, trace_id: int, span_id: int) -> None:
    """Each only where there is one."""
    if trace_id:
        parts.append(b"\x4a\x10" + trace_id.to_bytes(16, "big"))
    if span_id:
        parts.append(b"\x52\x08" + span_id.to_bytes(8, "big"))

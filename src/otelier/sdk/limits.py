"""How much a span may hold, and values cut down to it.

Limits are those of the standard variables (`OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT` and its like), as the
SDK reads them. What is beyond a limit is left out and counted; a text is cut, behind the mask: half
a secret looks like none. A value that OTLP has no form for becomes its text. Nothing here raises,
whatever the value.

Source: OpenTelemetry specification, common, attribute limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import SpanLimits

from otelier.fixed import fixed
from otelier.privacy import mask_cut

_UNLIMITED = 2**31
_LONGEST = 5120
"""Where nobody has set it: the encoder masks, and cuts at 4096."""

_DEEPEST = 8
_PLAIN = frozenset((bool, int, float, bytes, type(None)))


@fixed
class Limits:
    """Numbers of attributes, events and links; length of a text in characters."""

    attributes: int = 128
    events: int = 128
    links: int = 128
    event_attributes: int = 128
    link_attributes: int = 128
    length: int = _LONGEST

    @classmethod
    def of(cls, read: SpanLimits) -> Limits:
        """From what the SDK has read of the variables; a length that nobody set is ours."""

        def number(value: int | None) -> int:
            return _UNLIMITED if value is None else value

        return cls(
            number(read.max_span_attributes),
            number(read.max_events),
            number(read.max_links),
            number(read.max_event_attributes),
            number(read.max_link_attributes),
            read.max_span_attribute_length or _LONGEST,
        )


def bounded(
    attributes: Mapping[str, Any] | None, most: int, length: int
) -> tuple[dict[str, Any] | None, int]:
    """A copy within the limits, and how many were left out."""
    if not attributes:
        return None, 0
    kept: dict[str, Any] = {}
    for key, value in attributes.items():
        if key and isinstance(key, str) and len(kept) < most:
            kept[key] = bounded_value(value, length)
    return kept, len(attributes) - len(kept)


def bounded_value(value: Any, length: int, depth: int = 0) -> Any:
    """The value itself, cut, copied or as text: nothing in it can change afterwards."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= length else mask_cut(value, length)
    if kind in _PLAIN:
        return value
    try:
        return _other(value, length, depth)
    except Exception:  # an object that cannot say what it is
        return f"<{kind.__name__}>"


def _other(value: Any, length: int, depth: int) -> Any:
    if isinstance(value, (str, bool, int, float, bytes)):
        return _text(value, length) if isinstance(value, str) else value
    if depth < _DEEPEST and isinstance(value, Sequence):
        return tuple(bounded_value(item, length, depth + 1) for item in value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {
            str(key): bounded_value(item, length, depth + 1) for key, item in value.items() if key
        }
    return _text(str(value), length)


def _text(text: str, length: int) -> str:
    return text if len(text) <= length else mask_cut(text, length)

"""Metrics as the content of OTLP's `Metric`: each kind of data point that the SDK has.

Points come once a minute or so, and not with each request: there is no haste in here. A point that
cannot be encoded is left out alone, and counted; a metric without points is left out too.

Source: opentelemetry-proto, metrics.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.metrics.export import ExponentialHistogram, Gauge, Histogram, Sum

from otelier import _guard
from otelier.export.attributes import LIMITS, fields, openings, plain
from otelier.export.wire import count_field, field, text_field, unsigned, varint, zigzag
from otelier.privacy import mask_name

_I64_FIRST, _I64_LAST = -(1 << 63), (1 << 63) - 1
_U128: Final = (1 << 128) - 1

_fixed: Final = struct.Struct("<BQ").pack
_signed: Final = struct.Struct("<Bq").pack
_double: Final = struct.Struct("<Bd").pack

_BY_NUMBER: Final = openings(b"\x3a")
_BY_HISTOGRAM: Final = openings(b"\x4a")
_BY_EXPONENTIAL: Final = openings(b"\x0a")
_FILTERED: Final = openings(b"\x3a")


def metric(found: Any) -> tuple[bytes, int, int]:
    """Its bytes, the points in it, and those that cannot be encoded."""
    data = found.data
    kind = next((kind for kind in _KINDS if isinstance(data, kind)), None)
    if kind is None:
        return b"", 0, len(getattr(data, "data_points", ()))
    tag, point = _KINDS[kind]
    points = _points(data.data_points, point)
    refused = len(data.data_points) - len(points)
    if not points:
        return b"", 0, refused
    about = (
        text_field(b"\x0a", found.name and mask_name("metric", found.name), LIMITS.value),
        text_field(
            b"\x12", found.description and mask_name("metric", found.description), LIMITS.value
        ),
        text_field(b"\x1a", found.unit, LIMITS.value),
        field(tag, b"".join((*points, _manner(data)))),
    )
    return b"".join(about), len(points), refused


def _points(points: Sequence[Any], encode: Callable[[Any], bytes]) -> list[bytes]:
    made = []
    for point in points:
        try:
            made.append(field(b"\x0a", encode(point)))
        except Exception as error:
            _guard.fault("encoding metrics", error)
    return made


def _manner(data: Any) -> bytes:
    """Temporality, and whether a sum can only grow."""
    temporality = count_field(b"\x10", getattr(data, "aggregation_temporality", 0))
    return temporality + (b"\x18\x01" if getattr(data, "is_monotonic", False) else b"")


def _gauge_point(point: Any) -> bytes:
    return b"".join(
        (
            fields(_BY_NUMBER, plain(point.attributes)),
            _fixed(0x19, unsigned(point.time_unix_nano)),
            _number(0x31, 0x21, point.value),
            _exemplars(b"\x2a", point.exemplars),
        )
    )


def _sum_point(point: Any) -> bytes:
    return _fixed(0x11, unsigned(point.start_time_unix_nano)) + _gauge_point(point)


def _histogram_point(point: Any) -> bytes:
    counts, bounds = point.bucket_counts, point.explicit_bounds
    return b"".join(
        (
            fields(_BY_HISTOGRAM, plain(point.attributes)),
            _span_of_time(point),
            _packed(b"\x32", "Q", counts),
            _packed(b"\x3a", "d", bounds),
            _exemplars(b"\x42", point.exemplars),
            _optional(0x59, point.min),
            _optional(0x61, point.max),
        )
    )


def _exponential_point(point: Any) -> bytes:
    return b"".join(
        (
            fields(_BY_EXPONENTIAL, plain(point.attributes)),
            _span_of_time(point),
            b"\x30" + zigzag(point.scale),
            _fixed(0x39, point.zero_count),
            _buckets(b"\x42", point.positive),
            _buckets(b"\x4a", point.negative),
            count_field(b"\x50", point.flags),
            _exemplars(b"\x5a", point.exemplars),
            _optional(0x61, point.min),
            _optional(0x69, point.max),
        )
    )


def _span_of_time(point: Any) -> bytes:
    """Start, end, count and sum: the same fields in both histograms."""
    return b"".join(
        (
            _fixed(0x11, unsigned(point.start_time_unix_nano)),
            _fixed(0x19, unsigned(point.time_unix_nano)),
            _fixed(0x21, point.count),
            _optional(0x29, point.sum),
        )
    )


def _number(whole_tag: int, float_tag: int, value: Any) -> bytes:
    """An int where it fits into 64 bits."""
    if isinstance(value, int) and _I64_FIRST <= value <= _I64_LAST:
        return _signed(whole_tag, value)
    return _double(float_tag, value)


def _optional(tag: int, value: Any) -> bytes:
    return b"" if value is None else _double(tag, value)


def _packed(tag: bytes, kind: str, numbers: Sequence[Any]) -> bytes:
    return field(tag, struct.pack(f"<{len(numbers)}{kind}", *numbers)) if len(numbers) else b""


def _buckets(tag: bytes, buckets: Any) -> bytes:
    if not buckets.bucket_counts:
        return b""
    counts = b"".join(varint(unsigned(count)) for count in buckets.bucket_counts)
    return field(tag, b"\x08" + zigzag(buckets.offset) + field(b"\x12", counts))


def _exemplars(tag: bytes, exemplars: Sequence[Any]) -> bytes:
    return b"".join(field(tag, _exemplar(exemplar)) for exemplar in exemplars or ())


def _exemplar(exemplar: Any) -> bytes:
    ids = b""
    if exemplar.span_id is not None and exemplar.trace_id is not None:
        trace = unsigned(exemplar.trace_id, _U128).to_bytes(16, "big")
        ids = b"\x22\x08" + unsigned(exemplar.span_id).to_bytes(8, "big") + b"\x2a\x10" + trace
    return b"".join(
        (
            fields(_FILTERED, plain(exemplar.filtered_attributes)),
            _fixed(0x11, unsigned(exemplar.time_unix_nano)),
            _number(0x31, 0x19, exemplar.value),
            ids,
        )
    )


_KINDS: Final[Mapping[type, tuple[bytes, Callable[[Any], bytes]]]] = {
    Gauge: (b"\x2a", _gauge_point),
    Sum: (b"\x3a", _sum_point),
    Histogram: (b"\x4a", _histogram_point),
    ExponentialHistogram: (b"\x52", _exponential_point),
}

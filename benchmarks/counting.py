"""How many records there are in what a contender has sent: OTLP, Datadog's and Elastic's protocol.

Pure, and no more than counting: nothing is decoded but lengths, so that a sink costs little and
needs no package of any contender. What is malformed raises ValueError or IndexError.

Sources: OTLP's protobuf files; the Datadog agent's v0.4 and v0.5 trace endpoints, in MessagePack;
Elastic's intake protocol v2, lines of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Records of each kind. points: of metrics."""

    spans: float = 0
    logs: float = 0
    points: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.spans + other.spans, self.logs + other.logs, self.points + other.points)

    def __sub__(self, other: Counts) -> Counts:
        return self + other * -1

    def __mul__(self, factor: float) -> Counts:
        return Counts(self.spans * factor, self.logs * factor, self.points * factor)


def count(path: str, body: bytes) -> Counts:
    """Of one request; a path that carries no records has none."""
    counter = COUNTERS.get(path)
    return counter(body) if counter else Counts()


# Numbers of the fields on the way from an OTLP request to its records.
_SPANS = _LOGS = ((1,), (2,), (2,))
_POINTS = ((1,), (2,), (2,), (5, 7, 9, 10, 11), (1,))


def in_otlp(body: bytes, way: Sequence[Sequence[int]], start: int = 0, end: int = -1) -> int:
    """How many messages lie at the end of `way`."""
    found = _messages(body, start, len(body) if end < 0 else end)
    here = [(first, last) for number, first, last in found if number in way[0]]
    if len(way) == 1:
        return len(here)
    return sum(in_otlp(body, way[1:], first, last) for first, last in here)


def _messages(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and end of each field that has a length."""
    while at < end:
        tag, at = _varint(body, at)
        match tag & 7:
            case 0:
                _, at = _varint(body, at)
            case 1:
                at += 8
            case 2:
                length, at = _varint(body, at)
                yield tag >> 3, at, at + length
                at += length
            case 5:
                at += 4
            case kind:
                raise ValueError(f"no such wire type: {kind}")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while body[at] & 0x80:
        value |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | body[at] << shift, at + 1


def in_msgpack(body: bytes, *, has_strings: bool) -> int:
    """Spans of `[[span, …], …]`; v0.5 has a table of strings in front: `[strings, traces]`."""
    at = 0
    if has_strings:
        _, _, at = _head(body, at)
        at = _skip(body, at)
    _, traces, at = _head(body, at)
    spans = 0
    for _ in range(traces):
        _, length, at = _head(body, at)
        spans += length
        for _ in range(length):
            at = _skip(body, at)
    return spans


# First byte of a value that is not in itself its length: what follows, and in how many bytes
# its size is told; or, with none, how long it is.
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENDED = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_ARRAYS, _MAPS = {0xDC: 2, 0xDD: 4}, {0xDE: 2, 0xDF: 4}
_FIXED = {
    **dict.fromkeys((0xC0, 0xC2, 0xC3), 0),
    **dict(zip(range(0xCA, 0xD4), (4, 8, 1, 2, 4, 8, 1, 2, 4, 8), strict=True)),
    **dict(zip(range(0xD4, 0xD9), (2, 3, 5, 9, 17), strict=True)),
}


def _head(body: bytes, at: int) -> tuple[int, int, int]:
    """Of the value there: bytes to skip, values to skip, and where they begin."""
    kind = body[at]
    at += 1
    if kind < 0x80 or kind >= 0xE0:
        return 0, 0, at
    if kind < 0xC0:
        return (kind & 0x1F, 0, at) if kind >= 0xA0 else (0, _values(kind), at)
    if kind in _FIXED:
        return _FIXED[kind], 0, at
    return _told(body, kind, at)


def _values(kind: int) -> int:
    """In a short array or map."""
    return kind & 0x0F if kind >= 0x90 else 2 * (kind & 0x0F)


def _told(body: bytes, kind: int, at: int) -> tuple[int, int, int]:
    """As `_head`, for a value whose size follows its first byte."""
    for table, each_bytes, more, each_values in (
        (_SIZED, 1, 0, 0),
        (_EXTENDED, 1, 1, 0),
        (_ARRAYS, 0, 0, 1),
        (_MAPS, 0, 0, 2),
    ):
        if width := table.get(kind):
            size = int.from_bytes(body[at : at + width], "big")
            return size * each_bytes + more, size * each_values, at + width
    raise ValueError(f"no such MessagePack type: {kind:#x}")


def _skip(body: bytes, at: int) -> int:
    """Behind the value that begins there."""
    left = 1
    while left:
        length, values, at = _head(body, at)
        at += length
        left += values - 1
    return at


def in_ndjson(body: bytes) -> Counts:
    """Transactions and spans alike are spans; the samples of a set are points."""
    lines = body.splitlines()
    spans = sum(line.startswith((b'{"transaction"', b'{"span"')) for line in lines)
    sets = (json.loads(line)["metricset"] for line in lines if line.startswith(b'{"metricset"'))
    return Counts(spans=spans, points=sum(len(each.get("samples", ())) for each in sets))


COUNTERS: Mapping[str, Callable[[bytes], Counts]] = {
    "/v1/traces": lambda body: Counts(spans=in_otlp(body, _SPANS)),
    "/v1/logs": lambda body: Counts(logs=in_otlp(body, _LOGS)),
    "/v1/metrics": lambda body: Counts(points=in_otlp(body, _POINTS)),
    "/v0.4/traces": lambda body: Counts(spans=in_msgpack(body, has_strings=False)),
    "/v0.5/traces": lambda body: Counts(spans=in_msgpack(body, has_strings=True)),
    "/intake/v2/events": in_ndjson,
}

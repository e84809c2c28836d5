"""Batches as requests of OTLP, in protobuf, without the official classes.

With those a span costs about nine times as much (`benchmarks/encoder.py`). What comes out is the
message that upstream's exporter makes, and what upstream leaves out: the trace state of links.
Texts are cut, at `anyvalue.Limits`.

A record that cannot be encoded is left out alone, said and counted. Nothing of a record is changed.
A request of spans or log records has one resource, that of the process as it is now: tracers of the
SDK that are older than a fork still have the parent's.

Source: opentelemetry-proto, collector/*/v1; the three requests have the same numbers of fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from otelier import _guard, privacy
from otelier.export import encode_logs, encode_metrics, encode_spans
from otelier.export.attributes import LIMITS, Parts, fields, openings, plain
from otelier.export.wire import VARINTS, field, text_field, varint
from otelier.fixed import fixed
from otelier.privacy import mask_name

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource

_ON_RESOURCE: Final = openings(b"\x0a")
_ON_SCOPE: Final = openings(b"\x1a")

_RECORD: Final = b"\x12"
_SMALL: Final = len(VARINTS)

_MOST_SCOPES: Final = 512
_known_scopes: dict[int, tuple[Any, bytes]] = {}
_last_resource: tuple[Any, bytes, bytes] = (None, b"", b"")


def _forget() -> None:
    """What was kept is masked by a policy that is no longer in force."""
    global _last_resource
    _last_resource = None, b"", b""
    _known_scopes.clear()


privacy.changed.append(_forget)

Encode = Callable[[Any], tuple[Any, bytes]]
"""From a record to its scope and its bytes."""


@fixed
class Encoded:
    """A request. count: records in it, for metrics data points; refused: those left out."""

    body: bytes
    count: int
    refused: int


def traces(resource: Resource, spans: Iterable[Any]) -> Encoded:
    """Lean spans and the SDK's."""
    return _records("traces", resource, spans, encode_spans.lean, encode_spans.standard)


def logs(resource: Resource, records: Iterable[Any]) -> Encoded:
    """Lean records and the SDK's."""
    return _records("logs", resource, records, encode_logs.lean, encode_logs.standard)


def metrics(data: MetricsData) -> Encoded:
    """What a reader of the SDK hands out; each resource has its own points."""
    bodies, count, refused = [], 0, 0
    for of_resource in data.resource_metrics:
        by_scope: dict[bytes, Parts] = {}
        for of_scope in of_resource.scope_metrics:
            parts = by_scope.setdefault(_scope(of_scope.scope), [])
            for found in of_scope.metrics:
                body, points, lost = encode_metrics.metric(found)
                count, refused = count + points, refused + lost
                if points:
                    parts.append(field(_RECORD, body))
        bodies.append(_request(of_resource.resource, by_scope))
    return Encoded(b"".join(bodies), count, refused)


def _records(
    signal: str, resource: Resource, records: Iterable[Any], lean: Encode, standard: Encode
) -> Encoded:
    batch = list(records)
    encode = lean if _are_lean(batch) else _either(lean, standard)
    by_scope: dict[bytes, Parts] = {}
    by_object: dict[int, Parts] = {}
    held = []  # the scopes, so that an id is of one only
    known = by_object.get
    refused = 0
    for record in batch:
        try:
            scope, body = encode(record)
            parts = known(id(scope))
            if parts is None:
                parts = by_object[id(scope)] = by_scope.setdefault(_scope(scope), [])
                held.append(scope)
        except Exception as error:
            refused += 1
            _guard.fault(f"encoding {signal}", error)
            continue
        size = len(body)
        parts += (_RECORD, VARINTS[size] if size < _SMALL else varint(size), body)
    return Encoded(_request(resource, by_scope), len(batch) - refused, refused)


def _are_lean(batch: Sequence[Any]) -> bool:
    """Asked of a whole batch: nearly all are of one or two classes."""
    return all(getattr(kind, "lean", False) for kind in set(map(type, batch)))


def _either(lean: Encode, standard: Encode) -> Encode:
    return lambda record: (lean if getattr(record, "lean", False) else standard)(record)


def _request(resource: Any, by_scope: dict[bytes, Parts]) -> bytes:
    """All of one resource: the records under each scope, which is given as its bytes."""
    about, schema = _resource(resource)
    pieces = [about]
    for scope, parts in by_scope.items():
        if parts:
            content = b"".join(parts)
            pieces += (b"\x12", varint(len(scope) + len(content)), scope, content)
    if len(pieces) == 1:
        return b""
    pieces.append(schema)
    # Not by `field`: every join is a copy of all of it.
    return b"".join((b"\x0a", varint(sum(map(len, pieces))), *pieces))


def _resource(resource: Any) -> tuple[bytes, bytes]:
    """The resource and its schema; those of the last one are kept."""
    global _last_resource
    last, about, schema = _last_resource
    if last is not resource:
        about = field(b"\x0a", fields(_ON_RESOURCE, plain(resource.attributes)))
        schema = text_field(b"\x1a", resource.schema_url, LIMITS.value)
        _last_resource = resource, about, schema
    return about, schema


def _scope(scope: Any) -> bytes:
    """The scope and its schema; equal ones have the same bytes."""
    known = _known_scopes.get(id(scope))
    if known is not None and known[0] is scope:
        return known[1]
    made = field(b"\x0a", b"") if scope is None else _new_scope(scope)
    if len(_known_scopes) >= _MOST_SCOPES:  # scopes that are made for each request
        _known_scopes.clear()
    _known_scopes[id(scope)] = scope, made
    return made


def _new_scope(scope: Any) -> bytes:
    content = (
        text_field(b"\x0a", scope.name and mask_name("scope", scope.name), LIMITS.value),
        text_field(b"\x12", scope.version and mask_name("scope", scope.version), LIMITS.value),
        fields(_ON_SCOPE, plain(scope.attributes)),
    )
    schema = text_field(b"\x1a", scope.schema_url, LIMITS.value)
    return field(b"\x0a", b"".join(content)) + schema

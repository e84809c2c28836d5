"""An OTLP/HTTP receiver in this process, for a person to look at or a test to count.

Decodes with the official protobuf classes and hands each record on as a plain value. One thread a
connection (they are few); what is kept is guarded by one lock. It accepts what the specification
says and answers 400 to what it cannot read; it keeps everything, so it is not for production.

Source: OTLP specification, OTLP/HTTP, binary encoding.
"""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SERVER, CLIENT = 2, 3
"""Kinds of a span, as numbered in OTLP."""

ERROR = 2
"""Status code of a failed span, as numbered in OTLP."""


@dataclass(frozen=True)
class Span:
    """A span; times in nanoseconds since 1970, ids in hexadecimal (parent empty for a root)."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    status: int
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    scope: str
    resource: Mapping[str, Any]
    links: tuple[tuple[str, str], ...] = ()
    """Trace id and span id of each."""


@dataclass(frozen=True)
class Log:
    """A log record; time in nanoseconds since 1970, ids in hexadecimal, empty outside a span."""

    body: Any
    severity: str
    trace_id: str
    span_id: str
    time: int
    attributes: Mapping[str, Any]
    scope: str
    resource: Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """A point of a metric; count and value as far as its kind has them.

    is_monotonic: whether a sum only grows, as a counter's does.
    """

    name: str
    unit: str
    kind: str
    is_delta: bool
    count: int
    value: float
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    is_monotonic: bool = False


@dataclass
class Received:
    """Everything that has arrived."""

    spans: list[Span] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)


class Receiver:
    """Listens on loopback from `start` to `stop`; port 0 takes a free one.

    on_arrival: called with the records of each request, in its connection's thread.
    Raises OSError when the port is taken.
    """

    def __init__(self, port: int = 0, on_arrival: Callable[[Received], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._received = Received()
        self._on_arrival = on_arrival
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._received.spans)

    @property
    def logs(self) -> list[Log]:
        with self._lock:
            return list(self._received.logs)

    @property
    def points(self) -> list[Point]:
        with self._lock:
            return list(self._received.points)

    def _keep(self, arrived: Received) -> None:
        with self._lock:
            self._received.spans += arrived.spans
            self._received.logs += arrived.logs
            self._received.points += arrived.points
        if self._on_arrival is not None:
            self._on_arrival(arrived)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    status, answer = _accept(self.path, self._body(), keep)
                except (DecodeError, ValueError, OSError, EOFError, zlib.error):
                    status, answer = 400, b""
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _body(self) -> bytes:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                match self.headers.get("content-encoding"):
                    case "gzip":
                        return gzip.decompress(body)
                    case "deflate":
                        return zlib.decompress(body)
                return body

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _accept(path: str, body: bytes, keep: Callable[[Received], None]) -> tuple[int, bytes]:
    if path not in _SIGNALS:
        return 404, b""
    request_type, response_type, decode = _SIGNALS[path]
    request = request_type()
    request.ParseFromString(body)
    keep(decode(request))
    return 200, response_type().SerializeToString()


def _spans(request: Any) -> Received:
    received = Received()
    for owner in request.resource_spans:
        resource = _attributes(owner.resource.attributes)
        for scope in owner.scope_spans:
            received.spans += [_span(span, scope.scope.name, resource) for span in scope.spans]
    return received


def _span(span: Any, scope: str, resource: Mapping[str, Any]) -> Span:
    return Span(
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        status=span.status.code,
        attributes=_attributes(span.attributes),
        events=tuple((event.name, _attributes(event.attributes)) for event in span.events),
        scope=scope,
        resource=resource,
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def _logs(request: Any) -> Received:
    received = Received()
    for owner in request.resource_logs:
        resource = _attributes(owner.resource.attributes)
        for scope in owner.scope_logs:
            received.logs += [_log(log, scope.scope.name, resource) for log in scope.log_records]
    return received


def _log(log: Any, scope: str, resource: Mapping[str, Any]) -> Log:
    return Log(
        body=_value(log.body),
        severity=log.severity_text,
        trace_id=log.trace_id.hex(),
        span_id=log.span_id.hex(),
        time=log.time_unix_nano or log.observed_time_unix_nano,
        attributes=_attributes(log.attributes),
        scope=scope,
        resource=resource,
    )


def _points(request: Any) -> Received:
    received = Received()
    for owner in request.resource_metrics:
        resource = _attributes(owner.resource.attributes)
        for scope in owner.scope_metrics:
            for metric in scope.metrics:
                received.points += _metric(metric, resource)
    return received


def _metric(metric: Any, resource: Mapping[str, Any]) -> Iterator[Point]:
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    for point in data.data_points:
        is_number = kind in ("sum", "gauge")
        value = point.as_double or point.as_int if is_number else point.sum
        yield Point(
            name=metric.name,
            unit=metric.unit,
            kind=kind,
            is_delta=getattr(data, "aggregation_temporality", 0) == 1,
            count=1 if is_number else point.count,
            value=value,
            attributes=_attributes(point.attributes),
            resource=resource,
            is_monotonic=getattr(data, "is_monotonic", False),
        )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


_SIGNALS: Mapping[str, tuple[Any, Any, Callable[[Any], Received]]] = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse, _spans),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse, _points),
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse, _logs),
}

"""A stand-in for Datadog's OTLP intake: like it where a sender can go wrong.

- Paths /v1/traces, /v1/metrics and /v1/logs; anything else is 404.
- The key in `dd-api-key`: without one 401, with another one 403.
- Cumulative monotonic sums and cumulative histograms are refused with 400.
- More than 3.2 MB of spans or 5 MB of anything raw, or 500 KB of compressed metrics: 413.
- `answer_with(503)` makes it answer that from now on; `answer_with(None)` ends it.

What it takes is decoded by OpenTelemetry's own classes and kept in `spans`, `logs`, `metrics`.
How the real intake words its refusals is not known here; only the codes are stood in for.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from google.protobuf.message import DecodeError, Message
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
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE

# Path: what is asked, what is answered, the most raw bytes, the most compressed bytes.
SIGNALS: dict[str, tuple[type[Message], type[Message], int, int]] = {
    "/v1/traces": (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        3_200_000,
        3_200_000,
    ),
    "/v1/metrics": (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        5_000_000,
        500_000,
    ),
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse, 5_000_000, 5_000_000),
}


class Refusal(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Intake:
    """What has arrived, and how to answer. Shared by the server's threads, under one lock."""

    key: str
    spans: list[Span] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    forced: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, key: str | None, encoding: str | None, body: bytes) -> Message:
        """Answers one request, or raises why not."""
        if path not in SIGNALS:
            raise Refusal(404, "no such path")
        if self.forced:
            raise Refusal(self.forced, "told to")
        if not key:
            raise Refusal(401, "no dd-api-key")
        if key != self.key:
            raise Refusal(403, "wrong dd-api-key")
        request, answer, most_raw, most_compressed = SIGNALS[path]
        raw = gzip.decompress(body) if encoding == "gzip" else body
        if len(body) > most_compressed or len(raw) > most_raw:
            raise Refusal(413, "too large")
        message = request()
        try:
            message.ParseFromString(raw)
        except DecodeError:
            raise Refusal(400, "not OTLP") from None
        self._keep(message)
        return answer()

    def _keep(self, message: Message) -> None:
        match message:
            case ExportTraceServiceRequest():
                self.spans += [
                    span
                    for resource in message.resource_spans
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
            case ExportLogsServiceRequest():
                self.logs += [
                    record
                    for resource in message.resource_logs
                    for scope in resource.scope_logs
                    for record in scope.log_records
                ]
            case ExportMetricsServiceRequest():
                metrics = list(_metrics(message))
                if refused := [metric.name for metric in metrics if _is_cumulative(metric)]:
                    raise Refusal(400, f"cumulative: {refused[0]}")
                self.metrics += metrics


class DatadogStandIn:
    """`with DatadogStandIn() as datadog:` and OTELIER_DATADOG_ENDPOINT=datadog.url."""

    def __init__(self, key: str = "0123456789abcdef0123456789abcdef") -> None:
        self.intake = Intake(key)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.intake = self.intake
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def key(self) -> str:
        return self.intake.key

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environ(self) -> dict[str, str]:
        """What a collector needs to send here."""
        return {"DD_API_KEY": self.key, "OTELIER_DATADOG_ENDPOINT": self.url}

    @property
    def spans(self) -> list[Span]:
        with self.intake.lock:
            return list(self.intake.spans)

    @property
    def logs(self) -> list[LogRecord]:
        with self.intake.lock:
            return list(self.intake.logs)

    @property
    def metrics(self) -> list[Metric]:
        with self.intake.lock:
            return list(self.intake.metrics)

    @property
    def answers(self) -> list[tuple[str, int]]:
        """Path and status of every request so far."""
        with self.intake.lock:
            return list(self.intake.answers)

    def answer_with(self, status: int | None) -> None:
        self.intake.forced = status

    def histogram_count(self, name: str) -> int:
        """How many measurements of a delta histogram have arrived."""
        points = (
            point for m in self.metrics if m.name == name for point in m.histogram.data_points
        )
        return sum(point.count for point in points)

    def __enter__(self) -> DatadogStandIn:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    intake: Intake


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        intake = self.server.intake
        with intake.lock:
            try:
                key, encoding = self.headers.get("dd-api-key"), self.headers.get("content-encoding")
                answer = intake.take(self.path, key, encoding, body).SerializeToString()
                status = 200
            except Refusal as refusal:
                status, answer = refusal.status, str(refusal).encode()
            intake.answers.append((self.path, status))
        self.send_response(status)
        self.send_header(
            "content-type", "application/x-protobuf" if status == 200 else "text/plain"
        )
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Quiet: `answers` tells."""


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as a mapping: text, numbers and booleans."""
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found


def _metrics(message: ExportMetricsServiceRequest) -> Iterator[Metric]:
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _is_cumulative(metric: Metric) -> bool:
    """Non-monotonic sums become gauges there and may be cumulative."""
    if metric.HasField("sum"):
        return metric.sum.is_monotonic and metric.sum.aggregation_temporality == CUMULATIVE
    if metric.HasField("histogram"):
        return metric.histogram.aggregation_temporality == CUMULATIVE
    if metric.HasField("exponential_histogram"):
        return metric.exponential_histogram.aggregation_temporality == CUMULATIVE
    return False

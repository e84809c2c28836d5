"""The OTLP receiver, against upstream's own exporters."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, StatusCode

from otelier.cli.receiver import ERROR, SERVER, Receiver
from otelier.export.deliver import Delivery
from otelier.export.sinks import ExporterSink
from otelier.sdk.providers import Providers

RESOURCE = Resource({"service.name": "tested"})


@pytest.mark.parametrize("compression", list(Compression))
def test_what_is_sent_is_what_is_kept(compression: Compression) -> None:
    """A span, a log record and a metric of the SDK's exporters, under each compression."""
    with Receiver() as receiver:
        exporters: dict[str, Any] = {
            "traces": OTLPSpanExporter(f"{receiver.url}/v1/traces", compression=compression),
            "metrics": OTLPMetricExporter(f"{receiver.url}/v1/metrics", compression=compression),
            "logs": OTLPLogExporter(f"{receiver.url}/v1/logs", compression=compression),
        }
        made = Providers(RESOURCE)
        delivery = Delivery(
            [ExporterSink(signal, exporter) for signal, exporter in exporters.items()],
            collect=made.collect,
        )
        made.deliver_to(delivery)
        with made.tracer.get_tracer("t").start_as_current_span(
            "work", kind=SpanKind.SERVER
        ) as span:
            span.set_attributes({"n": 1, "list": ["a", "b"], "yes": True})
            span.set_status(StatusCode.ERROR)
            span.add_event("happened", {"x": 0.5})
            record = LogRecord(body={"deep": [1]}, severity_number=SeverityNumber.INFO)
            made.logger.get_logger("l").emit(record)
        made.meter.get_meter("m").create_counter("things", unit="{thing}").add(7, {"k": "v"})
        assert delivery.flush(5)
        (kept,), (log,), (point,) = receiver.spans, receiver.logs, receiver.points
    assert (kept.name, kept.kind, kept.status, kept.parent_id) == ("work", SERVER, ERROR, "")
    assert kept.attributes == {"n": 1, "list": ["a", "b"], "yes": True}
    assert kept.events == (("happened", {"x": 0.5}),)
    assert kept.resource["service.name"] == "tested"
    assert (log.body, log.trace_id, log.span_id) == ({"deep": [1]}, kept.trace_id, kept.span_id)
    assert (point.name, point.unit, point.value, point.is_delta) == ("things", "{thing}", 7, True)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/traces", b"\xff\xff", {}, 400),
        ("/v1/traces", b"not gzip", {"content-encoding": "gzip"}, 400),
        ("/v1/traces", gzip.compress(b"x" * 100)[:-5], {"content-encoding": "gzip"}, 400),
        ("/v1/other", b"", {}, 404),
        ("/v1/logs", b"", {}, 200),
    ],
)
def test_what_cannot_be_read(path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    """A bad request is refused and nothing is kept; the receiver goes on."""
    with Receiver() as receiver:
        request = urllib.request.Request(f"{receiver.url}{path}", body, headers, method="POST")
        try:
            answered = urllib.request.urlopen(request, timeout=5).status
        except urllib.error.HTTPError as error:
            answered = error.code
        assert answered == status
        assert receiver.spans == []


def test_port_that_is_taken() -> None:
    """Two receivers cannot have one port."""
    with Receiver() as first, pytest.raises(OSError, match="in use"):
        Receiver(int(first.url.rpartition(":")[2]))
